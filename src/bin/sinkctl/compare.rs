//! `sinkctl compare`: two runs side by side, and which differences are more than noise.
//!
//! docs/compare.md says how it decides, what it refuses, and what its exit code means.
use std::path::PathBuf;

use sinkd::stats::Comparison;

use crate::base::outcome::{Finding, Out};

mod change;
mod compared;
mod json;
mod screen;
mod side;

use compared::Compared;
use side::Side;

/// Exit 0: both runs are whole, whether they differ or not. Exit 1: one is not whole, or both have
/// seconds in common. Exit 2: they can't be compared.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// First run: a data folder, the name of a run, or FOLDER:RUN.
    a: String,
    /// Second run, in the same formats.
    b: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(folders: &[PathBuf], compare: &Compare, out: &mut Out) -> anyhow::Result<Finding> {
    let a = Side::gather('A', &compare.a, folders)?;
    let b = Side::gather('B', &compare.b, folders)?;
    ensure_comparable(&a, &b)?;
    let comparison = Comparison::of(&a.measures, &b.measures);
    let warnings = [a.warnings(), b.warnings(), shared(&a, &b)].concat();
    for warning in &warnings {
        eprintln!("sinkctl: {warning}");
    }
    let is_whole = warnings.is_empty();
    let compared = Compared { a, b, comparison, warnings };
    match compare.json {
        true => json::print(&compared, out)?,
        false => screen::print(&compared, out)?,
    }
    Ok(if is_whole { Finding::Holds } else { Finding::DoesNotHold })
}

/// Errors: a run has no message, both are one record, or they are of different kinds.
fn ensure_comparable(a: &Side, b: &Side) -> anyhow::Result<()> {
    for side in [a, b] {
        let Side { letter, name, .. } = side;
        let has_messages = side.gathered.summary.totals.messages > 0;
        anyhow::ensure!(
            has_messages,
            "nothing to compare: {letter} ({name}) has no accepted messages"
        );
    }
    let (of_a, of_b) = (a.kind.name(), b.kind.name());
    anyhow::ensure!(
        a.kind == b.kind,
        "A was recorded by a {of_a}, B by a {of_b}, which measure different intervals; compare \
         two runs that were recorded on the same side"
    );
    let shared = a.measures.shared_seconds(&b.measures);
    let is_one = shared > 0 && shared == a.measures.seconds() && shared == b.measures.seconds();
    anyhow::ensure!(
        !is_one,
        "A ({}) and B ({}) are the same recording, or a copy of it; choose two different runs",
        a.name,
        b.name
    );
    Ok(())
}

fn shared(a: &Side, b: &Side) -> Vec<String> {
    let shared = a.measures.shared_seconds(&b.measures) as u64;
    if shared == 0 {
        return Vec::new();
    }
    let seconds = crate::base::print::counted(shared, "second is", "seconds are");
    vec![format!("{seconds} in both A and B, so no difference is judged")]
}
