//! Iterates over a page of a listing: merges the parts of segments by time.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::ReadError;
use super::catalog::Catalog;
use super::cursor::{Cursor, Direction};
use super::segment_span::SegmentSpan;
use crate::log::format::Slot;
use crate::time::UnixNs;

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
    Backward((UnixNs, u32, u32), usize),
    Forward(Reverse<(UnixNs, u32, u32)>, usize),
}

impl CursorHead {
    fn cursor(&self) -> usize {
        match self {
            CursorHead::Backward(_, cursor) | CursorHead::Forward(_, cursor) => *cursor,
        }
    }

    fn time(&self) -> UnixNs {
        match self {
            CursorHead::Backward((at, _, _), _) | CursorHead::Forward(Reverse((at, _, _)), _) => {
                *at
            }
        }
    }
}

impl<'a> Page<'a> {
    /// Returns the messages of the groups, one group after another.
    pub(super) fn new(
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
            self.cursors.push(Cursor::new(part, segment, self.direction));
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
                let item = self.cursors[head.cursor()].take();
                self.push_head(head.cursor());
                return item;
            }
            if self.groups.is_empty() && self.waiting.is_empty() {
                return None;
            }
        }
    }
}
