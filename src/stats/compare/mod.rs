//! Compares two runs: is the difference larger than the noise between seconds?
//!
//! Each measure has one value per second. Two runs are compared by the ratio of their means, and
//! the 95% interval of the ratio is derived from the noise of the seconds. Neighboring seconds are
//! correlated, which `noise.rs` accounts for. docs/compare.md describes the method and its error
//! rate, which `simulation.rs` measures.
mod measures;
mod noise;
mod ranks;
#[cfg(test)]
mod simulation;
mod student;

pub use measures::{MeasureUnit, Measures};

use measures::MeasureSeries;
use noise::{Noise, half_width};

/// Minimum number of seconds; fewer do not show the noise.
pub const SECONDS_MIN: usize = 5;
/// Minimum number of messages for a verdict.
pub const MESSAGES_MIN: u64 = 1000;

/// A measure of two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The name of the measure.
    pub name: String,
    /// The unit of `a` and `b`.
    pub unit: MeasureUnit,
    /// Mean over the seconds of the first run.
    pub a: f64,
    /// Mean over the seconds of the second run.
    pub b: f64,
    /// The number of seconds with a value, of each run.
    pub seconds: (usize, usize),
    /// The 95% interval of `b / a`.
    pub interval: Result<Bounds, NoVerdict>,
}

/// The transaction times of two runs, compared as whole distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The probability that a transaction of the second run takes longer than one of the first.
    pub share: f64,
    /// The 95% interval of `share`.
    pub interval: Result<Bounds, NoVerdict>,
}

/// A 95% interval, and whether it excludes the value that means no difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// Whether the difference is larger than the noise.
    pub differs: bool,
}

/// The reason for a missing verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVerdict {
    /// A run has fewer than [`SECONDS_MIN`] seconds with a value.
    Short,
    /// A run has fewer than [`MESSAGES_MIN`] messages.
    Few,
    /// A mean is 0, which has no ratio.
    Zero,
    /// Both runs contain the same seconds of one recording.
    Shared,
}

impl NoVerdict {
    /// Returns the name in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            NoVerdict::Short => "short",
            NoVerdict::Few => "few",
            NoVerdict::Zero => "zero",
            NoVerdict::Shared => "shared",
        }
    }
}

/// All differences between two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// All measures that both runs have: rates, then times.
    pub differences: Vec<Difference>,
    /// `None` if a run has no transactions.
    pub shift: Option<Shift>,
}

impl Comparison {
    /// Compares two runs. Costs about 1 µs per second of a run and per measure.
    pub fn of(a: &Measures, b: &Measures) -> Comparison {
        let mut noise = Noise::default();
        let obstacle = obstacle(a, b);
        let both = a.series.iter().filter_map(|(name, one)| Some((name, one, b.find(name)?)));
        let differences = both.map(|(name, one, other)| Difference {
            name: name.clone(),
            unit: one.unit,
            a: mean(&one.values),
            b: mean(&other.values),
            seconds: (one.values.len(), other.values.len()),
            interval: obstacle.map_or_else(|| bounds_of_ratio(&mut noise, one, other), Err),
        });
        let differences = differences.collect();
        let has_both = !a.transactions.is_empty() && !b.transactions.is_empty();
        let shift = has_both.then(|| {
            let (a, b) = ranks::mean_ranks(&a.transactions, &b.transactions);
            let interval = obstacle.map_or_else(|| bounds_of_ranks(&mut noise, &a, &b), Err);
            Shift { share: 0.5 + mean(&b) - mean(&a), interval }
        });
        Comparison { differences, shift }
    }
}

/// Returns the reason why no measure of these runs gets a verdict.
fn obstacle(a: &Measures, b: &Measures) -> Option<NoVerdict> {
    if a.shared_seconds(b) > 0 {
        return Some(NoVerdict::Shared);
    }
    (a.messages.min(b.messages) < MESSAGES_MIN).then_some(NoVerdict::Few)
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn is_short(a: &[f64], b: &[f64]) -> bool {
    a.len().min(b.len()) < SECONDS_MIN
}

/// Returns the interval of the ratio of the means. It is computed for the logarithm of the ratio,
/// so that it never reaches below 0.
fn bounds_of_ratio(
    noise: &mut Noise,
    a: &MeasureSeries,
    b: &MeasureSeries,
) -> Result<Bounds, NoVerdict> {
    if is_short(&a.values, &b.values) {
        return Err(NoVerdict::Short);
    }
    let (one, other) = (mean(&a.values), mean(&b.values));
    let least = one.min(other);
    if least <= 0.0 {
        return Err(NoVerdict::Zero);
    }
    let (of_a, of_b) = (noise.of(&a.values).per(one), noise.of(&b.values).per(other));
    let step = a.step.max(a.absolute_error / least);
    let half = half_width(of_a, of_b) + step.ln_1p();
    let log = (other / one).ln();
    let (low, high) = ((log - half).exp(), (log + half).exp());
    Ok(Bounds { low, high, differs: log.abs() > half })
}

/// Returns the interval of the probability that a value of `b` is larger than one of `a`, from the
/// mean ranks of the seconds.
fn bounds_of_ranks(noise: &mut Noise, a: &[f64], b: &[f64]) -> Result<Bounds, NoVerdict> {
    if is_short(a, b) {
        return Err(NoVerdict::Short);
    }
    let half = half_width(noise.of(a), noise.of(b));
    let above = mean(b) - mean(a);
    let within = |share: f64| share.clamp(0.0, 1.0);
    let (low, high) = (within(0.5 + above - half), within(0.5 + above + half));
    Ok(Bounds { low, high, differs: above.abs() > half })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(a: &[f64], b: &[f64]) -> Result<Bounds, NoVerdict> {
        let series = |values: &[f64]| MeasureSeries::exact(MeasureUnit::PerSecond, values.to_vec());
        bounds_of_ratio(&mut Noise::default(), &series(a), &series(b))
    }

    #[test]
    fn what_has_no_noise_or_no_ratio_is_told() {
        assert_eq!(interval(&[1.0; 4], &[2.0; 60]), Err(NoVerdict::Short));
        assert_eq!(interval(&[0.0; 5], &[2.0; 5]), Err(NoVerdict::Zero));
        assert_eq!(interval(&[0.0; 5], &[0.0; 5]), Err(NoVerdict::Zero));
        let equal = Bounds { low: 1.0, high: 1.0, differs: false };
        assert_eq!(interval(&[3.0; 5], &[3.0; 9]), Ok(equal));
        let twice = interval(&[3.0; 5], &[6.0; 5]).unwrap();
        assert!(twice.differs && (twice.low - 2.0).abs() < 1e-9, "{twice:?}");
        let empty = Comparison::of(&Measures::default(), &Measures::default());
        assert_eq!(empty, Comparison { differences: Vec::new(), shift: None });
    }

    #[test]
    fn an_interval_of_a_ratio_never_reaches_below_nothing() {
        let wild = [1.0, 900.0, 700.0, 2.0, 1.0, 3.0];
        let found = interval(&wild, &[1.0, 2.0, 9.0, 8.0, 1.0, 2.0]).unwrap();
        assert!(found.low > 0.0 && found.high > 1.0 && !found.differs, "{found:?}");
    }

    #[test]
    fn a_step_of_a_histogram_is_not_a_difference() {
        let series = |value: f64| MeasureSeries {
            values: vec![value; 9],
            unit: MeasureUnit::Microseconds,
            step: 1.0 / 128.0,
            absolute_error: 1.0,
        };
        let differs =
            |a, b| bounds_of_ratio(&mut Noise::default(), &series(a), &series(b)).unwrap().differs;
        assert!(!differs(5023.0, 5055.0) && differs(5023.0, 5119.0));
        assert!(!differs(5.0, 6.0) && !differs(6.0, 5.0) && differs(5.0, 7.0));
    }
}
