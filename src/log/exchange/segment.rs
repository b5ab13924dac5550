//! A segment as it is handed over: prepared for its worker, and left by it.
use std::sync::Arc;

use super::flush::Flushed;
use super::window::Window;
use crate::log::files::map::WriteAccess;
use crate::log::format::{Hole, Identity, SealedTotals, State};

/// A segment that provisioning has made ready, in parts: its worker builds an open one from them.
#[derive(Debug)]
pub(crate) struct PreparedSegment {
    pub identity: Identity,
    pub access: WriteAccess,
    pub window: Arc<Window>,
    pub publish_after: PublishAfter,
    /// Room for holes: the worker allocates none.
    pub holes: Vec<Hole>,
}

/// What must have happened before readers see a slot.
#[derive(Debug)]
pub(crate) enum PublishAfter {
    /// The commit (durability `process`).
    Commit,
    /// The commit; the flusher reports if a later flush fails (`interval`).
    WatchedCommit(Arc<Flushed>),
    /// A flush that returned (`message`).
    Flush(Arc<Flushed>),
}

/// A segment that its worker has left, on its way to be sealed.
#[derive(Debug)]
pub(crate) struct LeftSegment {
    pub identity: Identity,
    pub access: WriteAccess,
    pub totals: SealedTotals,
    pub slots: u32,
    pub state: State,
    /// Messages that were only counted.
    pub counted: u64,
    /// The unused middle and the holes, to be punched out.
    pub holes: Vec<Hole>,
}
