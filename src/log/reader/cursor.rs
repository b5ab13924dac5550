//! Reads the messages of a part of a segment, in one direction.
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::segment_span::SegmentSpan;
use super::{ReadError, Segment};
use crate::log::files::flags::Flags;
use crate::log::format::Slot;
use crate::time::UnixNs;

/// Number of slots that a cursor reads at once: a terminal page, not a segment.
const CURSOR_SLOTS: u32 = 64;

/// The order in which messages are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Reads the messages of one part in batches.
#[derive(Debug)]
pub struct Cursor {
    number: u32,
    /// `None` once everything was read: there can be many segments, but few descriptors.
    segment: Option<Arc<Segment>>,
    flags: Arc<Flags>,
    direction: Direction,
    /// Slots that were not read yet.
    left: Range<u32>,
    /// Messages read, with their times (for damaged ones, the time of a neighbor).
    read: VecDeque<(UnixNs, Result<Slot, ReadError>)>,
    /// The time of the last undamaged slot read; `None` before the first one.
    last: Option<UnixNs>,
}

impl Cursor {
    /// Starts before the first slot of the part in this direction. Reads nothing yet.
    pub fn new(part: SegmentSpan, segment: Arc<Segment>, direction: Direction) -> Cursor {
        Cursor {
            number: part.number,
            segment: Some(segment),
            flags: part.flags,
            direction,
            left: part.from.slot..part.to.slot,
            read: VecDeque::new(),
            last: None,
        }
    }

    /// Removes and returns the next item, after [`Cursor::peek`].
    pub fn take(&mut self) -> Option<Result<Slot, ReadError>> {
        self.read.pop_front().map(|(_, item)| item)
    }

    /// Returns the time, segment and slot of the next item.
    pub fn peek(&mut self) -> Option<(UnixNs, u32, u32)> {
        while self.read.is_empty() && !self.left.is_empty() {
            self.fill();
        }
        let (at, item) = self.read.front()?;
        let slot = item.as_ref().map_or(0, |slot| slot.id().slot);
        Some((*at, self.number, slot))
    }

    fn fill(&mut self) {
        let n = CURSOR_SLOTS.min(self.left.len() as u32);
        let range = match self.direction {
            Direction::Forward => self.left.start..self.left.start + n,
            Direction::Backward => self.left.end - n..self.left.end,
        };
        match self.direction {
            Direction::Forward => self.left.start = range.end,
            Direction::Backward => self.left.end = range.start,
        }
        let Some(segment) = self.segment.take() else { return };
        let mut slots: Vec<_> = segment.slots(range).collect();
        if self.direction == Direction::Backward {
            slots.reverse();
        }
        for slot in slots {
            match slot {
                Ok(slot) => {
                    let received_at_ns = slot.facts().received_at_ns;
                    self.last = Some(received_at_ns);
                    if slot.is_message() && !self.flags.is_removed(slot.id().slot) {
                        self.read.push_back((received_at_ns, Ok(slot)));
                    }
                }
                Err(damage) => {
                    let at = self.last.unwrap_or(match self.direction {
                        Direction::Forward => UnixNs::EPOCH,
                        Direction::Backward => UnixNs::LAST,
                    });
                    self.read.push_back((at, Err(damage.into())));
                }
            }
        }
        self.segment = Some(segment).filter(|_| !self.left.is_empty());
    }
}
