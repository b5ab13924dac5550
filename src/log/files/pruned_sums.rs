//! Sums of everything pruned, from lines that may repeat each other.
//!
//! A line is written before its segments are deleted. If sinkd is killed in between, a segment
//! still exists, and the sinkd that drops it later writes a line for it again. Segment numbers are
//! never reused, so a line without gaps is skipped if earlier ones cover all of its numbers. No two
//! lines overlap in part: sinkd repeats single segments, and `sinkctl prune` repeats none.
use std::collections::BTreeMap;

use super::dropped::Dropped;

/// Sums over lines, counting each segment once.
#[derive(Debug, Default)]
pub(crate) struct PrunedSums {
    total: Dropped,
    /// Ranges of segment numbers covered by lines without gaps, first to last. No two are adjacent.
    covered: BTreeMap<u32, u32>,
}

impl PrunedSums {
    /// Adds a line, unless earlier lines cover it.
    pub(crate) fn add(&mut self, dropped: &Dropped) {
        let (first, last) = (dropped.first, dropped.last);
        let is_dense = dropped.segments == u64::from(last.saturating_sub(first)) + 1;
        if is_dense {
            if self.covers(first, last) {
                return;
            }
            self.cover(first, last);
        }
        self.total.add(dropped);
    }

    /// Subtracts a segment that still exists, if a line covers it.
    pub(crate) fn subtract(&mut self, there: &Dropped) {
        if !self.covers(there.first, there.first) {
            return;
        }
        let total = &mut self.total;
        total.segments = total.segments.saturating_sub(1);
        total.messages = total.messages.saturating_sub(there.messages);
        total.message_bytes = total.message_bytes.saturating_sub(there.message_bytes);
        total.only_counted = total.only_counted.saturating_sub(there.only_counted);
        if total.segments == 0 {
            *total = Dropped::default();
        }
    }

    /// Returns the totals. The range of numbers may still include segments that were subtracted.
    pub(crate) fn total(&self) -> Dropped {
        self.total
    }

    fn covers(&self, first: u32, last: u32) -> bool {
        let around = self.covered.range(..=first).next_back();
        around.is_some_and(|(_, end)| *end >= last)
    }

    fn cover(&mut self, mut first: u32, mut last: u32) {
        while let Some((from, to)) = self.covered.range(..=last.saturating_add(1)).next_back() {
            if to.saturating_add(1) < first {
                break;
            }
            let from = *from;
            (first, last) = (first.min(from), last.max(*to));
            self.covered.remove(&from);
        }
        self.covered.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(first: u32, last: u32) -> Dropped {
        let segments = u64::from(last - first + 1);
        Dropped { segments, messages: 10 * segments, first, last, ..Dropped::default() }
    }

    #[test]
    fn repeated_lines_count_once() {
        let mut sums = PrunedSums::default();
        for (first, last) in [(1, 1), (3, 3), (1, 1), (2, 2), (1, 3), (5, 8), (6, 6), (4, 4)] {
            sums.add(&dropped(first, last));
        }
        assert_eq!((sums.total().segments, sums.total().messages), (8, 80));
        assert_eq!(sums.covered, BTreeMap::from([(1, 8)]));
        sums.subtract(&dropped(6, 6));
        sums.subtract(&dropped(9, 9));
        assert_eq!((sums.total().segments, sums.total().messages), (7, 70));
        // A line with gaps does not reveal which numbers it covers.
        sums.add(&Dropped { segments: 2, messages: 1, first: 10, last: 20, ..Dropped::default() });
        sums.add(&dropped(12, 12));
        assert_eq!((sums.total().segments, sums.total().messages), (10, 81));
    }
}
