//! `sinkctl prune`: drops the oldest sealed segments, and reports them.
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use sinkd::log::reader::Folder;
use sinkd::log::{self, Dropped, Retention};
use sinkd::wording::counted;

use crate::base::left_out::report_left_out;
use crate::base::outcome::{Finding, Out};
use crate::base::value::{count, size, time};

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct PruneReport {
    /// True if nothing was dropped, and the report lists what would be.
    dry_run: bool,
    segments: u64,
    messages: u64,
    message_bytes: u64,
    only_counted: u64,
    /// The first and last segment number of each range.
    ranges: Vec<(u32, u32)>,
}

/// Drops the oldest sealed segments until all bounds hold. Segments that may still accept messages
/// count, but are never dropped.
#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    pub keep: KeepOptions,
    /// Print what would be dropped, and drop nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What to keep, or to drop. At least one of these flags is required.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct KeepOptions {
    /// Drop segments until the rest use at most this much disk space: 4096, 64K, 10MiB, 2G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub retain_bytes: Option<u64>,
    /// Drop segments whose last message is older than this: 30s, 10m, 7d.
    #[arg(long, value_name = "DURATION", value_parser = time)]
    pub retain_age: Option<Duration>,
    /// Drop segments until at most N remain.
    #[arg(long, value_name = "N", value_parser = count)]
    pub retain_segments: Option<u64>,
    /// Drop segments in which all messages were removed (see sinkctl rm).
    #[arg(long)]
    pub removed: bool,
}

pub fn run(folder: &Folder, prune: &Prune, out: &mut Out) -> anyhow::Result<Finding> {
    let limits = &prune.keep;
    let retention = Retention {
        bytes: limits.retain_bytes,
        age: limits.retain_age,
        segments: limits.retain_segments,
    };
    let keep = log::Keep { retention, without_removed: limits.removed };
    let drop = if prune.dry_run { log::prunable } else { log::prune };
    let runs = drop(folder.path(), &keep)
        .with_context(|| format!("{}: cannot prune segments", folder.path().display()))?;
    let mut all = Dropped::default();
    runs.iter().for_each(|run| all.add(run));
    let report = PruneReport {
        dry_run: prune.dry_run,
        segments: all.segments,
        messages: all.messages,
        message_bytes: all.message_bytes,
        only_counted: all.only_counted,
        ranges: runs.iter().map(|run| (run.first, run.last)).collect(),
    };
    if prune.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, out)?;
    }
    // Segments that can't be read are never dropped.
    Ok(match report_left_out(folder) {
        Finding::Done => Finding::Done,
        _ => Finding::PartlyDone,
    })
}

fn print(report: &PruneReport, out: &mut Out) -> anyhow::Result<()> {
    let range = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let ranges: Vec<String> = report.ranges.iter().map(range).collect();
    let verb = if report.dry_run { "would drop" } else { "dropped" };
    let numbers =
        if ranges.is_empty() { String::new() } else { format!(": {}", ranges.join(", ")) };
    let segments = counted(report.segments, "segment", "segments");
    let messages = counted(report.messages, "message", "messages");
    let bytes = counted(report.message_bytes, "byte", "bytes");
    writeln!(out, "{verb} {segments}, {messages}, {bytes}{numbers}")?;
    Ok(())
}
