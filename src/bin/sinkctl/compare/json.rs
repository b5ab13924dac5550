//! The comparison in `--json` (docs/compare.md). Keys keep their meaning.
use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use sinkd::analysis::comparison::{Compared, Side};
use sinkd::stats::{
    Bounds, Difference, LimitedBy, Metric, NoVerdict, Percentiles, RunTotals, Shift,
};

use crate::base::outcome::Out;

#[derive(Serialize)]
struct Object<'a> {
    a: Run<'a>,
    b: Run<'a>,
    measures: Vec<Measure<'a>>,
    /// Measures that only one of the runs has.
    only_a: Vec<&'a str>,
    only_b: Vec<&'a str>,
    transaction_us: Transactions,
    /// Why the figures are not the whole truth, a sentence each; empty: the exit code is 0.
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    /// "sink" or "sender".
    recorded_by: &'static str,
    from: Option<String>,
    until: Option<String>,
    seconds: f64,
    totals: RunTotals,
    replies: BTreeMap<&'a str, u64>,
    limited_by: LimitedBy,
    because: &'a str,
    not_recorded: Option<u64>,
}

#[derive(Serialize)]
struct Measure<'a> {
    name: &'a str,
    /// Means over the seconds with a value, and the number of these.
    a: f64,
    b: f64,
    seconds_a: usize,
    seconds_b: usize,
    /// b / a; null: one of them is 0.
    ratio: Option<f64>,
    #[serde(flatten)]
    judged: Judged,
}

#[derive(Serialize)]
struct Transactions {
    a: Percentiles,
    b: Percentiles,
    /// How likely a transaction of B takes longer than one of A; null: a run has none.
    b_is_longer: Option<Longer>,
}

#[derive(Serialize)]
struct Longer {
    share: f64,
    #[serde(flatten)]
    judged: Judged,
}

/// The 95% interval of the key before it, and what it says.
#[derive(Serialize)]
struct Judged {
    low: Option<f64>,
    high: Option<f64>,
    /// null: see `no_verdict`.
    differs: Option<bool>,
    /// The reason for not giving a verdict: "short", "few", "zero", "shared".
    no_verdict: Option<&'static str>,
}

pub fn print(compared: &Compared, out: &mut Out) -> anyhow::Result<()> {
    let Compared { a, b, comparison, warnings } = compared;
    let object = Object {
        a: run(a),
        b: run(b),
        measures: comparison.differences.iter().map(measure).collect(),
        only_a: a.measures.missing_in(&b.measures).collect(),
        only_b: b.measures.missing_in(&a.measures).collect(),
        transaction_us: Transactions {
            a: Percentiles::of_metric(&a.gathered.history, Metric::Transaction),
            b: Percentiles::of_metric(&b.gathered.history, Metric::Transaction),
            b_is_longer: comparison.shift.as_ref().map(longer),
        },
        warnings,
    };
    Ok(writeln!(out, "{}", serde_json::to_string(&object)?)?)
}

fn run(side: &Side) -> Run<'_> {
    let summary = &side.gathered.summary;
    let time = |tenth: u64| crate::base::print::rfc3339(tenth * 100_000_000);
    Run {
        name: &side.name,
        recorded_by: side.kind.name(),
        from: summary.span_tenths.map(|(first, _)| time(first)),
        until: summary.span_tenths.map(|(_, last)| time(last + 1)),
        seconds: summary.seconds(),
        totals: summary.totals,
        replies: side.gathered.history.replies(),
        limited_by: side.gathered.verdict.limited_by,
        because: &side.gathered.verdict.because,
        not_recorded: side.gathered.not_recorded,
    }
}

fn measure(difference: &Difference) -> Measure<'_> {
    let Difference { name, a, b, seconds, interval } = difference;
    let ratio = (*a > 0.0 && *b > 0.0).then(|| b / a);
    let (seconds_a, seconds_b) = *seconds;
    Measure { name, a: *a, b: *b, seconds_a, seconds_b, ratio, judged: judged(interval) }
}

fn longer(shift: &Shift) -> Longer {
    Longer { share: shift.share, judged: judged(&shift.interval) }
}

fn judged(interval: &Result<Bounds, NoVerdict>) -> Judged {
    match *interval {
        Ok(Bounds { low, high, differs }) => {
            Judged { low: Some(low), high: Some(high), differs: Some(differs), no_verdict: None }
        }
        Err(reason) => {
            Judged { low: None, high: None, differs: None, no_verdict: Some(reason.name()) }
        }
    }
}
