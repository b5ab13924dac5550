//! `sinkctl stats`: what a run was like, live or long after, from data folders alone.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use sinkd::log::reader::Folder;
use sinkd::stats::{Counter, History, Metric, Percentiles, Rate, Summary, Totals};

use crate::args::Stats;
use crate::{Finding, Out};

mod series;
mod text;

/// The report in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// RFC 3339, of the first and the last message, to a tenth of a second; null without any.
    from: Option<String>,
    until: Option<String>,
    /// Between them.
    seconds: f64,
    totals: Totals,
    rate: Rates,
    transaction_us: Percentiles,
    /// By name; those of which nothing was recorded are left out.
    metrics: BTreeMap<&'static str, Percentiles>,
    /// By code and enhanced code.
    replies: BTreeMap<&'a str, u64>,
    /// Of the busiest event loop.
    loops: Loops,
    counters: BTreeMap<&'static str, u64>,
    /// Messages that the logs hold and these statistics don't; null where that can't be told (a
    /// span, or folders that can't be read).
    not_recorded: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Rates {
    messages_per_s: Rate,
}

#[derive(Debug, Serialize)]
struct Loops {
    busy_share_median: f64,
    busy_share_max: f64,
    longest_round_us: u64,
}

pub fn run(folders: &[PathBuf], stats: &Stats, out: &mut Out) -> anyhow::Result<Finding> {
    let second = |moment: crate::args::Moment| moment.0.div_ceil(1_000_000_000);
    let since = stats.since.map_or(0, second);
    let until = stats.until.map_or(u64::MAX, second);
    let mut history = History::default();
    for folder in folders {
        history
            .read(folder, since..until)
            .with_context(|| format!("{}: its statistics can't be read", folder.display()))?;
    }
    for problem in &history.problems {
        eprintln!("sinkctl: {problem}");
    }
    if let Some(interval) = stats.interval {
        series::print(&history, interval.as_secs().max(1), stats, out)?;
    } else if let Some(metric) = stats.metric {
        text::metric(&history, metric, stats, out)?;
    } else {
        let is_whole = stats.since.is_none() && stats.until.is_none();
        let not_recorded = if is_whole { not_recorded(folders, &history) } else { None };
        let summary = Summary::of(&history);
        let report = report(&history, &summary, not_recorded);
        if stats.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else if stats.csv {
            text::csv(&report.metrics, out)?;
        } else {
            text::summary(&report, &summary, out)?;
        }
    }
    let is_good = history.problems.is_empty();
    Ok(if is_good { Finding::Holds } else { Finding::DoesNotHold })
}

fn report<'a>(history: &'a History, summary: &Summary, not_recorded: Option<u64>) -> Report<'a> {
    let recorded = |metric: &&Metric| history.histogram(**metric).is_some();
    let metrics = Metric::ALL.iter().filter(recorded);
    let time = |tenth: u64| crate::print::rfc3339(tenth * 100_000_000);
    let counters = Counter::ALL.iter().map(|c| (c.tag(), history.total(*c)));
    Report {
        from: summary.span_tenths.map(|(first, _)| time(first)),
        until: summary.span_tenths.map(|(_, last)| time(last + 1)),
        seconds: summary.seconds(),
        totals: summary.totals,
        rate: Rates { messages_per_s: summary.rate },
        transaction_us: Percentiles::of_metric(history, Metric::Transaction),
        metrics: metrics.map(|m| (m.tag(), Percentiles::of_metric(history, *m))).collect(),
        replies: history.replies(),
        loops: Loops {
            busy_share_median: summary.busy_share.0,
            busy_share_max: summary.busy_share.1,
            longest_round_us: Percentiles::of_metric(history, Metric::Round).max,
        },
        counters: counters.filter(|(_, n)| *n > 0).collect(),
        not_recorded,
    }
}

/// A second that was not over when sinkd was killed has no line; its messages are in the log.
pub fn not_recorded(folders: &[PathBuf], history: &History) -> Option<u64> {
    let mut accepted = 0;
    for path in folders {
        let folder = Folder::open(path).ok()?;
        let pruned = folder.pruned().ok()?;
        accepted += folder.messages() + folder.only_counted() + folder.removed();
        accepted += pruned.messages + pruned.only_counted;
    }
    Some(accepted.saturating_sub(history.total(Counter::Messages)))
}
