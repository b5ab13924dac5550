//! A segment in transit between threads: prepared for a worker, or left by it.
use std::sync::Arc;

use super::flush::Flushed;
use super::window::Window;
use crate::log::files::map::WriteAccess;
use crate::log::format::{Hole, SealedTotals, SegmentIdentity, State};

/// A prepared segment, in the parts from which its worker builds an open segment.
#[derive(Debug)]
pub(crate) struct PreparedSegment {
    pub identity: SegmentIdentity,
    pub access: WriteAccess,
    pub window: Arc<Window>,
    pub publish_after: PublishAfter,
    /// Preallocated space for holes: the worker allocates nothing.
    pub holes: Vec<Hole>,
}

/// What must happen before a slot is published to readers.
#[derive(Debug)]
pub(crate) enum PublishAfter {
    /// Its commit (durability `process`).
    Commit,
    /// Its commit; the flusher reports if a later flush fails (`interval`).
    WatchedCommit(Arc<Flushed>),
    /// A successful flush (`message`).
    Flush(Arc<Flushed>),
}

/// A segment that its worker has left, to be sealed.
#[derive(Debug)]
pub(crate) struct RetiredSegment {
    pub identity: SegmentIdentity,
    pub access: WriteAccess,
    pub totals: SealedTotals,
    pub slots: u32,
    pub state: State,
    /// Number of messages that were only counted.
    pub counted: u64,
    /// The unused middle, and holes to be punched out.
    pub holes: Vec<Hole>,
}
