//! The counts of all histograms in one buffer, in the layout of HdrHistogram: recording is an index
//! computation and an addition, and reading returns what HdrHistogram would have counted.
//!
//! hdrhistogram's `record` takes about 60 instructions, because it also updates total, minimum and
//! maximum; here the reader computes these once a second.
use hdrhistogram::Histogram;

use crate::stats::metrics::Metric;

/// Values below this have a bucket each: twice 10^2 (two significant digits), rounded up to a power
/// of two.
const SUB_BUCKETS: u64 = 256;
const SUB_BUCKETS_LOG2: u32 = SUB_BUCKETS.ilog2();
const METRICS: usize = Metric::ALL.len();

/// Returns the position of a value's count (HdrHistogram: `counts_array_index`, with unit magnitude
/// 0).
#[inline]
const fn place_of(value: u64) -> usize {
    let bits = u64::BITS - (value | (SUB_BUCKETS - 1)).leading_zeros();
    let bucket = bits - SUB_BUCKETS_LOG2;
    ((bucket as usize) << (SUB_BUCKETS_LOG2 - 1)) + (value >> bucket) as usize
}

/// Returns the smallest value that is counted at `place`.
const fn value_of(place: usize) -> u64 {
    let half = SUB_BUCKETS_LOG2 - 1;
    let bucket = (place >> half).saturating_sub(1);
    ((place - (bucket << half)) as u64) << bucket
}

/// The start of each metric's counts, and the end of the last one.
const STARTS: [usize; METRICS + 1] = {
    let mut starts = [0; METRICS + 1];
    let mut metric = 0;
    while metric < METRICS {
        starts[metric + 1] = starts[metric] + place_of(Metric::MAX[metric]) + 1;
        metric += 1;
    }
    starts
};

/// The end of the counts of a sink's metrics, which come before those that only senders record.
const SINK_END: usize = {
    assert!(Metric::SINK[0] as usize == 0, "the table begins with the metrics of a sink");
    STARTS[Metric::SINK.len()]
};

/// Counts of the metrics that a sink records, about 30 KiB each; they grow to all metrics once one
/// that only senders record has a value.
#[derive(Debug, Clone)]
pub struct Counts(Vec<u64>);

impl Counts {
    /// Returns counts of 0. Their memory is written once, so recording causes no page faults.
    pub fn new() -> Counts {
        let mut counts = vec![0; SINK_END];
        // Zeroed memory may come without pages.
        counts.fill(std::hint::black_box(0));
        Counts(counts)
    }

    /// Counts a value `n` times; it must not exceed the metric's maximum. Costs about 2 ns.
    #[inline]
    pub fn record_n(&mut self, metric: Metric, value: u64, n: u64) {
        debug_assert!(value <= metric.max(), "callers hold values to their bound");
        let place = STARTS[metric as usize] + place_of(value);
        match self.0.get_mut(place) {
            Some(count) => *count += n,
            None => self.grow_and_record(place, n),
        }
    }

    #[cold]
    fn grow_and_record(&mut self, place: usize, n: u64) {
        self.0.resize(STARTS[METRICS], 0);
        self.0[place] += n;
    }

    /// Adds the counts of another buffer, without loss. Grows to all metrics if the other has them.
    pub fn merge(&mut self, other: &Counts) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// Sets all counts to 0 and keeps the memory.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Returns the histogram of a metric. Costs about 3 µs and 30 KiB.
    pub fn histogram(&self, metric: Metric) -> Histogram<u64> {
        let mut histogram = metric.histogram();
        let place = STARTS[metric as usize]..STARTS[metric as usize + 1];
        let counts = self.0.get(place).unwrap_or_default();
        for (place, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            histogram.record_n(value_of(place), *n).expect("bounds are those of the table");
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_place_has_the_value_it_is_for() {
        for place in 0..STARTS[1] {
            assert_eq!(place_of(value_of(place)), place);
        }
        for (value, place) in [(0, 0), (255, 255), (256, 256), (257, 256), (258, 257), (511, 383)] {
            assert_eq!(place_of(value), place, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_hdrhistogram_counts(
            values in prop::collection::vec((0..METRICS, any::<u64>(), 0..64u32, 1..5u64), 1..200),
        ) {
            let mut counts = Counts::new();
            let mut wanted: Vec<_> = Metric::ALL.iter().map(|m| m.histogram()).collect();
            for (metric, value, shift, n) in values {
                let value = (value >> shift).min(Metric::ALL[metric].max());
                counts.record_n(Metric::ALL[metric], value, n);
                wanted[metric].record_n(value, n).unwrap();
            }
            let mut twice = counts.clone();
            twice.merge(&counts);
            for (metric, wanted) in Metric::ALL.iter().zip(wanted) {
                let found = counts.histogram(*metric);
                prop_assert_eq!(&found, &wanted);
                prop_assert_eq!((found.min(), found.max()), (wanted.min(), wanted.max()));
                prop_assert_eq!(twice.histogram(*metric).len(), 2 * wanted.len());
            }
        }
    }
}
