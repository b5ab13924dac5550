//! Lists messages of all segments in the order of arrival.
//!
//! The order is (start of sinkd, commit time, ID). Times never decrease within a segment, so a
//! listing merges segments. A page is found without reading the messages before it, by a binary
//! search over time. Each step of that counts messages by binary searches in the segments that
//! overlap.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::catalog::Catalog;
use super::summary::SegmentSummary;
use super::{ReadError, Segment};
use crate::log::files::flags::Flags;
use crate::log::format::{SegmentIdentity, Slot};
use crate::time::Span;

/// The messages of a folder ordered by arrival, as of the folder's last refresh.
#[derive(Debug)]
pub struct Listing<'a> {
    folder: &'a Catalog,
    /// The segments of each start of sinkd, in order.
    groups: Vec<Vec<SegmentSpan>>,
}

/// The slots of one segment that are in the span of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The segment's number.
    pub segment: u32,
    /// The slots, of every kind.
    pub slots: Range<u32>,
    /// Number of messages among them that were not removed. Lost ones count, because they have a
    /// position.
    pub messages: u64,
}

/// The part of a segment within the span.
#[derive(Debug, Clone)]
struct SegmentSpan {
    number: u32,
    /// Number of slots and messages in the whole segment.
    slots: u32,
    messages: u32,
    first_ns: u64,
    last_ns: u64,
    /// The positions within the span. Slots below the watermark of the flags are excluded.
    from: Position,
    to: Position,
    /// The flags of the segment: single messages in the part may be removed.
    flags: Arc<Flags>,
    /// Number of lost messages in the whole segment.
    lost: u32,
}

/// A position between two slots: the number of slots and messages before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    slot: u32,
    messages: u32,
}

impl SegmentSpan {
    fn of(summary: &SegmentSummary) -> SegmentSpan {
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
    fn cut_to(&mut self, folder: &Catalog, span: Span) -> Result<(), ReadError> {
        if let Some(since) = span.since_ns {
            let place = self.place_at(folder, since, 0..self.slots)?;
            if place.slot > self.from.slot {
                self.from = place;
            }
        }
        if let Some(until) = span.until_ns {
            self.to = self.place_at(folder, until, 0..self.slots)?;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.between(self.from, self.to)
    }

    /// Returns the number of messages between two positions, without removed ones.
    fn between(&self, from: Position, to: Position) -> u64 {
        let all = to.messages.saturating_sub(from.messages);
        let removed = self.flags.removed_before(to.slot) - self.flags.removed_before(from.slot);
        u64::from(all.saturating_sub(removed))
    }

    /// Returns the number of messages that were not lost. Costs a pass over the slots if any were
    /// lost.
    fn present(&self, folder: &Catalog) -> u64 {
        if self.lost == 0 {
            return self.len();
        }
        let Ok(segment) = folder.segment(self.number) else { return 0 };
        let slots = segment.slots(self.from.slot..self.to.slot).flatten();
        let there = slots.filter(|s| s.is_message() && !self.flags.is_removed(s.id().slot));
        there.count() as u64
    }

    /// Returns the position after all slots with a time before `ns`. If `ns` is between the
    /// segment's first and last times, only `bounds` are searched.
    fn place_at(
        &self,
        folder: &Catalog,
        ns: u64,
        bounds: Range<u32>,
    ) -> Result<Position, ReadError> {
        if ns <= self.first_ns {
            return Ok(Position { slot: 0, messages: 0 });
        }
        if ns > self.last_ns {
            return Ok(Position { slot: self.slots, messages: self.messages });
        }
        let segment = folder.segment(self.number)?;
        let end = bounds.end;
        let slot = search(bounds, |slot| {
            next_valid(&segment, slot, end).is_none_or(|s| s.facts().received_at_ns >= ns)
        });
        Ok(self.place(&segment, slot))
    }

    /// Returns the position after `count` messages from `from` on, not counting removed ones. At
    /// least one more message must follow.
    fn skip(&self, folder: &Catalog, from: Position, count: u64) -> Result<Position, ReadError> {
        let mut messages = from.messages + count as u32;
        loop {
            // Each removed message in between moves the position by one.
            let place = self.place_of(folder, messages)?;
            let missing = count.saturating_sub(self.between(from, place));
            if missing == 0 {
                return Ok(place);
            }
            messages += missing as u32;
        }
    }

    /// Returns the position before the message that has `messages` messages before it.
    fn place_of(&self, folder: &Catalog, messages: u32) -> Result<Position, ReadError> {
        let segment = folder.segment(self.number)?;
        let slot = search(0..self.slots, |slot| {
            next_valid(&segment, slot, self.slots).is_none_or(|s| s.messages_before() >= messages)
        });
        // It is unknown which lost slots held messages: assume that the last of them did.
        let next = self.place(&segment, slot);
        let back = next.messages.saturating_sub(messages).min(next.slot - slot);
        Ok(Position { slot: next.slot - back, messages })
    }

    /// Returns the position before the first valid slot from `slot` on. Lost slots up to there come
    /// before it, because a valid slot counts lost messages, too.
    fn place(&self, segment: &Segment, slot: u32) -> Position {
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

impl<'a> Listing<'a> {
    pub(super) fn new(folder: &'a Catalog, span: Span) -> Result<Listing<'a>, ReadError> {
        let mut parts: Vec<(u32, SegmentSpan)> = Vec::new();
        for summary in folder.segments().filter(|s| s.published.slots > 0) {
            let mut part = SegmentSpan::of(summary);
            match part.cut_to(folder, span) {
                Err(ReadError::Pruned { .. }) => continue,
                cut => cut?,
            }
            if part.from.slot < part.to.slot {
                parts.push((summary.identity.start_count, part));
            }
        }
        parts.sort_by_key(|(start, part)| (*start, part.number));
        let groups = parts.chunk_by(|a, b| a.0 == b.0);
        let groups = groups.map(|g| g.iter().map(|(_, part)| part.clone()).collect()).collect();
        Ok(Listing { folder, groups })
    }

    /// Returns where each segment with slots in the span ends within it: the number of slots and
    /// messages before that position.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&SegmentIdentity, u32, u32)> {
        let parts = self.groups.iter().flatten();
        parts.filter_map(|part| {
            let summary = self.folder.summary(part.number)?;
            Some((&summary.identity, part.to.slot, part.to.messages))
        })
    }

    /// Returns the parts of the listing by segment, for callers that read all of it in any order on
    /// several threads. They must skip removed messages: see [`Folder::is_removed`].
    ///
    /// [`Folder::is_removed`]: super::Folder::is_removed
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> {
        self.groups.iter().flatten().map(|part| Stretch {
            segment: part.number,
            slots: part.from.slot..part.to.slot,
            messages: part.len(),
        })
    }

    /// Returns the number of messages. Lost ones count, because they have a position.
    pub fn len(&self) -> u64 {
        self.groups.iter().flatten().map(SegmentSpan::len).sum()
    }

    /// Returns the number of messages that were not lost. The listing returns that many if no other
    /// slot is damaged. Costs a pass over the slots of all segments with lost messages.
    pub fn present(&self) -> u64 {
        self.groups.iter().flatten().map(|part| part.present(self.folder)).sum()
    }

    /// Returns whether the listing is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates from the oldest message, skipping the first `offset`. Costs a binary search over
    /// time.
    ///
    /// Damaged messages are returned as errors, in their segment's turn. Pruned segments are passed
    /// over (see [`Folder::pruned_unread`]), and count toward the offset only if they are found to
    /// be pruned after this call.
    ///
    /// [`Folder::pruned_unread`]: super::Folder::pruned_unread
    pub fn forward(&self, offset: u64) -> Result<Page<'a>, ReadError> {
        self.page(offset, Direction::Forward)
    }

    /// Iterates from the newest message, skipping the newest `offset`. Otherwise like
    /// [`Listing::forward`].
    pub fn backward(&self, offset: u64) -> Result<Page<'a>, ReadError> {
        self.page(offset, Direction::Backward)
    }

    fn page(&self, offset: u64, direction: Direction) -> Result<Page<'a>, ReadError> {
        loop {
            match self.groups_without(offset, direction) {
                Ok(groups) => return Ok(Page::new(self.folder, groups, direction)),
                // Each time, one more part is left out.
                Err(ReadError::Pruned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the groups without the first `offset` messages. Error `Pruned`: a segment was found
    /// to be gone, and will be left out at the next call.
    fn groups_without(
        &self,
        offset: u64,
        direction: Direction,
    ) -> Result<VecDeque<Vec<SegmentSpan>>, ReadError> {
        let mut rest = offset;
        let mut left = VecDeque::new();
        let is_there = |part: &&SegmentSpan| !self.folder.is_gone(part.number);
        let there = self.groups.iter().map(|g| g.iter().filter(is_there).cloned().collect());
        let mut groups: Vec<Vec<SegmentSpan>> = there.collect();
        if direction == Direction::Backward {
            groups.reverse();
        }
        for mut group in groups {
            let len: u64 = group.iter().map(SegmentSpan::len).sum();
            if rest >= len {
                rest -= len;
                continue;
            }
            if rest > 0 {
                let first = if direction == Direction::Forward { rest } else { len - rest };
                let places = self.cut(&group, first)?;
                for (part, place) in group.iter_mut().zip(places) {
                    match direction {
                        Direction::Forward => part.from = place,
                        Direction::Backward => part.to = place,
                    }
                }
                group.retain(|part| part.from.slot < part.to.slot);
                rest = 0;
            }
            left.push_back(group);
        }
        Ok(left)
    }

    /// Returns a position in each part of `group` such that `k` messages in total come before them.
    /// `k` must be more than 0, and less than the number of messages in the group.
    fn cut(&self, group: &[SegmentSpan], k: u64) -> Result<Vec<Position>, ReadError> {
        // Invariant: at most `k` messages have a time below `low`, and more than `k` have one below
        // `high`. `at_low` and `at_high` are the positions of these times.
        let mut low = group.iter().map(|p| p.first_ns).min().unwrap_or(0);
        let mut high = group.iter().map(|p| p.last_ns).max().unwrap_or(0).saturating_add(1);
        let mut at_low: Vec<Position> = group.iter().map(|p| p.from).collect();
        let mut at_high: Vec<Position> = group.iter().map(|p| p.to).collect();
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let mut at_middle = Vec::with_capacity(group.len());
            for (i, part) in group.iter().enumerate() {
                let bounds = at_low[i].slot..at_high[i].slot;
                let place = part.place_at(self.folder, middle, bounds)?;
                at_middle.push(clamp(place, at_low[i], at_high[i]));
            }
            if count(group, &at_middle) > k {
                (high, at_high) = (middle, at_middle);
            } else {
                (low, at_low) = (middle, at_middle);
            }
        }
        // All messages in between have the time `low`, and are ordered by ID.
        let mut missing = k.saturating_sub(count(group, &at_low));
        for (i, part) in group.iter().enumerate() {
            let equal = part.between(at_low[i], at_high[i]);
            if missing >= equal {
                at_low[i] = at_high[i];
            } else if missing > 0 {
                at_low[i] = part.skip(self.folder, at_low[i], missing)?;
            }
            missing -= missing.min(equal);
        }
        Ok(at_low)
    }
}

/// Returns the number of messages in `group` before these positions.
fn count(group: &[SegmentSpan], places: &[Position]) -> u64 {
    let before = |(part, place): (&SegmentSpan, &Position)| part.between(part.from, *place);
    group.iter().zip(places).map(before).sum()
}

fn clamp(place: Position, low: Position, high: Position) -> Position {
    if place.slot <= low.slot {
        low
    } else if place.slot >= high.slot {
        high
    } else {
        place
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// An iterator over messages.
#[derive(Debug)]
pub struct Page<'a> {
    folder: &'a Catalog,
    direction: Direction,
    groups: VecDeque<Vec<SegmentSpan>>,
    /// Parts of the current group that have no cursor yet; the next one is last.
    waiting: Vec<SegmentSpan>,
    /// Cursors, ordered by the item that each one returns next.
    heads: BinaryHeap<CursorHead>,
    cursors: Vec<Cursor>,
}

/// Wraps a cursor for the heap, whose greatest item comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CursorHead {
    Backward((u64, u32, u32), usize),
    Forward(Reverse<(u64, u32, u32)>, usize),
}

impl CursorHead {
    fn cursor(&self) -> usize {
        match self {
            CursorHead::Backward(_, cursor) | CursorHead::Forward(_, cursor) => *cursor,
        }
    }

    fn time(&self) -> u64 {
        match self {
            CursorHead::Backward((ns, _, _), _) | CursorHead::Forward(Reverse((ns, _, _)), _) => {
                *ns
            }
        }
    }
}

impl<'a> Page<'a> {
    fn new(
        folder: &'a Catalog,
        groups: VecDeque<Vec<SegmentSpan>>,
        direction: Direction,
    ) -> Page<'a> {
        let (waiting, heads, cursors) = (Vec::new(), BinaryHeap::new(), Vec::new());
        Page { folder, direction, groups, waiting, heads, cursors }
    }

    /// Opens the parts that may contain an item before the next one.
    fn reach(&mut self) -> Result<(), ReadError> {
        if self.heads.is_empty() && self.waiting.is_empty() {
            self.cursors.clear();
            self.waiting = self.groups.pop_front().unwrap_or_default();
            match self.direction {
                Direction::Forward => self.waiting.sort_by_key(|p| Reverse((p.first_ns, p.number))),
                Direction::Backward => self.waiting.sort_by_key(|p| (p.last_ns, p.number)),
            }
        }
        while let Some(part) = self.waiting.last() {
            let is_due = self.heads.peek().is_none_or(|head| match self.direction {
                Direction::Forward => part.first_ns <= head.time(),
                Direction::Backward => part.last_ns >= head.time(),
            });
            if !is_due {
                break;
            }
            let part = self.waiting.pop().expect("it was seen");
            let segment = match self.folder.segment(part.number) {
                Ok(segment) => segment,
                // The folder has counted it; there is nothing to return.
                Err(ReadError::Pruned { .. }) => continue,
                Err(e) => return Err(e),
            };
            let (direction, left) = (self.direction, part.from.slot..part.to.slot);
            let (flags, read) = (part.flags, VecDeque::new());
            let segment = Some(segment);
            let number = part.number;
            self.cursors.push(Cursor { number, segment, flags, direction, left, read, last: 0 });
            self.push_head(self.cursors.len() - 1);
        }
        Ok(())
    }

    fn push_head(&mut self, cursor: usize) {
        let Some(key) = self.cursors[cursor].peek() else {
            return;
        };
        self.heads.push(match self.direction {
            Direction::Forward => CursorHead::Forward(Reverse(key), cursor),
            Direction::Backward => CursorHead::Backward(key, cursor),
        });
    }
}

impl Iterator for Page<'_> {
    type Item = Result<Slot, ReadError>;

    fn next(&mut self) -> Option<Result<Slot, ReadError>> {
        loop {
            if let Err(e) = self.reach() {
                return Some(Err(e));
            }
            if let Some(head) = self.heads.pop() {
                let item = self.cursors[head.cursor()].read.pop_front();
                self.push_head(head.cursor());
                return item.map(|item| item.1);
            }
            if self.groups.is_empty() && self.waiting.is_empty() {
                return None;
            }
        }
    }
}

/// Reads the messages of one part in batches.
#[derive(Debug)]
struct Cursor {
    number: u32,
    /// `None` once everything was read: there can be many segments, but few descriptors.
    segment: Option<Arc<Segment>>,
    flags: Arc<Flags>,
    direction: Direction,
    /// Slots that were not read yet.
    left: Range<u32>,
    /// Messages read, with their times (for damaged ones, the time of a neighbor).
    read: VecDeque<(u64, Result<Slot, ReadError>)>,
    /// The time of the last undamaged slot read.
    last: u64,
}

/// Number of slots that a cursor reads at once: a terminal page, not a segment.
const CURSOR_SLOTS: u32 = 64;

impl Cursor {
    /// Returns the time, segment and slot of the next item.
    fn peek(&mut self) -> Option<(u64, u32, u32)> {
        while self.read.is_empty() && !self.left.is_empty() {
            self.fill();
        }
        let (ns, item) = self.read.front()?;
        let slot = item.as_ref().map_or(0, |slot| slot.id().slot);
        Some((*ns, self.number, slot))
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
                    self.last = slot.facts().received_at_ns;
                    if slot.is_message() && !self.flags.is_removed(slot.id().slot) {
                        self.read.push_back((self.last, Ok(slot)));
                    }
                }
                Err(damage) => {
                    let last = match (self.direction, self.last) {
                        (Direction::Backward, 0) => u64::MAX,
                        (_, last) => last,
                    };
                    self.read.push_back((last, Err(damage.into())));
                }
            }
        }
        self.segment = Some(segment).filter(|_| !self.left.is_empty());
    }
}
