//! `sinkctl mark`: records a mark.
use std::io::Write;
use std::path::Path;

use clap::Args;
use sinkd::analysis::RunRow;
use sinkd::log::{self, RunError};

use crate::base::outcome::{Finding, Out};
use crate::base::print::rfc3339;

#[derive(Debug, Args)]
pub struct Mark {
    /// Text of the mark, at most 256 bytes.
    text: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(data: &Path, mark: &Mark, out: &mut Out) -> anyhow::Result<Finding> {
    let made = log::Runs::mark(data, &mark.text).map_err(with_place)?;
    if mark.json {
        writeln!(out, "{}", serde_json::to_string(&RunRow::of_mark(&made))?)?
    } else {
        writeln!(out, "marked {}", rfc3339(made.at_ns))?
    }
    Ok(Finding::Done)
}

/// Puts the argument before an error about its form.
fn with_place(error: RunError) -> anyhow::Error {
    match error {
        RunError::Text => anyhow::Error::new(error).context("TEXT"),
        other => other.into(),
    }
}
