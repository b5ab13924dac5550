//! `sinkctl count`: prints the number of accepted messages; for several folders, one line each and
//! then the sum.
use std::io::Write;

use clap::Args;
use sinkd::analysis::MessageCounts;
use sinkd::log::reader::Folder;
use sinkd::wording::counted;

use crate::base::clock::SystemClock;
use crate::base::data::{most_severe, name};
use crate::base::left_out::report_left_out;
use crate::base::outcome::{Finding, Out};
use crate::base::span::TimeRange;

/// The options of `sinkctl count`.
#[derive(Debug, Args)]
pub struct Count {
    #[command(flatten)]
    pub during: TimeRange,
    /// Print one JSON object, which counts stored and counted-only messages separately.
    #[arg(long)]
    pub json: bool,
}

pub fn run(folders: &[Folder], options: &Count, out: &mut Out) -> anyhow::Result<Finding> {
    let Count { during, json } = options;
    let paths: Vec<_> = folders.iter().map(|folder| folder.path().to_owned()).collect();
    let spans = during.spans(&paths)?;
    let mut counts = Vec::new();
    for (n, (folder, span)) in folders.iter().zip(&*spans).enumerate() {
        let mut found = if during.is_all() {
            MessageCounts::of_all(folder)
        } else {
            MessageCounts::of_span(folder, *span, &SystemClock)?
        };
        found.folder = name(folders, n);
        counts.push(found);
    }
    if counts.len() > 1 {
        counts.push(MessageCounts::sum(&counts));
    }
    for counts in &counts {
        let line = if *json { serde_json::to_string(counts)? } else { line(counts) };
        writeln!(out, "{line}")?;
    }
    let gone = counts.last().and_then(|counts| counts.gone).filter(|gone| *gone > 0);
    if let Some(gone) = gone.filter(|_| !json) {
        let gone = counted(gone, "more was", "more were");
        eprintln!("sinkctl: {gone} accepted, but removed, pruned or only counted");
    }
    Ok(most_severe(folders.iter().map(report_lost)).and(spans.finding))
}

/// Formats the counts as text.
fn line(counts: &MessageCounts) -> String {
    match &counts.folder {
        Some(folder) => format!("{}  {folder}", counts.messages),
        None => counts.messages.to_string(),
    }
}

fn report_lost(folder: &Folder) -> Finding {
    let finding = report_left_out(folder);
    if folder.lost() == 0 {
        return finding;
    }
    let lost = counted(folder.lost(), "message was", "messages were");
    eprintln!("sinkctl: {lost} lost in a crash and not counted (see sinkctl verify)");
    Finding::Incomplete
}
