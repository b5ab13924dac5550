//! Runs work while the caller watches its progress.
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `work` on a thread of its own, and calls `look` regularly until it ends.
pub fn watched<T: Send>(mut look: impl FnMut(), work: impl FnOnce() -> T + Send) -> T {
    // Nothing is ever sent: the channel is disconnected when the thread ends, even by a panic.
    let (running, ended) = crossbeam_channel::bounded::<()>(0);
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let _running = running;
            work()
        });
        while ended.recv_timeout(POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            look();
        }
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
