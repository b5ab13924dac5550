//! `sinkctl run`: starts and ends runs.
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use sinkd::log::{self, Run, RunError};
use sinkd::time::{Clock, UnixNs};

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};
use crate::base::print::rfc3339;

#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Start a run at the beginning of the next second, and wait until then. A run in progress is
    /// ended first.
    Start {
        /// Name of the run; must be unique in the data folder.
        name: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// End the run in progress at the end of this second, and wait until then.
    Stop {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
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
    wait_until(at_ns);
    Ok(Finding::Done)
}

/// Returns the run and when it begins.
fn start(data: &Path, name: &str) -> anyhow::Result<(ChangedRun, UnixNs)> {
    let from_ns = log::Runs::start(data, name).map_err(with_place)?;
    let run = ChangedRun { name: name.to_owned(), from: rfc3339(from_ns), until: None };
    Ok((run, from_ns))
}

/// Returns the run and when it ends.
fn stop(data: &Path) -> anyhow::Result<(ChangedRun, UnixNs)> {
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
fn with_place(error: RunError) -> anyhow::Error {
    match error {
        RunError::Name(_) => anyhow::Error::new(error).context("NAME"),
        other => other.into(),
    }
}

/// Waits until this time.
fn wait_until(moment: UnixNs) {
    loop {
        let left = moment.since(SystemClock.now());
        if left.is_zero() {
            return;
        }
        SystemClock.pause(left);
    }
}
