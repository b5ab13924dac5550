//! A summary of one segment, usable without opening it again.
use std::path::PathBuf;
use std::sync::Arc;

use super::{Damage, Segment};
use crate::log::files::dropped::Dropped;
use crate::log::files::flags::Flags;
use crate::log::format::{Published, SealedTotals, SegmentIdentity, Slot, State};
use crate::time::UnixNs;

/// A summary of one segment, usable without opening it again.
#[derive(Debug, Clone)]
pub struct SegmentSummary {
    /// The segment's identity page.
    pub identity: SegmentIdentity,
    /// Number of slots and messages.
    pub published: Published,
    /// Open, sealed or suspect.
    pub state: State,
    /// The totals written at sealing. Of an open segment, only the times are known.
    pub totals: SealedTotals,
    /// Number of slots with rejections.
    pub rejections: u64,
    /// Number of slots with notes.
    pub notes: u64,
    /// Number of messages that were only counted.
    pub only_counted: u64,
    /// The path of its file.
    pub path: PathBuf,
    /// Which of its messages were removed.
    pub(crate) flags: Arc<Flags>,
    /// Number of lost messages below the watermark of the flags; they don't count as removed.
    pub(super) lost_below: u32,
}

impl SegmentSummary {
    pub(super) fn of(segment: &Segment) -> SegmentSummary {
        let mut published = segment.published();
        let totals = segment.totals().unwrap_or_else(|| {
            // Of an open segment, the first and last slots provide the times.
            let time = |slot: Result<Slot, Damage>| {
                slot.map_or(UnixNs::EPOCH, |s| s.facts().received_at_ns)
            };
            let first_received_at_ns = time(segment.slot(0));
            let last_received_at_ns = time(segment.slot(published.slots.saturating_sub(1)));
            SealedTotals { first_received_at_ns, last_received_at_ns, ..SealedTotals::default() }
        });
        if segment.totals().is_some() {
            // The segment was sealed meanwhile: only now are the counts final, like the totals.
            published = segment.published();
        }
        SegmentSummary {
            identity: *segment.identity(),
            published,
            state: segment.state(),
            totals,
            rejections: segment.rejections(),
            notes: segment.notes(),
            only_counted: segment.only_counted(),
            path: segment.path().to_owned(),
            flags: Arc::default(),
            lost_below: 0,
        }
    }

    /// Returns the number of readable messages.
    pub fn messages(&self) -> u64 {
        let there = u64::from(self.published.messages.saturating_sub(self.totals.lost_messages));
        there.saturating_sub(self.removed_messages())
    }

    /// Returns the number of messages lost in a crash, without those below the watermark of its
    /// flags.
    pub fn lost(&self) -> u64 {
        u64::from(self.totals.lost_messages.saturating_sub(self.lost_below))
    }

    fn removed_messages(&self) -> u64 {
        self.flags.messages().saturating_sub(u64::from(self.lost_below))
    }

    /// Returns the number of removed messages, including those that were only counted.
    pub fn removed(&self) -> u64 {
        self.removed_messages() + self.flags.only_counted
    }

    /// Returns the entry for `events.jsonl` if the segment is dropped.
    pub(super) fn as_dropped(&self) -> Dropped {
        Dropped {
            segments: 1,
            messages: u64::from(self.published.messages),
            message_bytes: self.totals.message_bytes,
            only_counted: self.only_counted,
            first: self.identity.number,
            last: self.identity.number,
        }
    }

    /// Returns whether all messages of the segment were removed.
    pub fn is_removed(&self) -> bool {
        self.messages() == 0 && self.removed() > 0 && self.only_counted <= self.flags.only_counted
    }
}
