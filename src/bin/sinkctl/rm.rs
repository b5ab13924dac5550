//! `sinkctl rm`: removes messages from listings, counts and searches.
use std::io::Write;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use sinkd::log::reader::{Folder, ReadError};
use sinkd::log::{self, MessageId, Moment, Remove};
use sinkd::wording::counted;

use crate::base::advice::about_message;
use crate::base::data::latest;
use crate::base::left_out::NoAnswer;
use crate::base::left_out::report_left_out;
use crate::base::outcome::{Finding, Out};
use crate::base::value::MessageRef;

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct RemovalReport {
    dry_run: bool,
    messages: u64,
    /// Ids of messages that do not exist, or were removed earlier.
    unknown_ids: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Rm {
    #[command(flatten)]
    pub which: RemovalTarget,
    /// Print how many messages would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The messages to remove. A group of its own, because no other flag says what to remove.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RemovalTarget {
    /// Message IDs (segment:slot), or 'latest'.
    #[arg(value_name = "ID")]
    pub ids: Vec<MessageRef>,
    /// Remove all messages that are present now.
    #[arg(long)]
    pub all: bool,
    /// Remove all messages that arrived before this time: RFC 3339, a date (2026-11-21), or an age
    /// (10m, 2h, 1d).
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

pub fn run(folder: &mut Folder, rm: &Rm, out: &mut Out) -> anyhow::Result<Finding> {
    let what = match rm.which.until {
        Some(moment) => Remove::Until(moment.0),
        None if rm.which.all => Remove::All,
        None => Remove::Ids(ids(folder, &rm.which.ids)?),
    };
    let removed =
        if rm.dry_run { log::removable(folder, &what) } else { log::remove(folder.path(), &what) };
    let removed =
        removed.with_context(|| format!("{}: cannot remove messages", folder.path().display()))?;
    for &id in &removed.missing {
        let error = ReadError::NoSuchMessage { id };
        eprintln!("sinkctl: {error}{}", about_message(&error).unwrap_or_default());
    }
    let unknown_ids: Vec<String> = removed.missing.iter().map(ToString::to_string).collect();
    folder.refresh()?;
    let is_removed = if unknown_ids.is_empty() { Finding::Done } else { Finding::PartlyDone };
    let finding = is_removed.and(report_left_out(folder));
    if rm.json {
        let report = RemovalReport { dry_run: rm.dry_run, messages: removed.messages, unknown_ids };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        let verb = if rm.dry_run { "would remove" } else { "removed" };
        writeln!(out, "{verb} {}", counted(removed.messages, "message", "messages"))?;
    }
    Ok(finding)
}

fn ids(folder: &mut Folder, ids: &[MessageRef]) -> anyhow::Result<Vec<MessageId>> {
    let mut exact = |id: &MessageRef| match id {
        MessageRef::Exactly(id) => Ok(*id),
        MessageRef::Latest => {
            let latest = latest(folder)?;
            anyhow::ensure!(latest.finding == Finding::Done, NoAnswer::LatestDamaged);
            Ok(latest.slot.id())
        }
    };
    ids.iter().map(&mut exact).collect()
}
