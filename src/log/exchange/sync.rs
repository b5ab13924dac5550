//! Requests to the sync thread.
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time from sealing a segment to flushing it. By then the kernel has usually written its pages: it
/// does so after 30 s (`dirty_expire_centisecs`), and checks every 5 s.
pub(crate) const SYNC_AFTER: Duration = Duration::from_secs(35);

/// A request to the sync thread.
#[derive(Debug)]
pub(crate) enum SyncJob {
    /// Flush a sealed segment. Named by path instead of an open file: each large message is a file,
    /// and a slow disk can leave thousands of them waiting.
    Segment { number: u32, path: PathBuf, due: Instant },
    /// Flush the `store` file, which has changed.
    Store,
    /// End the thread, because the log is being closed.
    Stop,
}
