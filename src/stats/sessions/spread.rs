//! A distribution of whole numbers, kept exactly.
use std::collections::BTreeMap;

use serde::Serialize;

/// How often each number came.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    weights: BTreeMap<u64, u64>,
}

impl Numbers {
    /// `number` came `weight` times, or lasted for `weight`.
    pub fn add(&mut self, number: u64, weight: u64) {
        if weight > 0 {
            *self.weights.entry(number).or_default() += weight;
        }
    }

    /// Percentiles: the least number that so large a share is not above.
    pub fn spread(&self) -> Spread {
        let total: u128 = self.weights.values().map(|weight| u128::from(*weight)).sum();
        let sum: u128 =
            self.weights.iter().map(|(n, weight)| u128::from(*n) * u128::from(*weight)).sum();
        let at = |percent: u128| {
            let rank = (total * percent).div_ceil(100).max(1);
            let mut below = 0;
            let reaches = |(_, weight): &(&u64, &u64)| {
                below += u128::from(**weight);
                below >= rank
            };
            self.weights.iter().find(reaches).map_or(0, |(number, _)| *number)
        };
        Spread {
            mean: if total == 0 { 0.0 } else { sum as f64 / total as f64 },
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: self.weights.keys().next_back().copied().unwrap_or(0),
        }
    }
}

/// A distribution in a few numbers, all 0 where nothing came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The arithmetic mean.
    pub mean: f64,
    /// The median.
    pub p50: u64,
    /// 90 % are not above it.
    pub p90: u64,
    /// 99 % are not above it.
    pub p99: u64,
    /// The highest.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_least_number_that_so_large_a_share_is_not_above() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.spread(), Spread::default());
        for (number, weight) in [(10, 49), (20, 1), (30, 40), (40, 9), (50, 1), (60, 0)] {
            numbers.add(number, weight);
        }
        let Spread { mean, p50, p90, p99, max } = numbers.spread();
        assert_eq!((p50, p90, p99, max), (20, 30, 40, 50));
        assert!((mean - 21.2).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn one_number_is_every_percentile() {
        let mut numbers = Numbers::default();
        numbers.add(7, 1);
        let Spread { p50, p90, p99, max, .. } = numbers.spread();
        assert_eq!((p50, p90, p99, max), (7, 7, 7, 7));
    }
}
