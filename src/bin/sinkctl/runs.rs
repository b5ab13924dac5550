//! `sinkctl run`, `runs` and `mark`: starts, ends and lists runs, and records marks.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use sinkd::analysis::{RunRow, ensure_data_folder};
use sinkd::log::{self, Run, RunError};

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};
use crate::base::print::rfc3339;

#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Start a run at the next full second, and wait until then. A run in progress is ended first.
    Start {
        /// Name of the run; must be unique in the data folder.
        name: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// End the run in progress at the next full second, and wait until then.
    Stop {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
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
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The report of `run start` and `run stop` in `--json`: the keys of `runs` that are known at that
/// moment. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct ChangedRun {
    name: String,
    from: String,
    /// `None` if the run has just begun.
    until: Option<String>,
}

/// Begins or ends a run, and waits until that time.
pub fn run(data: &Path, command: &RunCommand, out: &mut Out) -> anyhow::Result<Finding> {
    let (run, at_ns) = match command {
        RunCommand::Start { name, .. } => start(data, name)?,
        RunCommand::Stop { .. } => stop(data)?,
    };
    match command {
        RunCommand::Start { json: true, .. } | RunCommand::Stop { json: true } => {
            writeln!(out, "{}", serde_json::to_string(&run)?)?;
        }
        RunCommand::Start { .. } | RunCommand::Stop { .. } => print(&run, out)?,
    }
    out.flush()?;
    wait_until(Duration::from_nanos(at_ns));
    Ok(Finding::Done)
}

/// Returns the run and when it begins, in Unix ns.
fn start(data: &Path, name: &str) -> anyhow::Result<(ChangedRun, u64)> {
    let from_ns = log::Runs::start(data, name).map_err(|error| with_place(error, "NAME"))?;
    let run = ChangedRun { name: name.to_owned(), from: rfc3339(from_ns), until: None };
    Ok((run, from_ns))
}

/// Returns the run and when it ends, in Unix ns.
fn stop(data: &Path) -> anyhow::Result<(ChangedRun, u64)> {
    let Run { name, from_ns, until_ns } = log::Runs::stop(data)?;
    let until_ns = until_ns.context("a run that was stopped has an end")?;
    let run = ChangedRun { name, from: rfc3339(from_ns), until: Some(rfc3339(until_ns)) };
    Ok((run, until_ns))
}

fn print(run: &ChangedRun, out: &mut Out) -> anyhow::Result<()> {
    let ChangedRun { name, from, until } = run;
    match until {
        None => writeln!(out, "run '{name}' begins at {from}")?,
        Some(until) => writeln!(out, "run '{name}' ends at {until}")?,
    }
    Ok(())
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
    let made = log::Runs::mark(data, &mark.text).map_err(|error| with_place(error, "TEXT"))?;
    match mark.json {
        true => writeln!(out, "{}", serde_json::to_string(&RunRow::of_mark(&made))?)?,
        false => writeln!(out, "marked {}", rfc3339(made.at_ns))?,
    }
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
