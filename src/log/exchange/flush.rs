//! Requests to the flusher, and its results for a worker.
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};

use crossbeam_channel::Sender;

use super::dedicated::DedicatedEvent;
use super::gate::Gate;
use crate::log::files::map::Mapping;
use crate::log::format::id::MessageId;

/// The results of flushes of a segment. Written only by the flusher, read by the worker.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    /// Number of successful flushes that the worker requested.
    done: AtomicU32,
    /// Whether a flush has failed. It never becomes false again.
    failed: AtomicBool,
    /// Slots below this one are durable even after a failure.
    safe_slots: AtomicU32,
}

impl Flushed {
    /// Returns the number of flushes that succeeded.
    pub(crate) fn done(&self) -> u32 {
        // Partner: the release store in `succeed`, which follows the flush.
        self.done.load(Acquire)
    }

    /// Counts a successful flush. There is only one writer, so no count is lost.
    pub(crate) fn succeed(&self) {
        // Partner: the acquire load in `done`.
        self.done.store(self.done.load(Relaxed).wrapping_add(1), Release);
    }

    /// Returns, after a failed flush, the slot below which all slots are durable (durability
    /// `interval`).
    pub(crate) fn failed(&self) -> Option<u32> {
        // Partner: the release store in `fail`; before it, `safe_slots`.
        self.failed.load(Acquire).then(|| self.safe_slots.load(Relaxed))
    }

    /// Records that a flush failed; the slots below `safe_slots` were flushed before.
    pub(crate) fn fail(&self, safe_slots: u32) {
        self.safe_slots.store(safe_slots, Relaxed);
        // Partner: the acquire load in `failed`.
        self.failed.store(true, Release);
    }
}

/// A request to the flusher.
#[derive(Debug)]
pub(crate) enum FlushJob {
    /// Flush everything written to this segment so far.
    Segment { mapping: Arc<Mapping>, flushed: Arc<Flushed>, gate: Arc<Gate> },
    /// Flush a dedicated segment, then give it its name.
    Dedicated(DedicatedFlush),
    /// Flush this segment whenever it has changed (durability `interval`).
    Watch { number: u32, mapping: Arc<Mapping>, flushed: Arc<Flushed> },
    /// Stop watching a segment: it is sealed, and the sync thread flushes it.
    Forget { number: u32 },
    /// The log is being closed.
    Stop,
}

/// A dedicated segment that is complete except for its name.
#[derive(Debug)]
pub(crate) struct DedicatedFlush {
    pub mapping: Arc<Mapping>,
    pub part: PathBuf,
    pub path: PathBuf,
    pub id: MessageId,
    pub events: Sender<DedicatedEvent>,
    pub gate: Arc<Gate>,
}
