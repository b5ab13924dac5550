//! `sinkctl verify`: reads everything and checks every checksum.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sinkd::analysis::{Attempt, retry_while_pruned};
use sinkd::log::reader::{Folder, ReadError, Segment};

use crate::base::left_out::{finding_of, report_passed_over};
use crate::base::outcome::{Finding, Out};
use crate::base::print::counted;

/// Damage reported one by one; beyond it only counted, as a bad disk may have millions.
const DAMAGE_SHOWN_MAX: usize = 1000;

/// How often, and at which distance, is looked whether slots are published that are written: with
/// durability `message` that is after a flush.
const LOOKS: u32 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Default, Serialize)]
struct Report {
    segments: u64,
    /// Those that were there until it was through.
    messages: u64,
    /// Segments that were pruned before their turn came: no damage.
    pruned_meanwhile: u64,
    /// Valid slots that open segments don't publish: no message yet, and none of them is lost.
    unpublished: u64,
    /// What they are, a sentence for each segment.
    #[serde(skip)]
    notes: Vec<String>,
    /// Sentences that name file and offset; at most 1000.
    damage: Vec<String>,
    damaged: u64,
    /// Segments that any of it is in.
    damaged_segments: u64,
    /// Their numbers, as in names of files.
    #[serde(skip)]
    numbers: BTreeSet<OsString>,
}

impl Report {
    /// `file`: the segment's, or one beside it.
    fn add(&mut self, file: &Path, damage: String) {
        let number = file.file_stem().map(|stem| stem.to_owned()).unwrap_or_default();
        self.numbers.insert(number);
        self.damaged_segments = self.numbers.len() as u64;
        self.damaged += 1;
        if self.damage.len() < DAMAGE_SHOWN_MAX {
            self.damage.push(damage);
        }
    }

    /// No checksum covers the count of slots of an open segment, so it may be damaged. It may also
    /// be right: in a copy taken while sinkd wrote, and where sinkd was killed or stands still
    /// before a flush. Nothing is lost either way, so this is a note and not damage.
    fn add_unpublished(&mut self, segment: &Segment) {
        let slots = unpublished(segment);
        if slots > 0 {
            self.unpublished += u64::from(slots);
            let slots = counted(slots.into(), "valid slot follows", "valid slots follow");
            self.notes.push(format!(
                "note: {}: {slots} the published ones; the next start of sinkd keeps them",
                segment.path().display()
            ));
        }
    }
}

/// Slots that were written and stay unpublished for as long as no flush takes.
fn unpublished(segment: &Segment) -> u32 {
    let mut slots = 0;
    for look in 0..LOOKS {
        let published = segment.published();
        slots = if segment.is_live() { segment.unpublished() } else { 0 };
        if slots == 0 || segment.published() != published {
            return 0;
        }
        if look + 1 < LOOKS {
            // May return early.
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
    slots
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(mut folder: Folder, wanted: &Verify, out: &mut Out) -> anyhow::Result<Finding> {
    let mut report = Report::default();
    let attempts = retry_while_pruned(std::slice::from_mut(&mut folder), |folders| {
        report = verify(&folders[0]);
        Ok::<_, ReadError>(match report.segments {
            0 => Attempt::Empty,
            _ => Attempt::Answered,
        })
    })?;
    if wanted.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        for line in report.damage.iter().chain(&report.notes) {
            eprintln!("sinkctl: {line}");
        }
        let segments = counted(report.segments, "segment", "segments");
        let messages = counted(report.messages, "message", "messages");
        let verdict = match report.damaged {
            0 => "all whole".to_owned(),
            faults => format!(
                "{} with {}",
                counted(report.damaged_segments, "damaged segment", "damaged segments"),
                counted(faults, "fault", "faults")
            ),
        };
        writeln!(out, "{segments}, {messages}: {verdict}")?;
    }
    report_passed_over(&folder.passed_over());
    let is_whole = report.damaged == 0;
    let finding = if is_whole { Finding::Holds } else { Finding::DoesNotHold };
    Ok(finding_of(attempts, finding))
}

fn verify(folder: &Folder) -> Report {
    let mut report = Report::default();
    let progress = progress(folder);
    for fault in folder.faults() {
        report.add(fault.file(), fault.to_string());
    }
    for summary in folder.segments() {
        match folder.segment(summary.identity.number) {
            Ok(segment) => {
                report.segments += 1;
                report.messages += summary.messages();
                let file = segment.path();
                segment.verify().for_each(|damage| report.add(file, damage.to_string()));
                report.add_unpublished(&segment);
            }
            Err(ReadError::Pruned { .. }) => report.pruned_meanwhile += 1,
            Err(error) => {
                report.segments += 1;
                report.add(&summary.path, error.to_string());
            }
        }
        progress.inc(summary.identity.segment_bytes);
    }
    progress.finish_and_clear();
    report
}

/// A bar when a person watches.
fn progress(folder: &Folder) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = folder.segments().map(|s| s.identity.segment_bytes).sum();
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
