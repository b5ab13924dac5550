//! `sinkctl verify`: reads everything and checks every checksum.
use std::io::{IsTerminal, Write};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sinkd::analysis::{Attempt, Verification, retry_while_pruned};
use sinkd::log::reader::{Folder, ReadError};
use sinkd::wording::counted;

use crate::base::clock::SystemClock;
use crate::base::left_out::{finding_of, report_pruned_unread};
use crate::base::outcome::{Finding, Out};

#[derive(Debug, Args)]
pub struct Verify {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(mut folder: Folder, options: &Verify, out: &mut Out) -> anyhow::Result<Finding> {
    let mut report = Verification::default();
    let attempts = retry_while_pruned(std::slice::from_mut(&mut folder), |folders| {
        let progress = progress(&folders[0]);
        report = Verification::run(&folders[0], &SystemClock, &mut |bytes| progress.inc(bytes));
        progress.finish_and_clear();
        Ok::<_, ReadError>(match report.segments {
            0 => Attempt::Empty,
            _ => Attempt::Answered,
        })
    })?;
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        report.damage.iter().for_each(|damage| eprintln!("sinkctl: {damage}"));
        report.notes.iter().for_each(|note| eprintln!("sinkctl: {note}"));
        let segments = counted(report.segments, "segment", "segments");
        let messages = counted(report.messages, "message", "messages");
        let verdict = match report.damaged {
            0 => "all intact".to_owned(),
            faults => format!(
                "{} with {}",
                counted(report.damaged_segments, "damaged segment", "damaged segments"),
                counted(faults, "fault", "faults")
            ),
        };
        writeln!(out, "{segments}, {messages}: {verdict}")?;
    }
    report_pruned_unread(&folder.pruned_unread());
    let is_whole = report.damaged == 0;
    let finding = if is_whole { Finding::Done } else { Finding::DoesNotHold };
    Ok(finding_of(attempts, finding))
}

/// Returns a progress bar, visible only on a terminal.
fn progress(folder: &Folder) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = folder.segments().map(|s| s.identity.segment_bytes).sum();
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
