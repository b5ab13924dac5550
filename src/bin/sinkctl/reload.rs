//! `sinkctl reload`: makes the sinkd on a data folder read its settings again.
use std::io::Write;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use sinkd::control::{self, Answer, Request};

use crate::base::outcome::{Finding, Out};

/// The result of a reload, for `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct ReloadReport {
    generation: u32,
    changed: Vec<String>,
    needs_restart: Vec<String>,
}

/// Makes a running sinkd read its configuration file and the files it names again. Open connections
/// stay open; a session uses the new settings once its transaction has ended. An error changes
/// nothing.
#[derive(Debug, Args)]
pub struct Reload {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

pub fn run(folder: &Path, reload: &Reload, out: &mut Out) -> anyhow::Result<Finding> {
    let (generation, changed, needs_restart) = match control::ask(folder, &Request::Reload)? {
        Answer::Reloaded { generation, changed, needs_restart } => {
            (generation, changed, needs_restart)
        }
        Answer::Error { message } => anyhow::bail!("{message}: nothing has changed"),
        Answer::Listeners { .. } => anyhow::bail!(
            "sinkd answered with its listeners, not with the result of a reload: its version \
             differs (compare sinkd --version and sinkctl --version, then restart sinkd)"
        ),
    };
    let finding = if needs_restart.is_empty() { Finding::Done } else { Finding::PartlyDone };
    let report = ReloadReport { generation, changed, needs_restart };
    if reload.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?
    } else {
        print(&report, out)?
    }
    Ok(finding)
}

fn print(report: &ReloadReport, out: &mut Out) -> anyhow::Result<()> {
    writeln!(out, "generation {} of the settings is in force", report.generation)?;
    for (label, names) in
        [("changed", &report.changed), ("unchanged until a restart", &report.needs_restart)]
    {
        names.iter().try_for_each(|name| writeln!(out, "{label}: {name}"))?;
    }
    Ok(())
}
