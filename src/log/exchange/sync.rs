//! Requests to the sync thread.
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// 30 s is when the kernel's flusher takes a page (`dirty_expire_centisecs`), 5 s its round.
pub(crate) const SYNC_AFTER: Duration = Duration::from_secs(35);

/// A request to the sync thread.
#[derive(Debug)]
pub(crate) enum SyncJob {
    /// By name, not as an open file: large messages are a file each, and a disk may fall behind
    /// by thousands.
    Segment { number: u32, path: PathBuf, due: Instant },
    /// The `store` file has changed.
    Store,
    /// The log is being closed.
    Stop,
}
