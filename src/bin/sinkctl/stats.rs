//! `sinkctl stats`: what a run was like, live or long after, from data folders alone.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinkd::stats::{Counter, History, Metric, OpenSessions, Percentiles, Rate, Totals, Verdict};

use crate::args::{During, Stats};
use crate::{Finding, Out};

pub mod by;
mod distribution;
mod gather;
mod notes;
mod screen;
mod series;
pub mod transit;

pub use gather::{Gathered, counters, wait_until_written};
pub use screen::value;
use transit::Overall;

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
    /// At the end of the span; `messages` is null where it is not known.
    open_sessions: OpenSessions,
    /// Of the busiest event loop.
    loops: Loops,
    /// How far indexing was behind, in seconds with traffic.
    index_lag: IndexLag,
    verdict: Verdict,
    counters: BTreeMap<&'static str, u64>,
    /// Messages that the logs hold and these statistics don't; null where that can't be told (a
    /// span, or folders that can't be read).
    not_recorded: Option<u64>,
    /// Null without --sent-field.
    transit: Option<&'a Overall>,
    /// Runs and marks, for a person: `runs` has them as JSON.
    #[serde(skip)]
    notes: Vec<notes::Note>,
}

impl Report<'_> {
    /// With the transit, which no worker records.
    fn all_metrics(&self) -> BTreeMap<&'static str, Percentiles> {
        let transit = self.transit.map(|transit| ("transit_us", transit.all.transit_us));
        self.metrics.iter().map(|(tag, p)| (*tag, *p)).chain(transit).collect()
    }
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

#[derive(Debug, Serialize)]
struct IndexLag {
    /// Messages: at most, and in the last second.
    messages_max: u64,
    messages_last: u64,
    /// Age of the oldest of them, at most.
    seconds_max: u64,
}

impl IndexLag {
    fn of(history: &History) -> IndexLag {
        let seconds = history.seconds.values();
        IndexLag {
            messages_max: seconds.clone().map(|s| s.index_lag_messages).max().unwrap_or(0),
            messages_last: seconds.clone().next_back().map_or(0, |s| s.index_lag_messages),
            seconds_max: seconds.map(|s| s.index_lag_s).max().unwrap_or(0),
        }
    }
}

pub fn run(folders: &[PathBuf], stats: &Stats, out: &mut Out) -> anyhow::Result<Finding> {
    if let Some(by) = stats.by {
        return by::run(folders, stats, by, out);
    }
    let mut gathered = Gathered::of_recorded(folders, &stats.during)?;
    if let Some(field) = &stats.sent.sent_field {
        gathered.transit = by::transit(folders, &stats.during, field)?;
    }
    let Gathered { history, summary, .. } = &gathered;
    for problem in &history.problems {
        eprintln!("sinkctl: {problem}");
    }
    if let Some(interval) = stats.interval {
        series::print(history, interval.as_secs().max(1), stats, out)?;
    } else if let Some(subject) = stats.metric {
        distribution::print(&gathered, subject, stats, out)?;
    } else if stats.prometheus {
        write!(out, "{}", sinkd::http::of_history(history))?;
    } else {
        let report = report(&gathered);
        if stats.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else if stats.csv {
            distribution::csv(&report.all_metrics(), out)?;
        } else {
            let report = Report { notes: notes::of(folders)?, ..report };
            screen::print(&report, summary, stats.all, out)?;
        }
    }
    let is_whole = gathered.transit.as_ref().is_none_or(|transit| transit.damaged == 0);
    let is_good = history.problems.is_empty() && is_whole;
    Ok(if is_good { Finding::Holds } else { Finding::DoesNotHold })
}

#[allow(dead_code)]
/// All that was recorded in one folder, for a person.
pub fn print_all(folder: &Path, out: &mut Out) -> anyhow::Result<()> {
    let gathered = Gathered::of(&[folder.to_owned()], &During::default())?;
    screen::print(&report(&gathered), &gathered.summary, false, out)
}

#[allow(dead_code)]
/// The same as `--json` has it.
pub fn json_of(folder: &Path) -> anyhow::Result<serde_json::Value> {
    let gathered = Gathered::of(&[folder.to_owned()], &During::default())?;
    Ok(serde_json::to_value(report(&gathered))?)
}

fn report(gathered: &Gathered) -> Report<'_> {
    let Gathered { history, summary, verdict, open_sessions, not_recorded, transit } = gathered;
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
        open_sessions: *open_sessions,
        loops: Loops {
            busy_share_median: summary.busy_share.0,
            busy_share_max: summary.busy_share.1,
            longest_round_us: Percentiles::of_metric(history, Metric::Round).max,
        },
        index_lag: IndexLag::of(history),
        verdict: verdict.clone(),
        counters: counters.filter(|(_, n)| *n > 0).collect(),
        not_recorded: *not_recorded,
        transit: transit.as_ref(),
        notes: Vec::new(),
    }
}
