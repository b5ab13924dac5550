//! Messages in the order of their arrival, over all segments.
//!
//! The order is (start of sinkd, commit time, id). Within a segment times never fall, so it is a
//! merge of segments; page K is found without reading what lies before it, by a binary search over
//! time, each step of which counts by binary searches in those segments that overlap.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::catalog::Catalog;
use super::summary::SegmentSummary;
use super::{ReadError, Segment};
use crate::log::files::flags::Flags;
use crate::log::format::{Identity, Slot};

/// A span of commit times, ns since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// From this time on.
    pub since_ns: Option<u64>,
    /// Before this time.
    pub until_ns: Option<u64>,
}

/// The messages of a folder in the order of their arrival, as of the folder's last refresh.
#[derive(Debug)]
pub struct Listing<'a> {
    folder: &'a Catalog,
    /// One for each start of sinkd, in order.
    groups: Vec<Vec<SegmentSpan>>,
}

/// The slots of one segment that lie inside a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The segment's number.
    pub segment: u32,
    /// Neighbors, of every kind.
    pub slots: Range<u32>,
    /// Messages among them that were not removed; lost ones count, as they have a position.
    pub messages: u64,
}

/// The part of a segment that lies inside the span.
#[derive(Debug, Clone)]
struct SegmentSpan {
    number: u32,
    /// Slots and messages in the whole segment.
    slots: u32,
    messages: u32,
    first_ns: u64,
    last_ns: u64,
    /// What lies inside; nothing that is removed below a watermark.
    from: Position,
    to: Position,
    /// Single messages in it may be removed.
    flags: Arc<Flags>,
    /// Messages of the whole segment that were lost.
    lost: u32,
}

/// A position between two slots: slots and messages before it.
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

    /// Leaves what lies inside `span`. Costs a binary search where it cuts through the segment.
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

    /// Messages between two places that were not removed.
    fn between(&self, from: Position, to: Position) -> u64 {
        let all = to.messages.saturating_sub(from.messages);
        let removed = self.flags.removed_before(to.slot) - self.flags.removed_before(from.slot);
        u64::from(all.saturating_sub(removed))
    }

    /// Messages in it that were not lost. Costs a pass over its slots where some were.
    fn present(&self, folder: &Catalog) -> u64 {
        if self.lost == 0 {
            return self.len();
        }
        let Ok(segment) = folder.segment(self.number) else { return 0 };
        let slots = segment.slots(self.from.slot..self.to.slot).flatten();
        let there = slots.filter(|s| s.is_message() && !self.flags.is_removed(s.id().slot));
        there.count() as u64
    }

    /// The place after all slots with a time below `ns`, which lies within `bounds`.
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

    /// The place after the first `count` messages from `from` on that were not removed; at least
    /// one more follows.
    fn skip(&self, folder: &Catalog, from: Position, count: u64) -> Result<Position, ReadError> {
        let mut messages = from.messages + count as u32;
        loop {
            // Each removed one in between moves the place one further.
            let place = self.place_of(folder, messages)?;
            let missing = count.saturating_sub(self.between(from, place));
            if missing == 0 {
                return Ok(place);
            }
            messages += missing as u32;
        }
    }

    /// The place before the message that has `messages` before it.
    fn place_of(&self, folder: &Catalog, messages: u32) -> Result<Position, ReadError> {
        let segment = folder.segment(self.number)?;
        let slot = search(0..self.slots, |slot| {
            next_valid(&segment, slot, self.slots).is_none_or(|s| s.messages_before() >= messages)
        });
        // Of lost slots it is not known which held messages: the last of them are taken to have.
        let next = self.place(&segment, slot);
        let back = next.messages.saturating_sub(messages).min(next.slot - slot);
        Ok(Position { slot: next.slot - back, messages })
    }

    /// The place before the first valid slot from `slot` on: what was lost up to there lies before
    /// it, as a valid slot counts lost messages, too.
    fn place(&self, segment: &Segment, slot: u32) -> Position {
        let end = Position { slot: self.slots, messages: self.messages };
        next_valid(segment, slot, self.slots).map_or(end, |next| Position {
            slot: next.id().slot,
            messages: next.messages_before().min(self.messages),
        })
    }
}

/// The first index in `bounds` for which `is_behind` holds; it holds for all that follow.
fn search(bounds: Range<u32>, mut is_behind: impl FnMut(u32) -> bool) -> u32 {
    let (mut low, mut high) = (bounds.start, bounds.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_behind(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The first undamaged slot of `slot..end`.
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

    /// For each segment with something inside the span: where that ends, as the slots and the
    /// messages before.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&Identity, u32, u32)> {
        let parts = self.groups.iter().flatten();
        parts.filter_map(|part| {
            let summary = self.folder.summary(part.number)?;
            Some((&summary.identity, part.to.slot, part.to.messages))
        })
    }

    /// What it consists of, segment by segment: for callers that read all of it in any order,
    /// on several threads. Which messages among them were removed: [`Folder::is_removed`].
    ///
    /// [`Folder::is_removed`]: super::Folder::is_removed
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> {
        self.groups.iter().flatten().map(|part| Stretch {
            segment: part.number,
            slots: part.from.slot..part.to.slot,
            messages: part.len(),
        })
    }

    /// Messages in it. Lost ones count, as they have a position.
    pub fn len(&self) -> u64 {
        self.groups.iter().flatten().map(SegmentSpan::len).sum()
    }

    /// Messages in it that were not lost: as many as it returns, where no record is damaged. Costs
    /// a pass over the slots of those segments that have lost some.
    pub fn present(&self) -> u64 {
        self.groups.iter().flatten().map(|part| part.present(self.folder)).sum()
    }

    /// Returns whether the listing is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Oldest first, without the first `offset`. Costs a binary search over time.
    ///
    /// Damaged messages come as errors, in their segment's turn. What was pruned meanwhile is
    /// passed over (see [`Folder::passed_over`]), and counts for the offset only if that was found
    /// out after this.
    ///
    /// [`Folder::passed_over`]: super::Folder::passed_over
    pub fn forward(&self, offset: u64) -> Result<Page<'a>, ReadError> {
        self.page(offset, Direction::Forward)
    }

    /// Newest first, without the newest `offset`; else as [`Listing::forward`].
    pub fn backward(&self, offset: u64) -> Result<Page<'a>, ReadError> {
        self.page(offset, Direction::Backward)
    }

    fn page(&self, offset: u64, direction: Direction) -> Result<Page<'a>, ReadError> {
        loop {
            match self.groups_without(offset, direction) {
                Ok(groups) => return Ok(Page::new(self.folder, groups, direction)),
                // One part less each time.
                Err(ReadError::Pruned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The groups without the first `offset` messages. Error `Pruned`: a segment was found to be
    /// gone, and is left out the next time.
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

    /// The place in each part of `group` so that the first `k` messages lie before them; `k` is
    /// more than 0 and less than the messages in the group.
    fn cut(&self, group: &[SegmentSpan], k: u64) -> Result<Vec<Position>, ReadError> {
        // Invariant: fewer than or exactly `k` messages have a time below `low`, more have one
        // below `high`. `at_low` and `at_high` are the places of those two times.
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
        // All messages in between have the time `low`; they are ordered by id.
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

/// Messages of `group` before these places.
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

/// Messages one after another.
#[derive(Debug)]
pub struct Page<'a> {
    folder: &'a Catalog,
    direction: Direction,
    groups: VecDeque<Vec<SegmentSpan>>,
    /// Parts of the current group not yet reached, the next one last.
    waiting: Vec<SegmentSpan>,
    /// Cursors, ordered by the item that each returns next.
    heads: BinaryHeap<CursorHead>,
    cursors: Vec<Cursor>,
}

/// The item that a cursor returns next: the greatest comes first.
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

    /// Opens the parts whose time has come: those that may hold something before the next head.
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
                // No item is left, and the folder has counted it.
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

/// The messages of one part, read some at a time.
#[derive(Debug)]
struct Cursor {
    number: u32,
    /// `None`: everything was read. Descriptors are few, and segments may be many.
    segment: Option<Arc<Segment>>,
    flags: Arc<Flags>,
    direction: Direction,
    /// Slots not yet read.
    left: Range<u32>,
    /// Messages read, with their times (damaged ones have their neighbor's).
    read: VecDeque<(u64, Result<Slot, ReadError>)>,
    /// The time of the message read last.
    last: u64,
}

/// Slots a cursor reads at once: a page of a terminal, not a segment.
const CURSOR_SLOTS: u32 = 64;

impl Cursor {
    /// (time, segment, slot) of what comes next.
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
