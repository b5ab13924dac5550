//! The part of a segment that a listing covers, and positions in it.
use std::ops::Range;
use std::sync::Arc;

use super::catalog::Catalog;
use super::summary::SegmentSummary;
use super::{ReadError, Segment};
use crate::log::files::flags::Flags;
use crate::log::format::Slot;
use crate::time::{Span, UnixNs};

/// The part of a segment within the span.
#[derive(Debug, Clone)]
pub struct SegmentSpan {
    pub number: u32,
    /// Number of slots and messages in the whole segment.
    slots: u32,
    messages: u32,
    pub first_ns: UnixNs,
    pub last_ns: UnixNs,
    /// The positions within the span. Slots below the watermark of the flags are excluded.
    pub from: Position,
    pub to: Position,
    /// The flags of the segment: single messages in the part may be removed.
    pub flags: Arc<Flags>,
    /// Number of lost messages in the whole segment.
    lost: u32,
}

/// A position between two slots: the number of slots and messages before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub slot: u32,
    pub messages: u32,
}

impl SegmentSpan {
    /// Covers the whole segment, without the removed messages at its start.
    pub fn of(summary: &SegmentSummary) -> SegmentSpan {
        let (slots, messages) = (summary.published.slots, summary.published.messages);
        let flags = summary.flags.clone();
        let removed = Position { slot: flags.watermark, messages: flags.messages_below };
        SegmentSpan {
            number: summary.identity.number,
            slots,
            messages,
            first_ns: summary.totals.first_received_at_ns,
            last_ns: summary.totals.last_received_at_ns,
            from: removed,
            to: Position { slot: slots, messages },
            flags,
            lost: summary.totals.lost_messages,
        }
    }

    /// Shrinks the part to `span`. Costs a binary search if the span begins or ends within the
    /// segment.
    pub fn cut_to(&mut self, folder: &Catalog, span: Span) -> Result<(), ReadError> {
        if let Some(since) = span.since_ns {
            let position = self.position_at(folder, since, 0..self.slots)?;
            if position.slot > self.from.slot {
                self.from = position;
            }
        }
        if let Some(until) = span.until_ns {
            self.to = self.position_at(folder, until, 0..self.slots)?;
        }
        Ok(())
    }

    /// Returns the number of messages in the part: lost ones count, removed ones do not.
    pub fn len(&self) -> u64 {
        self.between(self.from, self.to)
    }

    /// Returns the number of messages between two positions, without removed ones.
    pub fn between(&self, from: Position, to: Position) -> u64 {
        let all = to.messages.saturating_sub(from.messages);
        let removed = self.flags.removed_before(to.slot) - self.flags.removed_before(from.slot);
        u64::from(all.saturating_sub(removed))
    }

    /// Returns the number of messages that were not lost. Costs a pass over the slots if any were
    /// lost. If the segment can't be read then, because it was pruned or is damaged, none of its
    /// messages is present; iterating over the listing reports the damage.
    pub fn present(&self, folder: &Catalog) -> u64 {
        if self.lost == 0 {
            return self.len();
        }
        let Ok(segment) = folder.segment(self.number) else { return 0 };
        let slots = segment.slots(self.from.slot..self.to.slot).flatten();
        let there = slots.filter(|s| s.is_message() && !self.flags.is_removed(s.id().slot));
        there.count() as u64
    }

    /// Returns the position after all slots with a time before `at`. If `at` is between the
    /// segment's first and last times, only `bounds` are searched.
    pub fn position_at(
        &self,
        folder: &Catalog,
        at: UnixNs,
        bounds: Range<u32>,
    ) -> Result<Position, ReadError> {
        if at <= self.first_ns {
            return Ok(Position { slot: 0, messages: 0 });
        }
        if at > self.last_ns {
            return Ok(Position { slot: self.slots, messages: self.messages });
        }
        let segment = folder.segment(self.number)?;
        let end = bounds.end;
        let slot = search(bounds, |slot| {
            next_valid(&segment, slot, end).is_none_or(|s| s.facts().received_at_ns >= at)
        });
        Ok(self.position(&segment, slot))
    }

    /// Returns the position after `count` messages from `from` on, not counting removed ones. At
    /// least one more message must follow.
    pub fn skip(
        &self,
        folder: &Catalog,
        from: Position,
        count: u64,
    ) -> Result<Position, ReadError> {
        let mut messages = from.messages + count as u32;
        loop {
            // Each removed message in between moves the position by one.
            let position = self.position_of(folder, messages)?;
            let missing = count.saturating_sub(self.between(from, position));
            if missing == 0 {
                return Ok(position);
            }
            messages += missing as u32;
        }
    }

    /// Returns the position before the message that has `messages` messages before it.
    fn position_of(&self, folder: &Catalog, messages: u32) -> Result<Position, ReadError> {
        let segment = folder.segment(self.number)?;
        let slot = search(0..self.slots, |slot| {
            next_valid(&segment, slot, self.slots).is_none_or(|s| s.messages_before() >= messages)
        });
        // It is unknown which lost slots held messages: assume that the last of them did.
        let next = self.position(&segment, slot);
        let back = next.messages.saturating_sub(messages).min(next.slot - slot);
        Ok(Position { slot: next.slot - back, messages })
    }

    /// Returns the position before the first valid slot from `slot` on. Lost slots up to there come
    /// before it, because a valid slot counts lost messages, too.
    fn position(&self, segment: &Segment, slot: u32) -> Position {
        let end = Position { slot: self.slots, messages: self.messages };
        next_valid(segment, slot, self.slots).map_or(end, |next| Position {
            slot: next.id().slot,
            messages: next.messages_before().min(self.messages),
        })
    }
}

/// Returns the first index in `bounds` for which `is_after` returns true; it must be true for all
/// later ones.
fn search(bounds: Range<u32>, mut is_after: impl FnMut(u32) -> bool) -> u32 {
    let (mut low, mut high) = (bounds.start, bounds.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_after(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Returns the first undamaged slot in `slot..end`.
fn next_valid(segment: &Segment, slot: u32, end: u32) -> Option<Slot> {
    (slot..end).find_map(|slot| segment.slot(slot).ok())
}
