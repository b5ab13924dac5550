//! Two runs side by side: is the difference larger than the noise between their seconds?
//!
//! Each measure has one value per second. Its runs are compared by their means; the interval of
//! the difference comes from a moving-block bootstrap (Künsch 1989: blocks, as neighbouring seconds
//! resemble each other), 95 %, by percentiles. The random numbers have a fixed seed: the same runs
//! give the same answer.
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;

use hdrhistogram::Histogram;

use super::history::{History, each_interval};
use super::metric::{Counter, Metric};

const RESAMPLES: usize = 2000;
const CONFIDENCE: f64 = 0.95;
/// Fewer seconds than this tell nothing about noise.
pub const SECONDS_MIN: usize = 5;
/// What is compared of histograms.
const COMPARED: [Metric; 6] = [
    Metric::Transaction,
    Metric::ServiceCommand,
    Metric::ServiceMessage,
    Metric::ThinkNext,
    Metric::ThinkData,
    Metric::Transfer,
];
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Values of one run, a value per second.
#[derive(Debug, Clone, Default)]
pub struct Measures(BTreeMap<String, Vec<f64>>);

/// A measure of two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Of the measure.
    pub name: String,
    /// Means over the seconds.
    pub a: f64,
    /// See above.
    pub b: f64,
    /// Of `b - a`, 95 %; `None`: a run is too short.
    pub interval: Option<(f64, f64)>,
}

impl Difference {
    /// Is the difference larger than the noise? `None`: a run is too short to tell.
    pub fn is_real(&self) -> Option<bool> {
        self.interval.map(|(low, high)| low > 0.0 || high < 0.0)
    }
}

impl Measures {
    /// Reads a run: folders with the span (Unix s) of each, merged. Beside it: what could not be
    /// read, a sentence each.
    ///
    /// Costs about 10 us a second and metric. Errors: a folder cannot be read.
    pub fn read(runs: &[(&Path, Range<u64>)]) -> io::Result<(Measures, Vec<String>)> {
        let mut measures = Measures::default();
        let mut history = History::default();
        let mut seconds: BTreeMap<(Metric, u64), Histogram<u64>> = BTreeMap::new();
        for (folder, span) in runs {
            history.read_counters(folder, span.clone())?;
            let problems =
                each_interval(folder, span.clone(), &COMPARED, |metric, second, histogram| {
                    match seconds.get_mut(&(metric, second)) {
                        Some(mine) => drop(mine.add(histogram)),
                        None => drop(seconds.insert((metric, second), histogram.clone())),
                    }
                })?;
            history.problems.extend(problems);
        }
        let inner = inner_seconds(&history);
        measures.take_rates(&history, &inner);
        for ((metric, _), histogram) in seconds.into_iter().filter(|(k, _)| inner.contains(&k.1)) {
            let name = metric.tag().trim_end_matches("_us");
            for (tag, quantile) in [("p50", 0.5), ("p99", 0.99)] {
                let value = histogram.value_at_quantile(quantile) as f64;
                measures.0.entry(format!("{name}.{tag}")).or_default().push(value);
            }
        }
        Ok((measures, history.problems))
    }

    fn take_rates(&mut self, history: &History, inner: &Range<u64>) {
        if inner.is_empty() {
            return;
        }
        for (name, counter) in [
            ("messages_per_s", Counter::Messages),
            ("recipients_per_s", Counter::MessageRecipients),
            ("bytes_per_s", Counter::MessageBytes),
            ("connections_per_s", Counter::Connections),
        ] {
            let of = |second| history.seconds.get(&second).map_or(0, |s| s.counter(counter));
            self.0.insert(name.into(), inner.clone().map(|second| of(second) as f64).collect());
        }
        let busy = |second| history.seconds.get(&second).map_or(0, |s| s.busiest_us);
        let shares = inner.clone().map(|second| busy(second) as f64 / 1e6).collect();
        self.0.insert("busy_share".into(), shares);
    }

    /// All that both have, by name. Costs about 1 us a second of the runs and resample.
    pub fn compare(&self, other: &Measures) -> Vec<Difference> {
        let both = self.0.iter().filter_map(|(name, a)| Some((name, a, other.0.get(name)?)));
        both.map(|(name, a, b)| Difference {
            name: name.clone(),
            a: mean(a),
            b: mean(b),
            interval: interval(a, b),
        })
        .collect()
    }

    /// Of values that are known: for tests.
    #[doc(hidden)]
    pub fn of(name: &str, values: Vec<f64>) -> Measures {
        Measures(BTreeMap::from([(name.into(), values)]))
    }
}

/// From the first to the last second with messages; those in between without any count as 0. The
/// first and the last are rarely whole, and left out where others are left.
fn inner_seconds(history: &History) -> Range<u64> {
    let busy: Vec<u64> = history.busy_seconds().map(|(second, _)| second).collect();
    match (busy.first(), busy.last()) {
        (Some(first), Some(last)) if last - first >= 2 => first + 1..*last,
        (Some(first), Some(last)) => *first..last + 1,
        _ => 0..0,
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn interval(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    if a.len() < SECONDS_MIN || b.len() < SECONDS_MIN {
        return None;
    }
    let mut dice = Dice(SEED);
    let resampled = |_| dice.resampled_mean(b) - dice.resampled_mean(a);
    let mut differences: Vec<f64> = (0..RESAMPLES).map(resampled).collect();
    differences.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let at = |quantile: f64| differences[(quantile * (RESAMPLES - 1) as f64).round() as usize];
    Some((at(tail), at(1.0 - tail)))
}

/// Random numbers that are the same each time (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(random) * n as u128) >> 64) as usize
    }

    /// Of as many values, drawn in blocks of the cube root of their number.
    fn resampled_mean(&mut self, values: &[f64]) -> f64 {
        let n = values.len();
        let block = (n as f64).cbrt().round().max(1.0) as usize;
        let (mut sum, mut taken) = (0.0, 0);
        while taken < n {
            let length = block.min(n - taken);
            let start = self.below(n - block + 1);
            sum += values[start..start + length].iter().sum::<f64>();
            taken += length;
        }
        sum / n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(around: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut dice = Dice(seed);
        (0..n).map(|_| around + dice.below(1000) as f64 / 10.0 - 50.0).collect()
    }

    fn difference(a: Vec<f64>, b: Vec<f64>) -> Difference {
        Measures::of("x", a).compare(&Measures::of("x", b)).remove(0)
    }

    #[test]
    fn noise_is_no_difference_and_a_difference_is_seen() {
        let mut wrong = 0;
        for seed in 1..=100 {
            let same = difference(noisy(1000.0, 60, seed), noisy(1000.0, 60, seed + 1000));
            wrong += u32::from(same.is_real() == Some(true));
            let other = difference(noisy(1000.0, 60, seed), noisy(1060.0, 60, seed + 1000));
            assert_eq!(other.is_real(), Some(true), "seed {seed}");
        }
        // One in twenty, by the definition of the interval; twice that with blocks of few seconds.
        assert!(wrong <= 14, "{wrong} of 100");
    }

    #[test]
    fn short_and_constant_runs() {
        assert_eq!(difference(vec![1.0; 4], vec![2.0; 60]).is_real(), None);
        assert_eq!(difference(vec![1.0; 5], vec![1.0; 5]).is_real(), Some(false));
        assert_eq!(difference(vec![1.0; 5], vec![2.0; 5]).interval, Some((1.0, 1.0)));
        assert!(Measures::default().compare(&Measures::default()).is_empty());
    }
}
