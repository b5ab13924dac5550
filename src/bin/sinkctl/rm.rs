//! `sinkctl rm`: removes messages from all that is listed and counted.
use std::io::Write;

use anyhow::Context;
use serde::Serialize;
use sinkd::log::reader::Folder;
use sinkd::log::{self, MessageId, Remove};

use crate::args::{Id, Rm};
use crate::left_out::NoAnswer;
use crate::print::counted;
use crate::{Finding, Out, latest, report_left_out};

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Report {
    messages: u64,
    /// Ids that name no message, or one that was gone before.
    missing: Vec<String>,
}

pub fn run(folder: &mut Folder, rm: &Rm, out: &mut Out) -> anyhow::Result<Finding> {
    let what = match rm.which.until {
        Some(moment) => Remove::Until(moment.0),
        None if rm.which.all => Remove::All,
        None => Remove::Ids(ids(folder, &rm.which.ids)?),
    };
    let removed = log::remove(folder.path(), &what)
        .with_context(|| format!("{}: cannot remove", folder.path().display()))?;
    let missing: Vec<String> = removed.missing.iter().map(ToString::to_string).collect();
    for id in &missing {
        eprintln!("sinkctl: no message {id}: it was removed, pruned, lost, or never there");
    }
    folder.refresh()?;
    let finding = match report_left_out(folder) {
        Finding::Holds if missing.is_empty() => Finding::Holds,
        _ => Finding::DoesNotHold,
    };
    if rm.json {
        let report = Report { messages: removed.messages, missing };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "removed {}", counted(removed.messages, "message", "messages"))?;
    }
    Ok(finding)
}

fn ids(folder: &mut Folder, ids: &[Id]) -> anyhow::Result<Vec<MessageId>> {
    let mut exact = |id: &Id| match id {
        Id::Exactly(id) => Ok(*id),
        Id::Latest => {
            let latest = latest(folder)?;
            anyhow::ensure!(latest.finding == Finding::Holds, NoAnswer::LatestDamaged);
            Ok(latest.slot.id())
        }
    };
    ids.iter().map(&mut exact).collect()
}
