//! `sinkctl count`: the number of messages accepted, alone on a line.
use std::io::Write;

use serde::Serialize;
use sinkd::log::reader::Folder;

use crate::{Finding, Out, report_unreadable};

/// In `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Counts {
    /// All that were accepted.
    messages: u64,
    /// Those that `ls` lists.
    stored: u64,
    /// Those of which nothing else is known.
    only_counted: u64,
    /// Not among those above; their space goes with their segment.
    removed: u64,
}

pub fn run(folder: &Folder, json: bool, out: &mut Out) -> anyhow::Result<Finding> {
    let (stored, only_counted) = (folder.messages(), folder.only_counted());
    let removed = folder.removed();
    let counts = Counts { messages: stored + only_counted, stored, only_counted, removed };
    if json {
        writeln!(out, "{}", serde_json::to_string(&counts)?)?;
    } else {
        writeln!(out, "{}", counts.messages)?;
    }
    Ok(report_unreadable(folder))
}
