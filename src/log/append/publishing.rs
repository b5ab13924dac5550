//! Which of the slots written to a segment readers can see: all of them, or those that a flush has
//! covered.
use std::sync::Arc;

use crate::log::exchange::{Flushed, PublishAfter};
use crate::log::format::{Published, Record, SlotFacts, SlotKind};
use crate::time::UnixNs;

/// Counts and totals of the slots in a segment, up to a certain slot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SegmentCounts {
    pub slots: u32,
    pub messages: u32,
    pub rejections: u64,
    pub notes: u64,
    pub record_bytes: u64,
    pub message_bytes: u64,
    pub first_received_at_ns: UnixNs,
    pub last_received_at_ns: UnixNs,
}

impl SegmentCounts {
    /// Returns the counts in the word that makes slots visible.
    #[inline]
    pub fn published(&self) -> Published {
        Published { slots: self.slots, messages: self.messages }
    }

    /// Counts a further slot.
    #[inline]
    pub fn count(&mut self, facts: &SlotFacts, record: &Record) {
        if self.slots == 0 {
            self.first_received_at_ns = facts.received_at_ns;
        }
        self.last_received_at_ns = facts.received_at_ns;
        self.record_bytes += record.end() - record.offset;
        self.slots += 1;
        match facts.kind {
            SlotKind::Message => {
                self.messages += 1;
                self.message_bytes += u64::from(facts.message_bytes);
            }
            SlotKind::Rejection => self.rejections += 1,
            SlotKind::Note => self.notes += 1,
        }
    }
}

/// Whether the slots of a segment are published when they are written, or after a flush.
#[derive(Debug)]
pub(super) enum Publishing {
    /// When written (durability `process`).
    Now,
    /// When written; the flusher reports if a later flush fails (`interval`).
    Watched(Arc<Flushed>),
    /// After a flush (`message`).
    Held(Held),
}

/// The progress of flushes for slots that are published after a flush.
#[derive(Debug)]
pub(super) struct Held {
    flushed: Arc<Flushed>,
    /// Number of flushes requested.
    requested: u32,
    /// What the flush in progress covers.
    in_flight: Option<SegmentCounts>,
    /// What readers can see.
    visible: SegmentCounts,
    /// Number of commits whose outcome was not fetched yet.
    waiting: u32,
}

/// The outcome of a commit that waited for a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushOutcome {
    Waiting,
    Published,
    Lost,
}

/// What the flusher has reported.
#[derive(Debug, Default)]
pub(super) struct FlushReport {
    /// A flush covered these slots, which are to be published.
    pub landed: Option<SegmentCounts>,
    /// A flush failed: the slots from this one on are in doubt.
    pub suspect_from: Option<u32>,
}

impl Publishing {
    pub fn new(after: PublishAfter) -> Publishing {
        match after {
            PublishAfter::Commit => Publishing::Now,
            PublishAfter::WatchedCommit(flushed) => Publishing::Watched(flushed),
            PublishAfter::Flush(flushed) => {
                let visible = SegmentCounts::default();
                let (requested, in_flight, waiting) = (0, None, 0);
                Publishing::Held(Held { flushed, requested, in_flight, visible, waiting })
            }
        }
    }

    /// Returns whether a slot is published when it is written.
    #[inline]
    pub fn is_at_commit(&self) -> bool {
        !matches!(self, Publishing::Held(_))
    }

    /// Returns the counts of what readers can see, given the counts of what was written.
    pub fn visible(&self, written: &SegmentCounts) -> SegmentCounts {
        match self {
            Publishing::Held(held) => held.visible,
            Publishing::Now | Publishing::Watched(_) => *written,
        }
    }

    /// Returns whether some of the written slots are not visible yet.
    pub fn is_behind(&self, written: &SegmentCounts) -> bool {
        self.visible(written).slots < written.slots
    }

    /// Returns whether commits wait for their outcome.
    pub fn has_waiting(&self) -> bool {
        matches!(self, Publishing::Held(held) if held.waiting > 0)
    }

    /// Returns whether a commit that was just written must wait for a flush, and counts it if so.
    #[inline]
    pub fn waits(&mut self) -> bool {
        match self {
            Publishing::Now | Publishing::Watched(_) => false,
            Publishing::Held(held) => {
                held.waiting += 1;
                true
            }
        }
    }

    /// Returns the outcome of the commit of `slot`. If `suspect_from` is set, a flush has failed,
    /// and commits that are not visible are lost. A final outcome can be fetched once.
    pub fn fate(&mut self, slot: u32, suspect_from: Option<u32>) -> FlushOutcome {
        let Publishing::Held(held) = self else {
            return FlushOutcome::Published;
        };
        let fate = match suspect_from {
            _ if slot < held.visible.slots => FlushOutcome::Published,
            Some(_) => FlushOutcome::Lost,
            None => return FlushOutcome::Waiting,
        };
        held.waiting -= 1;
        fate
    }

    /// Fetches the flusher's results. What has landed is visible from now on.
    pub fn poll(&mut self) -> FlushReport {
        match self {
            Publishing::Now => FlushReport::default(),
            Publishing::Watched(flushed) => {
                FlushReport { landed: None, suspect_from: flushed.failed() }
            }
            Publishing::Held(held) => {
                let landed = held.in_flight.filter(|_| held.flushed.done() == held.requested);
                if let Some(counts) = landed {
                    (held.visible, held.in_flight) = (counts, None);
                }
                let suspect_from = held.flushed.failed().map(|_| held.visible.slots);
                FlushReport { landed, suspect_from }
            }
        }
    }

    /// Begins a flush if some of the written slots are not visible yet, and no flush is in
    /// progress. The caller must pass the result to the flusher.
    pub fn begin_flush(&mut self, written: &SegmentCounts) -> Option<Arc<Flushed>> {
        let Publishing::Held(held) = self else {
            return None;
        };
        if held.visible.slots >= written.slots || held.in_flight.is_some() {
            return None;
        }
        held.in_flight = Some(*written);
        held.requested = held.requested.wrapping_add(1);
        Some(held.flushed.clone())
    }

    /// Notes that a flush outside the flusher has covered `written`, which is visible from now on.
    pub fn landed(&mut self, written: &SegmentCounts) {
        if let Publishing::Held(held) = self {
            (held.visible, held.in_flight) = (*written, None);
        }
    }
}
