//! `sinkctl stats`: what a run was like, live or long after, from data folders alone.
use std::io::Write;
use std::path::{Path, PathBuf};

use sinkd::stats::Metric;

use crate::base::outcome::{Finding, Out};
use crate::base::span::During;

pub mod by;
mod distribution;
mod gather;
mod notes;
mod options;
mod report;
mod screen;
mod series;
pub mod transit;

pub use gather::{Gathered, counters, wait_until_written};
pub use options::{By, Stats};
use report::{Report, report};
pub use screen::value;

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
            let metrics = if stats.all { Metric::ALL } else { screen::MAIN };
            screen::print(&report, summary, metrics, out)?;
        }
    }
    let is_whole = gathered.transit.as_ref().is_none_or(|transit| transit.damaged == 0);
    let is_good = history.problems.is_empty() && is_whole;
    Ok(if is_good { Finding::Holds } else { Finding::DoesNotHold })
}

/// All that was recorded in one folder, for a person.
pub fn print_all(folder: &Path, out: &mut Out) -> anyhow::Result<()> {
    let gathered = Gathered::of(&[folder.to_owned()], &During::default())?;
    screen::print(&report(&gathered), &gathered.summary, screen::MAIN, out)
}

/// The same as `--json` has it.
pub fn json_of(folder: &Path) -> anyhow::Result<serde_json::Value> {
    let gathered = Gathered::of(&[folder.to_owned()], &During::default())?;
    Ok(serde_json::to_value(report(&gathered))?)
}
