//! Work that the caller observes while it runs.
use std::time::Duration;

/// Runs `work` on a thread of its own, and calls `look` now and then until it has ended.
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
