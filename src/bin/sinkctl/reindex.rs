//! `sinkctl reindex`: rebuilds the index, whether or not sinkd is running.
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use sinkd::config::ValueError;
use sinkd::index;
use sinkd::log::reader::Folder;
use sinkd::machine::cores;
use sinkd::wording::counted;

use crate::base::outcome::{Finding, Out};
use crate::base::progress::{Interruptible, TerminalBar, watched};
use crate::base::value::number;

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct ReindexReport {
    segments: u64,
    messages: u64,
    /// The size of the new index in octets.
    bytes: u64,
    seconds: f64,
    /// Segments that can't be read, one sentence each.
    unreadable_segments: Vec<String>,
    /// Whether the command was interrupted; the segments that it did not reach keep their old
    /// index.
    interrupted: bool,
}

#[derive(Debug, Args)]
pub struct Reindex {
    /// Header field with the sender's sequence number, or 'none' [default: as in the existing
    /// index].
    #[arg(long, value_name = "NAME", value_parser = sequence_field)]
    pub sequence_field: Option<String>,
    /// Number of threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=256))]
    pub threads: Option<u16>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Checks the name of a field, or `none`, as sinkd does.
fn sequence_field(text: &str) -> Result<String, ValueError> {
    let mut config = sinkd::config::Config::default();
    let key = sinkd::config::all_settings().find(|key| key.name == "sequence_field");
    let key = key.expect("the table has it");
    key.apply(&mut config, text)?;
    Ok(text.to_owned())
}

pub fn run(folder: &Folder, reindex: &Reindex, out: &mut Out) -> anyhow::Result<Finding> {
    let threads = reindex.threads.map_or_else(cores, usize::from);
    let progress = index::ReindexProgress::default();
    let interruptible = Interruptible::new(&progress.stop)?;
    let started = Instant::now();
    let bar = TerminalBar::new(folder.messages(), "messages");
    let field = reindex.sequence_field.as_deref().map(|name| Some(name).filter(|n| *n != "none"));
    let done = watched(
        || bar.at(progress.messages.load(Ordering::Relaxed)),
        || index::reindex(folder.path(), field, threads, &progress),
    )
    .with_context(|| format!("{}: cannot write the index", folder.path().display()))?;
    drop((bar, interruptible));
    let report = ReindexReport {
        segments: done.segments,
        messages: done.messages,
        bytes: done.bytes,
        seconds: started.elapsed().as_secs_f64(),
        unreadable_segments: done.unreadable.iter().map(ToString::to_string).collect(),
        interrupted: progress.stop.load(Ordering::Relaxed),
    };
    let is_whole = report.unreadable_segments.is_empty() && !report.interrupted;
    if reindex.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?
    } else {
        print(&report, out)?
    }
    Ok(if is_whole { Finding::Done } else { Finding::PartlyDone })
}

/// Prints the report as text.
fn print(report: &ReindexReport, out: &mut Out) -> anyhow::Result<()> {
    for fault in &report.unreadable_segments {
        eprintln!("sinkctl: {fault}");
    }
    let ReindexReport { segments, messages, bytes, seconds, .. } = report;
    let rate = *messages as f64 / seconds.max(1e-9);
    let end =
        if report.interrupted { "; interrupted: the other segments keep their index" } else { "" };
    let segments = counted(*segments, "segment", "segments");
    let messages = counted(*messages, "message", "messages");
    let bytes = counted(*bytes, "byte", "bytes");
    writeln!(
        out,
        "{segments}, {messages}, {bytes} of index in {seconds:.1} s ({rate:.0} messages/s){end}"
    )?;
    Ok(())
}
