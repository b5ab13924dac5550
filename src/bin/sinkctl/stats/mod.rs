//! `sinkctl stats`: prints the statistics of a run, during or after it, from data folders alone.
use std::io::Write;
use std::path::{Path, PathBuf};

use sinkd::analysis::{OverallTransit, RunStatistics, figures};
use sinkd::stats::Metric;

use crate::base::outcome::{Finding, Out};
use crate::base::span::{TimeRange, selection};

pub mod by;
mod distribution;
mod histogram_subject;
mod notes;
mod options;
mod screen;
mod series;

use histogram_subject::HistogramSubject;
pub use options::Stats;
use screen::StatsScreen;
pub use screen::value;

pub fn run(folders: &[PathBuf], stats: &Stats, out: &mut Out) -> anyhow::Result<Finding> {
    if stats.metrics {
        return metrics(out);
    }
    if let Some(by) = stats.by {
        return by::run(folders, stats, by, out);
    }
    let mut gathered =
        RunStatistics::read_recorded(selection(folders, &stats.during.spans(folders)?))?;
    if let Some(field) = &stats.sent.sent_field {
        gathered.transit = by::transit(folders, &stats.during, field)?;
    }
    let RunStatistics { history, summary, .. } = &gathered;
    for damage in &history.damage {
        eprintln!("sinkctl: {damage}");
    }
    if let Some(interval) = stats.interval {
        series::print(history, interval.as_secs().max(1), stats, out)?;
    } else if let Some(subject) = stats.metric {
        distribution::print(&gathered, subject, stats, out)?;
    } else if stats.prometheus {
        write!(out, "{}", sinkd::http::of_history(history))?;
    } else {
        let figures = figures(&gathered);
        if stats.json {
            writeln!(out, "{}", serde_json::to_string(&figures)?)?;
        } else if stats.csv {
            distribution::csv(&figures.all_metrics(), out)?;
        } else {
            let notes = notes::read(folders)?;
            let metrics = if stats.all { Metric::ALL } else { screen::MAIN };
            screen::print(&StatsScreen { figures, summary, notes, metrics }, out)?;
        }
    }
    let is_whole = gathered.transit.as_ref().is_none_or(OverallTransit::is_undamaged);
    let is_good = history.damage.is_empty() && is_whole;
    Ok(if is_good { Finding::Done } else { Finding::Incomplete })
}

/// Prints the names of all metrics.
fn metrics(out: &mut Out) -> anyhow::Result<Finding> {
    for subject in HistogramSubject::all() {
        writeln!(out, "{:24}  {}", subject.name(), subject.help())?;
    }
    Ok(Finding::Done)
}

/// Reads all statistics of one folder.
fn all_of(folder: &Path) -> anyhow::Result<RunStatistics> {
    let folders = [folder.to_owned()];
    let spans = TimeRange::default().spans(&folders)?;
    Ok(RunStatistics::read(selection(&folders, &spans))?)
}

/// Prints all statistics of one folder as text.
pub fn print_all(folder: &Path, out: &mut Out) -> anyhow::Result<()> {
    let gathered = all_of(folder)?;
    let (figures, summary) = (figures(&gathered), &gathered.summary);
    screen::print(&StatsScreen { figures, summary, notes: Vec::new(), metrics: screen::MAIN }, out)
}

/// Returns the same statistics as in `--json`.
pub fn json_of(folder: &Path) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::to_value(figures(&all_of(folder)?))?)
}
