//! `sinkctl stats`: prints the statistics of a run, during or after it, from data folders alone.
use std::io::Write;
use std::path::{Path, PathBuf};

use sinkd::analysis::{OverallTransit, RunStatistics, figures};

use crate::base::outcome::{Finding, Out};
use crate::base::span::{TimeRange, selection};

pub mod by;
mod distribution;
mod histogram_subject;
mod notes;
mod options;
mod output;
mod screen;
mod series;

use histogram_subject::HistogramSubject;
pub use options::Stats;
use output::{FiguresForm, RecordedOutput, StatsOutput};
use screen::StatsScreen;
pub use screen::value;

pub fn run(folders: &[PathBuf], stats: &Stats, out: &mut Out) -> anyhow::Result<Finding> {
    let output = match stats.output() {
        StatsOutput::MetricNames => return metrics(out),
        StatsOutput::Groups(by, form) => return by::run(folders, stats, by, form, out),
        StatsOutput::Recorded(output) => output,
    };
    let spans = stats.during.spans(folders)?;
    let selection = selection(folders, &spans);
    let mut gathered = RunStatistics::read_recorded(selection)?;
    if let Some(field) = &stats.sent.sent_field {
        gathered.transit = by::transit(selection, field)?;
    }
    let history = &gathered.history;
    for damage in &history.damage {
        eprintln!("sinkctl: {damage}");
    }
    match output {
        RecordedOutput::Series(length, form) => {
            series::print(history, length.as_secs().max(1), form, out)?;
        }
        RecordedOutput::Histogram(subject, form) => {
            distribution::print(&gathered, subject, form, out)?;
        }
        RecordedOutput::Prometheus => write!(out, "{}", sinkd::http::of_history(history))?,
        RecordedOutput::Figures(form) => print_figures(&gathered, folders, form, out)?,
    }
    let is_whole = gathered.transit.as_ref().is_none_or(OverallTransit::is_undamaged);
    let is_good = history.damage.is_empty() && is_whole;
    let finding = if is_good { Finding::Done } else { Finding::Incomplete };
    Ok(finding.and(spans.finding))
}

fn print_figures(
    gathered: &RunStatistics,
    folders: &[PathBuf],
    form: FiguresForm,
    out: &mut Out,
) -> anyhow::Result<()> {
    let figures = figures(gathered);
    match form {
        FiguresForm::Json => Ok(writeln!(out, "{}", serde_json::to_string(&figures)?)?),
        FiguresForm::Csv => distribution::csv(&figures.all_metrics(), out),
        FiguresForm::Screen(metrics) => {
            let (summary, notes) = (&gathered.summary, notes::read(folders)?);
            screen::print(&StatsScreen { figures, summary, notes, metrics }, out)
        }
    }
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
