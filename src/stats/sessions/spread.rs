//! A distribution of whole numbers, kept exactly up to a limit.
use std::collections::BTreeMap;

use serde::Serialize;

/// Maximum number of distinct numbers that are kept exactly; with more, numbers are rounded up,
/// within 1.6%.
const EXACT_MAX: usize = 1024;
/// Significant bits of a rounded number: 64 numbers per power of two.
const ROUNDED_BITS: u32 = 7;

/// The count of each number. Memory is bounded: at most a few thousand numbers, 16 bytes each.
#[derive(Debug, Clone, Default)]
pub(super) struct ValueCounts {
    weights: BTreeMap<u64, u64>,
    is_rounded: bool,
    total: u128,
    sum: u128,
    max: u64,
}

impl ValueCounts {
    /// Counts `number` with this weight: how often, or how long, it occurred. A weight of 0 adds
    /// nothing.
    pub fn add(&mut self, number: u64, weight: u64) {
        if weight == 0 {
            return;
        }
        self.total += u128::from(weight);
        self.sum += u128::from(number) * u128::from(weight);
        self.max = self.max.max(number);
        let kept = if self.is_rounded { rounded_up(number) } else { number };
        *self.weights.entry(kept).or_default() += weight;
        if !self.is_rounded && self.weights.len() > EXACT_MAX {
            self.round();
        }
    }

    #[cold]
    fn round(&mut self) {
        self.is_rounded = true;
        for (number, weight) in std::mem::take(&mut self.weights) {
            *self.weights.entry(rounded_up(number)).or_default() += weight;
        }
    }

    /// Returns the percentiles: the smallest number that this share of the weight does not exceed.
    pub fn spread(&self) -> Distribution {
        let at = |percent: u128| {
            let rank = (self.total * percent).div_ceil(100).max(1);
            let mut below = 0;
            let reaches = |(_, weight): &(&u64, &u64)| {
                below += u128::from(**weight);
                below >= rank
            };
            self.weights.iter().find(reaches).map_or(0, |(number, _)| *number).min(self.max)
        };
        Distribution {
            mean: if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 },
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: self.max,
        }
    }
}

/// Returns the highest number with the same first seven significant bits.
fn rounded_up(number: u64) -> u64 {
    let dropped_bits = (u64::BITS - number.leading_zeros()).saturating_sub(ROUNDED_BITS);
    number | ((1 << dropped_bits) - 1)
}

/// A distribution in a few numbers; all are 0 if it is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// The mean, weighted like the percentiles; exact.
    pub mean: f64,
    /// The smallest number that at least 50% of the weight does not exceed.
    pub p50: u64,
    /// The smallest number that at least 90% of the weight does not exceed.
    pub p90: u64,
    /// The smallest number that at least 99% of the weight does not exceed.
    pub p99: u64,
    /// The highest number; exact.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_least_number_that_so_large_a_share_is_not_above() {
        let mut numbers = ValueCounts::default();
        assert_eq!(numbers.spread(), Distribution::default());
        for (number, weight) in [(10, 49), (20, 1), (30, 40), (40, 9), (50, 1), (60, 0)] {
            numbers.add(number, weight);
        }
        let Distribution { mean, p50, p90, p99, max } = numbers.spread();
        assert_eq!((p50, p90, p99, max), (20, 30, 40, 50));
        assert!((mean - 21.2).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn many_distinct_numbers_are_rounded_and_the_highest_is_not() {
        let mut numbers = ValueCounts::default();
        (1..=100_000).for_each(|number| numbers.add(number, 1));
        assert!(numbers.weights.len() < EXACT_MAX, "{}", numbers.weights.len());
        let Distribution { mean, p50, p90, p99, max } = numbers.spread();
        assert!((mean - 50_000.5).abs() < 1e-6, "{mean}");
        for (found, exact) in [(p50, 50_000), (p90, 90_000), (p99, 99_000)] {
            assert!(found >= exact && found - exact <= exact / 64, "{found} for {exact}");
        }
        assert_eq!(max, 100_000);
        assert_eq!([0, 1, 127, 128, 129, 255].map(rounded_up), [0, 1, 127, 129, 129, 255]);
    }

    #[test]
    fn one_number_is_every_percentile() {
        let mut numbers = ValueCounts::default();
        numbers.add(7, 1);
        let Distribution { p50, p90, p99, max, .. } = numbers.spread();
        assert_eq!((p50, p90, p99, max), (7, 7, 7, 7));
    }
}
