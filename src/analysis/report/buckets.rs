//! Divides a run of any length into a limited number of equal spans, to be drawn.
use crate::time::Seconds;

/// Spans of equal length, each of which begins at a multiple of that length. The ends of the whole
/// span can cut the first and the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeBuckets {
    /// The whole span.
    pub span: Seconds,
    /// The length of each bucket, in seconds.
    pub length: u64,
}

/// A value in one bucket: its mean and its extremes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// The start of the bucket, in Unix seconds.
    pub from: f64,
    /// The middle of the bucket, in Unix seconds.
    pub at: f64,
    /// The mean over the seconds of the bucket, where a second without a value counts as 0.
    pub mean: f64,
    /// The value of the lowest second.
    pub low: f64,
    /// The value of the highest second.
    pub high: f64,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Bucket lengths that divide an hour or a day evenly, in seconds.
const LENGTHS: &[u64] = &[
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

impl TimeBuckets {
    /// Divides `span` into at most `most` buckets, plus one if the span does not begin at a
    /// multiple of their length.
    pub fn divide(span: Seconds, most: u64) -> TimeBuckets {
        let least = span.count().div_ceil(most).max(1);
        let fitting = LENGTHS.iter().copied().find(|length| *length >= least);
        TimeBuckets { span, length: fitting.unwrap_or_else(|| least.next_multiple_of(DAY)) }
    }

    /// Returns the number of buckets, including those that the ends of the span cut.
    pub fn count(&self) -> usize {
        (self.span.end.div_ceil(self.length) - self.span.start / self.length) as usize
    }

    /// Returns the bucket of a second; a second outside the span belongs to the nearest bucket.
    pub fn index(&self, second: u64) -> usize {
        let last = self.span.end.saturating_sub(1).max(self.span.start);
        let second = second.clamp(self.span.start, last);
        (second / self.length - self.span.start / self.length) as usize
    }

    /// Returns the seconds of a bucket that are within the span.
    pub fn seconds(&self, index: usize) -> Seconds {
        let start = (self.span.start / self.length + index as u64) * self.length;
        Seconds { start, end: start + self.length }.intersection(self.span)
    }

    /// Returns the largest of the `values` in each bucket. A bucket without any has the last
    /// earlier value, at first 0. `values` is ascending by second.
    pub fn carried(&self, values: &[(u64, u64)]) -> Vec<u64> {
        let (mut now, mut next) = (0, 0);
        let in_bucket = |i: usize| {
            let mut most = None;
            while let Some((second, value)) = values.get(next).filter(|v| v.0 < self.seconds(i).end)
            {
                if *second >= self.span.start {
                    most = most.max(Some(*value));
                }
                (now, next) = (*value, next + 1);
            }
            most.unwrap_or(now)
        };
        (0..self.count()).map(in_bucket).collect()
    }

    /// Returns mean and extremes per bucket of a value that is 0 in seconds without an entry.
    /// Entries outside the span are ignored.
    pub fn points(&self, values: impl Iterator<Item = (u64, f64)>) -> Vec<Point> {
        let none = Point { low: f64::MAX, ..Point::default() };
        let mut all = vec![(0u64, none); self.count()];
        for (second, value) in values.filter(|(second, _)| self.span.contains(*second)) {
            let (seen, point) = &mut all[self.index(second)];
            *seen += 1;
            point.mean += value;
            point.low = point.low.min(value);
            point.high = point.high.max(value);
        }
        let finish = |(i, (seen, point)): (usize, (u64, Point))| {
            let seconds = self.seconds(i);
            let length = seconds.count().max(1);
            let low = if seen < length { 0.0 } else { point.low };
            let from = seconds.start as f64;
            let at = from + length as f64 / 2.0;
            Point { from, at, mean: point.mean / length as f64, low, high: point.high }
        };
        all.into_iter().enumerate().map(finish).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_has_a_bucket_and_there_are_not_too_many() {
        for start in [0, 1, 59, 1_795_248_007] {
            for length in [1, 2, 599, 600, 601, 3599, 86_400, 400 * DAY, 1 << 40] {
                let buckets = TimeBuckets::divide(Seconds { start, end: start + length }, 600);
                assert!((1..=601).contains(&buckets.count()), "{start} {length} {buckets:?}");
                assert_eq!(buckets.index(start), 0);
                assert_eq!(buckets.index(start + length - 1), buckets.count() - 1);
                let covered: u64 = (0..buckets.count()).map(|i| buckets.seconds(i).count()).sum();
                assert_eq!(covered, length);
            }
        }
    }

    #[test]
    fn what_stays_as_it_was_is_carried_on() {
        let buckets = TimeBuckets { span: Seconds { start: 103, end: 138 }, length: 10 };
        let values = [(90, 3), (104, 5), (107, 2), (131, 4), (200, 9)];
        assert_eq!(buckets.carried(&values), [5, 2, 2, 4]);
        assert_eq!(buckets.carried(&[(90, 3)]), [3; 4]);
        assert_eq!(buckets.carried(&[]), [0; 4]);
    }

    #[test]
    fn seconds_of_nothing_count() {
        let buckets = TimeBuckets { span: Seconds { start: 103, end: 118 }, length: 10 };
        let points =
            buckets.points([(103, 7.0), (104, 14.0), (110, 8.0), (0, 9.0), (118, 9.0)].into_iter());
        let first = Point { from: 103.0, at: 106.5, mean: 3.0, low: 0.0, high: 14.0 };
        let last = Point { from: 110.0, at: 114.0, mean: 1.0, low: 0.0, high: 8.0 };
        assert_eq!(points, [first, last]);
    }
}
