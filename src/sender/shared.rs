//! State shared by the threads of a run and their owner.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Figures that all threads of a run update, and the flag that stops them.
#[derive(Debug, Default)]
pub struct SharedRun {
    /// Set to begin nothing more. A separate flag, so that a signal handler can set it.
    pub stop: Arc<AtomicBool>,
    /// The number of messages done, up to a tenth of a second old.
    pub done: AtomicU64,
    /// The number of open connections.
    pub open: AtomicU64,
    /// When a connection of any thread was last useful, ns since the start of sending.
    pub(super) last_useful_ns: AtomicU64,
    /// When the target last answered a message of any thread, in ns since the start of sending; up
    /// to a tenth of a second old.
    pub(super) answered_ns: AtomicU64,
}
