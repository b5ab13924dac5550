//! What is known of one segment without opening it again.
use std::path::PathBuf;
use std::sync::Arc;

use super::{Damage, Segment};
use crate::log::files::dropped::Dropped;
use crate::log::files::flags::Flags;
use crate::log::format::{Identity, Published, SealedTotals, Slot, State};

/// What is known of one segment without opening it again.
#[derive(Debug, Clone)]
pub struct SegmentSummary {
    /// The segment's identity page.
    pub identity: Identity,
    /// Slots and messages.
    pub published: Published,
    /// Open, sealed or suspect.
    pub state: State,
    /// What sealing wrote down; of an open one, what is known so far (times only).
    pub totals: SealedTotals,
    /// Slots that hold rejections.
    pub rejections: u64,
    /// Slots that hold notes.
    pub notes: u64,
    /// Messages that were only counted.
    pub only_counted: u64,
    /// The path of its file.
    pub path: PathBuf,
    /// What of it was removed.
    pub(crate) flags: Arc<Flags>,
    /// Lost messages below the watermark of the flags: they were not removed.
    pub(super) lost_below: u32,
}

impl SegmentSummary {
    pub(super) fn of(segment: &Segment) -> SegmentSummary {
        let mut published = segment.published();
        let totals = segment.totals().unwrap_or_else(|| {
            // While it is open, its first and last slots say the times.
            let time = |slot: Result<Slot, Damage>| slot.map_or(0, |s| s.facts().received_at_ns);
            let first_received_at_ns = time(segment.slot(0));
            let last_received_at_ns = time(segment.slot(published.slots.saturating_sub(1)));
            SealedTotals { first_received_at_ns, last_received_at_ns, ..SealedTotals::default() }
        });
        if segment.totals().is_some() {
            // Sealed meanwhile: only now the count is final, as the totals are.
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

    /// Messages that can be read.
    pub fn messages(&self) -> u64 {
        let there = u64::from(self.published.messages.saturating_sub(self.totals.lost_messages));
        there.saturating_sub(self.removed_messages())
    }

    /// Messages that were lost in a crash, and not passed over by the watermark of its flags.
    pub fn lost(&self) -> u64 {
        u64::from(self.totals.lost_messages.saturating_sub(self.lost_below))
    }

    fn removed_messages(&self) -> u64 {
        self.flags.messages().saturating_sub(u64::from(self.lost_below))
    }

    /// Messages that were removed, those included that were only counted.
    pub fn removed(&self) -> u64 {
        self.removed_messages() + self.flags.only_counted
    }

    /// As a line of `events.jsonl` counts it when it is dropped.
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
