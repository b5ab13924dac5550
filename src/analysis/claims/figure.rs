//! Figures of a subject: the part of a claim after the dot.
use crate::stats::Percentiles;
use crate::wording::Unexpected;
use crate::wording::unknown;

/// A figure of the rate of accepted messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRate {
    Mean,
    Median,
    Max,
}

/// A figure of the busiest event loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimBusy {
    Median,
    Max,
}

/// A figure of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPercentile {
    Count,
    Mean,
    P50,
    P90,
    P99,
    P999,
    P9999,
    Max,
}

/// A figure of transit times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimTransit {
    /// A figure of the distribution of known transit times.
    Time(ClaimPercentile),
    /// The number of messages that arrived before they were sent.
    Negative,
    WithoutField,
    Unreadable,
    NotStored,
}

/// The figures of one subject, in the order in which they are listed.
pub trait ClaimFigure: Copy + 'static {
    const ALL: &'static [Self];

    /// Returns the name of the figure in claims.
    fn name(self) -> &'static str;
}

/// Returns the names of all figures.
pub fn names<F: ClaimFigure>() -> impl Iterator<Item = &'static str> {
    F::ALL.iter().map(|figure| figure.name())
}

/// Returns the figure with this name. The error lists all names. `subject` is the subject as
/// written in the claim.
pub fn figure<F: ClaimFigure>(subject: &str, name: &str) -> Result<F, Unexpected> {
    let found = F::ALL.iter().copied().find(|figure| figure.name() == name);
    found.ok_or_else(|| unknown(&format!("figure of {subject}"), name, names::<F>()))
}

impl ClaimFigure for ClaimRate {
    const ALL: &'static [ClaimRate] = &[ClaimRate::Mean, ClaimRate::Median, ClaimRate::Max];

    fn name(self) -> &'static str {
        match self {
            ClaimRate::Mean => "mean",
            ClaimRate::Median => "median",
            ClaimRate::Max => "max",
        }
    }
}

impl ClaimFigure for ClaimBusy {
    const ALL: &'static [ClaimBusy] = &[ClaimBusy::Median, ClaimBusy::Max];

    fn name(self) -> &'static str {
        match self {
            ClaimBusy::Median => "median",
            ClaimBusy::Max => "max",
        }
    }
}

impl ClaimFigure for ClaimPercentile {
    const ALL: &'static [ClaimPercentile] = &[
        ClaimPercentile::Count,
        ClaimPercentile::Mean,
        ClaimPercentile::P50,
        ClaimPercentile::P90,
        ClaimPercentile::P99,
        ClaimPercentile::P999,
        ClaimPercentile::P9999,
        ClaimPercentile::Max,
    ];

    fn name(self) -> &'static str {
        match self {
            ClaimPercentile::Count => "count",
            ClaimPercentile::Mean => "mean",
            ClaimPercentile::P50 => "p50",
            ClaimPercentile::P90 => "p90",
            ClaimPercentile::P99 => "p99",
            ClaimPercentile::P999 => "p99_9",
            ClaimPercentile::P9999 => "p99_99",
            ClaimPercentile::Max => "max",
        }
    }
}

impl ClaimPercentile {
    pub fn value_in(self, percentiles: &Percentiles) -> f64 {
        match self {
            ClaimPercentile::Count => percentiles.count as f64,
            ClaimPercentile::Mean => percentiles.mean,
            ClaimPercentile::P50 => percentiles.p50 as f64,
            ClaimPercentile::P90 => percentiles.p90 as f64,
            ClaimPercentile::P99 => percentiles.p99 as f64,
            ClaimPercentile::P999 => percentiles.p99_9 as f64,
            ClaimPercentile::P9999 => percentiles.p99_99 as f64,
            ClaimPercentile::Max => percentiles.max as f64,
        }
    }
}

impl ClaimFigure for ClaimTransit {
    const ALL: &'static [ClaimTransit] = &[
        ClaimTransit::Time(ClaimPercentile::Count),
        ClaimTransit::Time(ClaimPercentile::Mean),
        ClaimTransit::Time(ClaimPercentile::P50),
        ClaimTransit::Time(ClaimPercentile::P90),
        ClaimTransit::Time(ClaimPercentile::P99),
        ClaimTransit::Time(ClaimPercentile::P999),
        ClaimTransit::Time(ClaimPercentile::P9999),
        ClaimTransit::Time(ClaimPercentile::Max),
        ClaimTransit::Negative,
        ClaimTransit::WithoutField,
        ClaimTransit::Unreadable,
        ClaimTransit::NotStored,
    ];

    fn name(self) -> &'static str {
        match self {
            ClaimTransit::Time(figure) => figure.name(),
            ClaimTransit::Negative => "negative",
            ClaimTransit::WithoutField => "without_field",
            ClaimTransit::Unreadable => "unreadable",
            ClaimTransit::NotStored => "not_stored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percentile_name_means_the_same_as_in_the_statistics() {
        let none = Percentiles::default();
        let percentiles = Percentiles { count: 1, mean: 2.0, p50: 3, p90: 4, p99: 5, ..none };
        let percentiles = Percentiles { p99_9: 6, p99_99: 7, max: 8, ..percentiles };
        let json = serde_json::to_value(percentiles).unwrap();
        for name in names::<ClaimPercentile>() {
            let found: ClaimPercentile = figure("rtt_us", name).unwrap();
            assert_eq!(json[name].as_f64(), Some(found.value_in(&percentiles)), "{name}");
        }
        assert_eq!(names::<ClaimPercentile>().count(), json.as_object().unwrap().len());
    }

    #[test]
    fn names_within_a_subject_differ() {
        fn check<F: ClaimFigure + PartialEq + std::fmt::Debug>() {
            for known in F::ALL {
                assert_eq!(figure::<F>("rate", known.name()).as_ref(), Ok(known));
            }
        }
        check::<ClaimRate>();
        check::<ClaimBusy>();
        check::<ClaimPercentile>();
        check::<ClaimTransit>();
    }
}
