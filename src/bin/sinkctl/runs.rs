//! `sinkctl run`, `runs` and `mark`: starts, ends and lists runs, and records marks.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand};
use sinkd::analysis::{RunRow, ensure_data_folder};
use sinkd::log::{self, RunError};

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};
use crate::base::print::rfc3339;

#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Start a run at the next full second, and wait until then. A run in progress is ended first.
    Start {
        /// Name of the run; must be unique in the data folder.
        name: String,
    },
    /// End the run in progress at the next full second, and wait until then.
    Stop,
}

#[derive(Debug, Args)]
pub struct Runs {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Mark {
    /// Text of the mark, at most 256 bytes.
    text: String,
}

/// Begins or ends a run, and waits until that time.
pub fn run(data: &Path, command: &RunCommand, out: &mut Out) -> anyhow::Result<Finding> {
    let at_ns = match command {
        RunCommand::Start { name } => {
            let at_ns = log::Runs::start(data, name).map_err(|error| with_place(error, "NAME"))?;
            writeln!(out, "run '{name}' begins at {}", rfc3339(at_ns))?;
            at_ns
        }
        RunCommand::Stop => {
            let run = log::Runs::stop(data)?;
            let until_ns = run.until_ns.context("a run that was stopped has an end")?;
            writeln!(out, "run '{}' ends at {}", run.name, rfc3339(until_ns))?;
            until_ns
        }
    };
    out.flush()?;
    wait_until(Duration::from_nanos(at_ns));
    Ok(Finding::Done)
}

/// Puts the argument before an error about its form.
fn with_place(error: RunError, argument: &'static str) -> anyhow::Error {
    match error {
        RunError::Name(_) | RunError::Text => anyhow::Error::new(error).context(argument),
        other => other.into(),
    }
}

/// Waits until this Unix time.
fn wait_until(moment: Duration) {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = moment.saturating_sub(now);
        if left.is_zero() {
            return;
        }
        // `park_timeout` may return early.
        std::thread::park_timeout(left);
    }
}

pub fn mark(data: &Path, mark: &Mark, out: &mut Out) -> anyhow::Result<Finding> {
    let mark = log::Runs::mark(data, &mark.text).map_err(|error| with_place(error, "TEXT"))?;
    writeln!(out, "marked {}", rfc3339(mark.at_ns))?;
    Ok(Finding::Done)
}

/// Lists the runs and marks of all folders, by time.
pub fn list(folders: &[PathBuf], runs: &Runs, out: &mut Out) -> anyhow::Result<Finding> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    let mut finding = Finding::Done;
    let print = |row: &RunRow| match runs.json {
        true => serde_json::to_string(row),
        false => Ok(line(row)),
    };
    for folder in folders {
        // A folder without statistics may have runs; a missing folder is an error.
        ensure_data_folder(folder)?;
        let all = log::Runs::read(folder)
            .with_context(|| format!("{}: cannot read its runs", folder.display()))?;
        finding = finding.and(crate::base::data::report_run_damage(folder)?);
        // Several runs can lack the same part.
        let mut reported = Vec::new();
        for run in &all.runs {
            let (row, damage) = RunRow::of_run(folder, run, &SystemClock)?;
            lines.push((run.from_ns, print(&row)?));
            for part in damage {
                finding = finding.and(Finding::Incomplete);
                if !reported.contains(&part) {
                    eprintln!("sinkctl: {part}");
                    reported.push(part);
                }
            }
        }
        for mark in &all.marks {
            lines.push((mark.at_ns, print(&RunRow::of_mark(mark))?));
        }
    }
    lines.sort();
    for (_, line) in &lines {
        writeln!(out, "{line}")?;
    }
    if lines.is_empty() && !runs.json {
        writeln!(out, "no runs; to start one: sinkctl run start NAME")?;
    }
    Ok(finding)
}

/// Formats a run or a mark as text.
fn line(row: &RunRow) -> String {
    let short = |time: &str| format!("{}Z", &time[..19]);
    match row {
        RunRow::Run { name, from, until, messages } => {
            let until = until.as_deref().map_or("under way".to_owned(), short);
            let unit = if *messages == 1 { "message" } else { "messages" };
            format!("{:20}  {until:20}  {messages:>12} {unit:8}  {name}", short(from))
        }
        RunRow::Mark { at, text } => format!("{}  {:43}  {text}", short(at), "mark"),
    }
}
