//! Compares whole distributions by the ranks of each second's values among those of both runs.
//!
//! The rank-sum test (Mann and Whitney 1947) assumes independent values, but transactions of one
//! second are not independent. Here the unit is the second (as in Rosner and Grove 1999, who rank
//! clusters): its mean rank is one value, and these values are compared like any other measure.
use std::collections::BTreeMap;

/// Values in ascending order, with their count in one second.
pub(super) type Counts = Vec<(u64, u64)>;

/// Ranks every value among the values of both runs, from 0 to 1, and returns the mean rank of each
/// second. Both runs have the same total weight, which the seconds of a run share equally. The mean
/// of `b` minus the mean of `a` is the probability that a value of `b` is larger than one of `a`,
/// minus one half; equal values count half.
pub(super) fn mean_ranks(a: &[Counts], b: &[Counts]) -> (Vec<f64>, Vec<f64>) {
    let mut weights: BTreeMap<u64, f64> = BTreeMap::new();
    for run in [a, b] {
        for second in run {
            let whole = (total(second) * run.len() as u64 * 2) as f64;
            for (value, count) in second {
                *weights.entry(*value).or_default() += *count as f64 / whole;
            }
        }
    }
    let mut below = 0.0;
    for weight in weights.values_mut() {
        let own = *weight;
        *weight = below + own / 2.0;
        below += own;
    }
    let mean = |second: &Counts| {
        let sum: f64 = second.iter().map(|(value, count)| weights[value] * *count as f64).sum();
        sum / total(second) as f64
    };
    (a.iter().map(mean).collect(), b.iter().map(mean).collect())
}

/// Returns the number of values in a second: the sum of the counts.
pub(super) fn total(second: &Counts) -> u64 {
    second.iter().map(|(_, count)| count).sum()
}

/// Returns the smallest value that at least `share` of the values do not exceed; 0 without values.
pub(super) fn quantile(second: &Counts, share: f64) -> u64 {
    let wanted = ((total(second) as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    let reached = second.iter().find(|(_, count)| {
        seen += count;
        seen >= wanted
    });
    reached.map_or(0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(a: &[Counts], b: &[Counts]) -> f64 {
        let (a, b) = mean_ranks(a, b);
        let mean = |ranks: &[f64]| ranks.iter().sum::<f64>() / ranks.len() as f64;
        mean(&b) - mean(&a)
    }

    #[test]
    fn the_difference_of_mean_ranks_is_how_often_a_value_is_larger_less_one_half() {
        let (low, high) = (vec![(1, 3), (2, 1)], vec![(5, 2), (9, 2)]);
        for (a, b, expected) in [
            (vec![low.clone()], vec![high.clone()], 0.5),
            (vec![high.clone()], vec![low.clone(), low.clone()], -0.5),
            (vec![low.clone()], vec![low.clone()], 0.0),
            // A second counts once, whatever the number of its values.
            (vec![low.clone()], vec![vec![(1, 300), (2, 100)], high.clone()], 0.25),
            // 1 against 2, and 2 against 2: larger in 3 of 4 pairs, and equal in 1.
            (vec![low], vec![vec![(2, 7)]], 0.375),
        ] {
            assert!((difference(&a, &b) - expected).abs() < 1e-12, "{a:?} {b:?}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_histogram() {
        let mut histogram = crate::stats::Metric::Transaction.histogram();
        (1..2000u64).for_each(|n| histogram.record(n * n % 7919).unwrap());
        let recorded = histogram.iter_recorded();
        let counts: Counts =
            recorded.map(|it| (it.value_iterated_to(), it.count_at_value())).collect();
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            assert_eq!(quantile(&counts, share), histogram.value_at_quantile(share), "{share}");
        }
        assert_eq!(quantile(&Counts::new(), 0.5), 0);
    }
}
