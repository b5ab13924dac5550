//! Estimates how far the mean over a run's seconds may be from the mean of an endless run.
//!
//! Neighboring seconds are correlated, so a run of N seconds carries less information than N
//! independent values. The variance of the mean is estimated from the slow waves in the run (its
//! projections on a few cosines; Müller 2007; Lazarus, Lewis, Stock and Watson 2018). In short
//! runs, the slowest waves that fit still miss a part of it. The estimate is therefore enlarged by
//! the part that it misses if neighboring seconds correlate by an assumed 0.75, or more if the run
//! itself shows more (as in Müller 2014), and the degrees of freedom are those of the enlarged
//! estimate. `simulation.rs` verifies this.
use std::collections::BTreeMap;
use std::f64::consts::PI;

use super::student::critical;

/// Assumed correlations of neighboring seconds, in ascending order. The lowest is the default; each
/// higher one is used if the run's own correlation exceeds the one before it.
const ASSUMED: [f64; 3] = [0.75, 0.85, 0.95];
/// More cosines shorten an interval by less than 4%.
const WAVES_MAX: usize = 16;

/// The variance of a mean, and the degrees of freedom of its estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MeanVariance {
    /// The variance of the mean, in the squared unit of the values.
    pub variance: f64,
    /// The degrees of freedom of the estimate; not necessarily whole.
    pub freedom: f64,
}

impl MeanVariance {
    /// Returns the variance of the same mean in a unit that is `factor` times as large.
    pub fn per(self, factor: f64) -> MeanVariance {
        MeanVariance { variance: self.variance / (factor * factor), freedom: self.freedom }
    }
}

/// Returns half the width of the 95% interval of a difference of two means (Welch 1947).
pub(super) fn half_width(a: MeanVariance, b: MeanVariance) -> f64 {
    let variance = a.variance + b.variance;
    if variance == 0.0 {
        return 0.0;
    }
    let part = |spread: MeanVariance| (spread.variance / variance).powi(2) / spread.freedom;
    critical(1.0 / (part(a) + part(b))) * variance.sqrt()
}

/// Estimates variances, and caches what depends only on the length of a run.
#[derive(Debug, Default)]
pub(super) struct Noise(BTreeMap<(usize, usize), Estimator>);

impl Noise {
    /// Returns the variance of the mean of `values`, one value per second in order, at least two.
    ///
    /// Costs about 10 ns per value and wave, and the first time for a length 1 µs per value.
    pub fn of(&mut self, values: &[f64]) -> MeanVariance {
        let autocorrelation = autocorrelation(values);
        let more = ASSUMED[..ASSUMED.len() - 1]
            .iter()
            .filter(|assumed| autocorrelation > **assumed)
            .count();
        let key = (values.len(), more);
        let estimator = self.0.entry(key);
        estimator.or_insert_with(|| Estimator::new(values.len(), ASSUMED[more])).spread(values)
    }
}

/// Returns the correlation of neighboring seconds, corrected for the bias of short runs (Marriott
/// and Pope 1954, Kendall 1954).
fn autocorrelation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if square == 0.0 {
        return 0.0;
    }
    let products = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean));
    let found = products.sum::<f64>() / square;
    found + (1.0 + 3.0 * found) / n
}

/// Estimates variances for runs of one length, with an assumed correlation of neighbors.
#[derive(Debug)]
struct Estimator {
    waves: Vec<Vec<f64>>,
    /// The ratio of the variance of the mean to the mean square of the projections on the waves, at
    /// the assumed correlation.
    scale: f64,
    freedom: f64,
}

impl Estimator {
    /// Chooses the number of waves that minimizes the interval of a difference.
    fn new(seconds: usize, assumed: f64) -> Estimator {
        let count = WAVES_MAX.min(seconds - 1);
        let waves: Vec<Vec<f64>> = (1..=count).map(|number| wave(seconds, number)).collect();
        let covariances = covariances(&waves, assumed);
        let ones = vec![1.0 / seconds as f64; seconds];
        let variance = covariance(&ones, &ones, assumed);
        let of = |count: usize| {
            let trace: f64 = (0..count).map(|i| covariances[i][i]).sum();
            let squares = covariances[..count].iter().flat_map(|row| &row[..count]);
            // Satterthwaite 1946, for a sum of squares that are neither equal nor independent.
            let freedom = trace * trace / squares.map(|it| it * it).sum::<f64>();
            (variance * count as f64 / trace, freedom)
        };
        let length = |count: usize| {
            let (scale, freedom) = of(count);
            critical(2.0 * freedom) * scale.sqrt()
        };
        let best = (1..=count).min_by(|one, other| length(*one).total_cmp(&length(*other)));
        let best = best.expect("two seconds have a wave");
        let (scale, freedom) = of(best);
        Estimator { waves: waves[..best].to_vec(), scale, freedom }
    }

    fn spread(&self, values: &[f64]) -> MeanVariance {
        let projected =
            |wave: &Vec<f64>| wave.iter().zip(values).map(|(w, value)| w * value).sum::<f64>();
        let squares: f64 = self.waves.iter().map(|wave| projected(wave).powi(2)).sum();
        let variance = self.scale * squares / self.waves.len() as f64;
        // For equal values, only rounding errors remain.
        let tiny = values.iter().fold(0.0, |most: f64, value| most.max(value.abs())) * 1e-9;
        let variance = if variance.sqrt() <= tiny { 0.0 } else { variance };
        MeanVariance { variance, freedom: self.freedom }
    }
}

/// Returns the covariances of the projections on these waves. The covariance of a wave that is
/// symmetric in time with one that is antisymmetric is 0.
fn covariances(waves: &[Vec<f64>], autocorrelation: f64) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; waves.len()]; waves.len()];
    for (i, one) in waves.iter().enumerate() {
        for (k, other) in waves[..=i].iter().enumerate().filter(|(k, _)| (i - k) % 2 == 0) {
            all[i][k] = covariance(one, other, autocorrelation);
            all[k][i] = all[i][k];
        }
    }
    all
}

/// Returns a cosine with `number` half periods; all of them are orthogonal to each other and to a
/// constant.
fn wave(seconds: usize, number: usize) -> Vec<f64> {
    let n = seconds as f64;
    let at = |second: usize| (PI * number as f64 * (second as f64 + 0.5) / n).cos();
    (0..seconds).map(|second| (2.0 / n).sqrt() * at(second)).collect()
}

/// Returns the covariance of two weighted sums of one series, with weights `one` and `other`. The
/// values of the series have variance 1, and two that are d seconds apart have the correlation
/// `autocorrelation`^d.
fn covariance(one: &[f64], other: &[f64], autocorrelation: f64) -> f64 {
    let (mut sum, mut before) = (0.0, (0.0, 0.0));
    for (x, y) in one.iter().zip(other) {
        sum += x * y + x * before.1 + y * before.0;
        before = (autocorrelation * (before.0 + x), autocorrelation * (before.1 + y));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_are_those_of_the_sum_over_all_pairs() {
        let waves: Vec<Vec<f64>> = (1..=3).map(|number| wave(9, number)).collect();
        for (i, k, autocorrelation) in
            [(0, 0, 0.0), (0, 2, 0.3), (0, 1, 0.3), (1, 2, 0.95), (2, 0, 0.95)]
        {
            let (one, other) = (&waves[i], &waves[k]);
            let mut slow = 0.0;
            for (i, x) in one.iter().enumerate() {
                for (k, y) in other.iter().enumerate() {
                    slow += x * y * f64::powi(autocorrelation, i.abs_diff(k) as i32);
                }
            }
            assert!(
                (covariances(&waves, autocorrelation)[i][k] - slow).abs() < 1e-12,
                "{i} {k} {autocorrelation}"
            );
        }
    }

    #[test]
    fn independent_seconds_have_the_variance_of_the_textbook_and_a_margin() {
        // The waves respond little to alternating values, and strongly to a slow wave.
        let slow: Vec<f64> = (0..60).map(|second| (f64::from(second) / 10.0).sin()).collect();
        let fast: Vec<f64> = (0..60).map(|second| f64::from(second % 2)).collect();
        let mut noise = Noise::default();
        assert!(noise.of(&slow).variance > 20.0 * noise.of(&fast).variance);
        for seconds in [5, 15, 30, 60, 3600] {
            let Estimator { scale, freedom, waves } = Estimator::new(seconds, ASSUMED[0]);
            let margin = scale * seconds as f64;
            assert!((1.0..6.0).contains(&margin), "{seconds}: {margin}");
            assert!(freedom >= 1.0 && freedom <= waves.len() as f64, "{seconds}: {freedom}");
        }
    }

    #[test]
    fn equal_seconds_have_no_noise_and_a_drift_is_assumed_to_be_noise() {
        let mut noise = Noise::default();
        assert_eq!(noise.of(&[0.1; 7]).variance, 0.0);
        assert_eq!(half_width(noise.of(&[3.3; 5]), noise.of(&[4.4; 60])), 0.0);
        let drift: Vec<f64> = (0..60).map(f64::from).collect();
        assert!(autocorrelation(&drift) > ASSUMED[2], "{}", autocorrelation(&drift));
        assert!(noise.of(&drift).variance.sqrt() > 15.0, "no second tells where it ends");
    }
}
