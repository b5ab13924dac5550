//! Requests to the flusher, and its answers to a worker.
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crossbeam_channel::Sender;

use super::gate::Gate;
use super::own::OwnEvent;
use crate::log::files::map::Mapping;
use crate::log::format::id::MessageId;

/// What the flusher tells a worker about a segment. Written by the flusher alone.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    /// Flushes that have returned well, of those the worker asked for.
    done: AtomicU32,
    /// 0; or 1 when a flush has failed.
    failed: AtomicU32,
    /// Slots that are safe all the same.
    safe_slots: AtomicU32,
}

impl Flushed {
    /// How many have returned.
    pub(crate) fn done(&self) -> u32 {
        // Partner: the release store in `succeed`, which follows the flush.
        self.done.load(Acquire)
    }

    /// Another one has returned. One asks, one answers: no count is lost.
    pub(crate) fn succeed(&self) {
        // Partner: the acquire load in `done`.
        self.done.store(self.done.load(Relaxed).wrapping_add(1), Release);
    }

    /// A flush has failed: the slots below this are on disk for sure (durability `interval`).
    pub(crate) fn failed(&self) -> Option<u32> {
        // Partner: the release store in `fail`; before it, `safe_slots`.
        (self.failed.load(Acquire) != 0).then(|| self.safe_slots.load(Relaxed))
    }

    /// A flush has failed; the slots below `safe_slots` had been flushed before.
    pub(crate) fn fail(&self, safe_slots: u32) {
        self.safe_slots.store(safe_slots, Relaxed);
        // Partner: the acquire load in `failed`.
        self.failed.store(1, Release);
    }
}

/// A request to the flusher.
#[derive(Debug)]
pub(crate) enum FlushJob {
    /// All that was written to this segment until now.
    Segment { mapping: Arc<Mapping>, flushed: Arc<Flushed>, gate: Arc<Gate> },
    /// An own segment, which gets its name when it is safe.
    Own(OwnFlush),
    /// From now on flush this segment when it has changed (durability `interval`).
    Watch { number: u32, mapping: Arc<Mapping>, flushed: Arc<Flushed> },
    /// The segment is sealed: the sync thread flushes it.
    Forget { number: u32 },
    /// The log is being closed.
    Stop,
}

/// An own segment that is complete but for its name.
#[derive(Debug)]
pub(crate) struct OwnFlush {
    pub mapping: Arc<Mapping>,
    pub part: PathBuf,
    pub path: PathBuf,
    pub id: MessageId,
    pub events: Sender<OwnEvent>,
    pub gate: Arc<Gate>,
}
