//! Collects the newest matches.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::log::MessageId;
use crate::time::UnixNs;

/// A message that matches. Hits are ordered as in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The start of sinkd that received the message, counted from 1. The clock is only steady
    /// within a start, so this is compared before the time.
    pub start_count: u32,
    /// Commit time.
    pub received_at_ns: UnixNs,
    /// The ID, which orders messages with the same time.
    pub id: MessageId,
}

/// Collects the newest hits, up to a limit, from hits in any order.
#[derive(Debug)]
pub struct Newest {
    limit: usize,
    hits: BinaryHeap<Reverse<Hit>>,
}

impl Newest {
    pub fn new(limit: usize) -> Newest {
        Newest { limit, hits: BinaryHeap::new() }
    }

    /// Returns whether the limit is reached with hits that are all newer than `hit`.
    pub fn is_beyond(&self, hit: &Hit) -> bool {
        self.hits.len() >= self.limit && self.hits.peek().is_none_or(|oldest| *hit <= oldest.0)
    }

    pub fn push(&mut self, hit: Hit) {
        if self.is_beyond(&hit) {
            return;
        }
        self.hits.push(Reverse(hit));
        if self.hits.len() > self.limit {
            self.hits.pop();
        }
    }

    /// Returns the hits, at most the limit, the newest first.
    pub fn into_sorted(self) -> Vec<Hit> {
        self.hits.into_sorted_vec().into_iter().map(|hit| hit.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_any_order_of_arrival() {
        let hit = |start_count, ns| {
            let id = MessageId { segment: 1, slot: ns as u32 };
            Hit { start_count, received_at_ns: UnixNs::new(ns), id }
        };
        let mut newest = Newest::new(3);
        for (start, ns) in [(1, 9), (2, 1), (1, 5), (2, 3), (1, 10)] {
            newest.push(hit(start, ns));
        }
        assert!(newest.is_beyond(&hit(1, 10)) && !newest.is_beyond(&hit(1, 11)));
        assert_eq!(newest.into_sorted(), [hit(2, 3), hit(2, 1), hit(1, 10)]);
        let mut none = Newest::new(0);
        none.push(hit(1, 1));
        assert_eq!(none.into_sorted(), []);
    }
}
