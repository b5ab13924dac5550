//! The comparison in `--json` (docs/json.md). Keys keep their meaning.
use std::collections::BTreeMap;

use serde::Serialize;

use super::compared::RunComparison;
use super::side::ComparedRun;
use super::warning::ComparisonWarning;
use crate::analysis::verdict_sentence::verdict_sentence;
use crate::analysis::words::{rfc3339, sentences};
use crate::stats::{
    Bounds, Difference, LimitedBy, Metric, NoVerdict, Percentiles, RunTotals, Shift, VerdictReason,
};

/// Two runs and their differences: the object of `sinkctl compare --json`.
#[derive(Debug, Serialize)]
pub struct ComparisonFigures<'a> {
    /// Run A, which B is compared with.
    pub a: RunFigures<'a>,
    /// Run B; ratios are B divided by A.
    pub b: RunFigures<'a>,
    /// The measures that both runs have, in the order of the output.
    pub measures: Vec<MeasureFigures<'a>>,
    /// Names of the measures that only A has, so they are not compared.
    pub only_a: Vec<&'a str>,
    /// Names of the measures that only B has, so they are not compared.
    pub only_b: Vec<&'a str>,
    /// All transactions of each run.
    pub transaction_us: TransactionFigures,
    /// Why the figures are incomplete, one sentence per reason; empty if the exit code is 0.
    #[serde(serialize_with = "sentences")]
    pub warnings: &'a [ComparisonWarning],
}

/// One of the two runs.
#[derive(Debug, Serialize)]
pub struct RunFigures<'a> {
    /// The run as the user named it.
    pub name: &'a str,
    /// "sink" or "sender".
    pub recorded_by: &'static str,
    /// The time of the first message (RFC 3339), to a tenth of a second.
    pub from: Option<String>,
    /// The time of the last message.
    pub until: Option<String>,
    /// The time between the two in seconds; 0 without messages.
    pub seconds: f64,
    /// The sums over the run.
    pub totals: RunTotals,
    /// The number of replies by code and enhanced code, such as `250 2.1.0`.
    pub replies: BTreeMap<&'a str, u64>,
    /// What kept the run from being faster.
    pub limited_by: LimitedBy,
    /// The decisive fact.
    pub reason: VerdictReason,
    /// Why that is the limit.
    pub because: String,
    /// Messages that the log holds and these figures lack; null if unknown.
    pub not_recorded: Option<u64>,
}

/// A measure of both runs.
#[derive(Debug, Serialize)]
pub struct MeasureFigures<'a> {
    /// The name, such as `messages_per_s`.
    pub name: &'a str,
    /// The mean of A over the seconds with a value.
    pub a: f64,
    /// The mean of B over the seconds with a value.
    pub b: f64,
    /// The number of seconds with a value in A.
    pub seconds_a: usize,
    /// The number of seconds with a value in B.
    pub seconds_b: usize,
    /// b / a; null if either is 0.
    pub ratio: Option<f64>,
    /// The interval of the ratio, and whether it excludes 1.
    #[serde(flatten)]
    pub significance: Significance,
}

/// Percentiles of all transactions.
#[derive(Debug, Serialize)]
pub struct TransactionFigures {
    /// Percentiles of run A.
    pub a: Percentiles,
    /// Percentiles of run B.
    pub b: Percentiles,
    /// The probability that a transaction of B takes longer than one of A; null if a run has none.
    pub b_is_longer: Option<LongerShare>,
}

/// The share of pairs of transactions in which the one of B takes longer.
#[derive(Debug, Serialize)]
pub struct LongerShare {
    /// The share, from 0 to 1; equally long ones count half.
    pub share: f64,
    /// The interval of the share, and whether it excludes 0.5.
    #[serde(flatten)]
    pub significance: Significance,
}

/// The 95% confidence interval of the preceding key, and whether it excludes "no difference".
#[derive(Debug, Serialize)]
pub struct Significance {
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Whether the value differs; null: see `no_verdict`.
    pub differs: Option<bool>,
    /// The reason for a missing verdict: "short", "few", "zero", "shared".
    pub no_verdict: Option<&'static str>,
}

impl RunComparison {
    /// Returns the comparison as it is written by `--json`.
    pub fn figures(&self) -> ComparisonFigures<'_> {
        let RunComparison { a, b, comparison, warnings } = self;
        let of = |side: &ComparedRun| {
            Percentiles::of_metric(&side.gathered.history, Metric::Transaction)
        };
        ComparisonFigures {
            a: run(a),
            b: run(b),
            measures: comparison.differences.iter().map(measure).collect(),
            only_a: a.measures.missing_in(&b.measures).collect(),
            only_b: b.measures.missing_in(&a.measures).collect(),
            transaction_us: TransactionFigures {
                a: of(a),
                b: of(b),
                b_is_longer: comparison.shift.as_ref().map(longer),
            },
            warnings,
        }
    }
}

fn run(side: &ComparedRun) -> RunFigures<'_> {
    let summary = &side.gathered.summary;
    RunFigures {
        name: &side.name,
        recorded_by: side.kind.name(),
        from: summary.span.map(|span| rfc3339(span.begin_ns())),
        until: summary.span.map(|span| rfc3339(span.end_ns())),
        seconds: summary.seconds(),
        totals: summary.totals,
        replies: side.gathered.history.replies(),
        limited_by: side.gathered.verdict.limited_by(),
        reason: side.gathered.verdict.reason(),
        because: verdict_sentence(&side.gathered.verdict),
        not_recorded: side.gathered.not_recorded,
    }
}

fn measure(difference: &Difference) -> MeasureFigures<'_> {
    let Difference { name, a, b, seconds, interval, .. } = difference;
    let ratio = (*a > 0.0 && *b > 0.0).then(|| b / a);
    let (seconds_a, seconds_b) = *seconds;
    let significance = significance(interval);
    MeasureFigures { name, a: *a, b: *b, seconds_a, seconds_b, ratio, significance }
}

fn longer(shift: &Shift) -> LongerShare {
    LongerShare { share: shift.share, significance: significance(&shift.interval) }
}

fn significance(interval: &Result<Bounds, NoVerdict>) -> Significance {
    match *interval {
        Ok(Bounds { low, high, differs }) => Significance {
            low: Some(low),
            high: Some(high),
            differs: Some(differs),
            no_verdict: None,
        },
        Err(reason) => {
            Significance { low: None, high: None, differs: None, no_verdict: Some(reason.name()) }
        }
    }
}
