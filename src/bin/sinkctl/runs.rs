//! `sinkctl runs`: lists runs and marks.
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sinkd::analysis::{RunRow, ensure_data_folder};
use sinkd::log;
use sinkd::time::UnixNs;

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};

#[derive(Debug, Args)]
pub struct Runs {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Lists the runs and marks of all folders, by time.
pub fn run(folders: &[PathBuf], runs: &Runs, out: &mut Out) -> anyhow::Result<Finding> {
    let mut lines: Vec<(UnixNs, String)> = Vec::new();
    let mut finding = Finding::Done;
    let print = |row: &RunRow| if runs.json { serde_json::to_string(row) } else { Ok(line(row)) };
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
