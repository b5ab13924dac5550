//! Lists messages of all segments in the order of arrival.
//!
//! The order is (start of sinkd, commit time, ID). Times never decrease within a segment, so a
//! listing merges segments. A page is found without reading the messages before it, by a binary
//! search over time. Each step of that counts messages by binary searches in the segments that
//! overlap.
use std::collections::VecDeque;
use std::ops::Range;

use super::ReadError;
use super::catalog::Catalog;
use super::cursor::Direction;
use super::page::Page;
use super::segment_span::{Position, SegmentSpan};
use crate::log::format::SegmentIdentity;
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
                let positions = self.cut(&group, first)?;
                for (part, position) in group.iter_mut().zip(positions) {
                    match direction {
                        Direction::Forward => part.from = position,
                        Direction::Backward => part.to = position,
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
        let mut low = group.iter().map(|p| p.first_ns).min().unwrap_or_default();
        let last = group.iter().map(|p| p.last_ns).max().unwrap_or_default();
        let mut high = last.saturating_add_ns(1);
        let mut at_low: Vec<Position> = group.iter().map(|p| p.from).collect();
        let mut at_high: Vec<Position> = group.iter().map(|p| p.to).collect();
        while let Some(middle) = low.halfway_to(high) {
            let mut at_middle = Vec::with_capacity(group.len());
            for (i, part) in group.iter().enumerate() {
                let bounds = at_low[i].slot..at_high[i].slot;
                let position = part.position_at(self.folder, middle, bounds)?;
                at_middle.push(clamp(position, at_low[i], at_high[i]));
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
fn count(group: &[SegmentSpan], positions: &[Position]) -> u64 {
    let before = |(part, position): (&SegmentSpan, &Position)| part.between(part.from, *position);
    group.iter().zip(positions).map(before).sum()
}

fn clamp(position: Position, low: Position, high: Position) -> Position {
    if position.slot <= low.slot {
        low
    } else if position.slot >= high.slot {
        high
    } else {
        position
    }
}
