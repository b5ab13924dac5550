//! `sinkctl compare`: compares two runs, and reports which differences exceed the noise.
//!
//! docs/compare.md describes the method, what is refused, and the exit codes.
use std::io::Write;
use std::path::{Path, PathBuf};

use sinkd::analysis::comparison::{ComparedRun, RunComparison};

use crate::base::outcome::{Finding, Out};
use crate::base::span::{TimeRange, selection};

mod change;
mod screen;

/// Exit 0: both runs are complete, whether they differ or not. Exit 1: one is incomplete, or the
/// two overlap in time. Exit 2: they can't be compared.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// First run: a data folder, the name of a run, or FOLDER:RUN.
    a: String,
    /// Second run, in the formats of the first one.
    b: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(folders: &[PathBuf], compare: &Compare, out: &mut Out) -> anyhow::Result<Finding> {
    let (a, finding_a) = side('A', &compare.a, folders)?;
    let (b, finding_b) = side('B', &compare.b, folders)?;
    let compared = RunComparison::compare(a, b)?;
    for warning in &compared.warnings {
        eprintln!("sinkctl: {warning}");
    }
    if compare.json {
        writeln!(out, "{}", serde_json::to_string(&compared.figures())?)?
    } else {
        screen::print(&compared, out)?
    }
    let is_whole = compared.warnings.is_empty();
    let finding = if is_whole { Finding::Done } else { Finding::Incomplete };
    Ok(finding.and(finding_a).and(finding_b))
}

/// Finds the run that `what` names: a data folder, the name of a run in `folders`, or `FOLDER:RUN`.
fn side(letter: char, what: &str, folders: &[PathBuf]) -> anyhow::Result<(ComparedRun, Finding)> {
    let (folders, run) = place(what, folders);
    let during = TimeRange { run, ..TimeRange::default() };
    let spans = during.spans(&folders)?;
    let run = ComparedRun::gather(letter, what, selection(&folders, &spans))?;
    Ok((run, spans.finding))
}

/// Returns the folders and the run that `what` names.
fn place(what: &str, folders: &[PathBuf]) -> (Vec<PathBuf>, Option<String>) {
    if Path::new(what).is_dir() {
        return (vec![PathBuf::from(what)], None);
    }
    match what.rsplit_once(':').filter(|(folder, _)| Path::new(folder).is_dir()) {
        Some((folder, run)) => (vec![PathBuf::from(folder)], Some(run.to_owned())),
        None => (folders.to_vec(), Some(what.to_owned())),
    }
}
