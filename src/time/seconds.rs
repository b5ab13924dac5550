//! A span of whole seconds, as statistics use it.
use std::ops::Range;

use super::unix_ns::UnixNs;

/// A half-open span of whole Unix seconds. It is empty if it does not begin before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seconds {
    /// The first second of the span.
    pub start: u64,
    /// The first second after the span.
    pub end: u64,
}

impl Seconds {
    /// Every second that a time in ns can be in: until the year 2554.
    pub const ALL: Seconds = Seconds { start: 0, end: UnixNs::LAST.next_second() };
    /// No second.
    pub const EMPTY: Seconds = Seconds { start: 0, end: 0 };

    /// Returns the span of a single second.
    pub fn of(second: u64) -> Seconds {
        Seconds { start: second, end: second.saturating_add(1) }
    }

    /// Returns the number of seconds.
    pub fn count(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Returns whether the span has no second.
    pub fn is_empty(self) -> bool {
        self.count() == 0
    }

    /// Returns whether a second belongs to the span.
    pub fn contains(self, second: u64) -> bool {
        self.iter().contains(&second)
    }

    /// Returns whether every second of `other` belongs to the span.
    pub fn covers(self, other: Seconds) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns the seconds in both spans. If there are none, the result begins and ends at the
    /// later beginning.
    pub fn intersection(self, other: Seconds) -> Seconds {
        let start = self.start.max(other.start);
        Seconds { start, end: self.end.min(other.end).max(start) }
    }

    /// Returns the smallest span that contains both. An empty span counts like any other.
    pub fn hull(self, other: Seconds) -> Seconds {
        Seconds { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Iterates over the seconds.
    pub fn iter(self) -> Range<u64> {
        self.start..self.end
    }

    /// Returns the end of the span; the last point in time if ns cannot express it.
    pub fn end_ns(self) -> UnixNs {
        UnixNs::of_second(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(range: Range<u64>) -> Seconds {
        Seconds { start: range.start, end: range.end }
    }

    #[test]
    fn a_span_without_seconds_is_empty_wherever_its_ends_are() {
        for empty in [Seconds::EMPTY, seconds(5..5), Seconds { start: 5, end: 4 }] {
            assert!(empty.is_empty() && !empty.contains(5) && empty.count() == 0, "{empty:?}");
        }
        assert!(Seconds::of(5).contains(5) && Seconds::of(5).count() == 1);
    }

    #[test]
    fn spans_that_do_not_overlap_have_an_empty_intersection() {
        assert_eq!(seconds(1..5).intersection(seconds(3..9)), seconds(3..5));
        assert_eq!(seconds(1..5).intersection(seconds(7..9)), seconds(7..7));
        assert_eq!(seconds(1..5).hull(seconds(7..9)), seconds(1..9));
        assert!(seconds(1..9).covers(seconds(1..9)) && !seconds(2..9).covers(seconds(1..9)));
    }

    #[test]
    fn an_end_beyond_ns_saturates() {
        assert_eq!(seconds(0..7).end_ns(), UnixNs::of_second(7));
        assert_eq!(Seconds::ALL.end_ns(), UnixNs::LAST);
    }
}
