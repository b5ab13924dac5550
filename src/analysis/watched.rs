//! Runs work while the caller watches its progress.
use std::time::Duration;

/// Runs `work` on a thread of its own, and calls `look` regularly until it ends.
pub fn watched<T: Send>(mut look: impl FnMut(), work: impl FnOnce() -> T + Send) -> T {
    let (done, ended) = crossbeam_channel::bounded(1);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(done.send(work())));
        loop {
            match ended.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => return result,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => look(),
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                    unreachable!("the thread sends before it ends, or panics, and so do we")
                }
            }
        }
    })
}
