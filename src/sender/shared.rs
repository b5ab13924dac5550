//! What the threads of a run and their owner tell each other.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Numbers that all threads of a run add to, and the flag that stops them.
#[derive(Debug, Default)]
pub struct SharedRun {
    /// Begin nothing more. By itself, so that a signal can set it.
    pub stop: Arc<AtomicBool>,
    /// Messages done; a tenth of a second old.
    pub done: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    /// When a connection of any thread was last useful, ns since the start of sending.
    pub(super) used_ns: AtomicU64,
    /// When the target last answered a message of any thread, ns since the start of sending; a
    /// tenth of a second old.
    pub(super) answered_ns: AtomicU64,
}
