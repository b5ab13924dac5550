//! `sinkctl count`: the number of messages accepted, alone on a line.
use std::io::Write;

use serde::Serialize;
use sinkd::log::reader::Folder;
use sinkd::stats::Counter;

use crate::args::During;
use crate::print::counted;
use crate::{Finding, Out, report_left_out};

/// In `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Counts {
    /// All that were accepted and neither removed nor pruned.
    messages: u64,
    /// Those that `ls` lists.
    stored: u64,
    /// Those of which nothing else is known; null for a span of time, as they have none.
    only_counted: Option<u64>,
    /// Not among those above; their space goes with their segment. Null for a span of time.
    removed: Option<u64>,
    /// Accepted once, as statistics have it, and no longer here: removed, pruned, or only counted.
    /// Null for all of time.
    gone: Option<u64>,
}

pub fn run(folder: &Folder, during: &During, json: bool, out: &mut Out) -> anyhow::Result<Finding> {
    let counts = if during.is_all() { all(folder) } else { some(folder, during)? };
    if json {
        writeln!(out, "{}", serde_json::to_string(&counts)?)?;
    } else {
        writeln!(out, "{}", counts.messages)?;
        if let Some(gone) = counts.gone.filter(|gone| *gone > 0) {
            eprintln!("sinkctl: {gone} more were accepted; removed, pruned, or only counted");
        }
    }
    let finding = report_left_out(folder);
    if folder.lost() == 0 {
        return Ok(finding);
    }
    let lost = counted(folder.lost(), "message was", "messages were");
    eprintln!("sinkctl: {lost} lost in a crash, and not counted (see: sinkctl verify)");
    Ok(Finding::DoesNotHold)
}

fn all(folder: &Folder) -> Counts {
    let (stored, only_counted) = (folder.messages(), folder.only_counted());
    Counts {
        messages: stored + only_counted,
        stored,
        only_counted: Some(only_counted),
        removed: Some(folder.removed()),
        gone: None,
    }
}

fn some(folder: &Folder, during: &During) -> anyhow::Result<Counts> {
    let stored = folder.listing(during.span(folder.path())?)?.present();
    let spans = during.spans(&[folder.path().to_owned()])?;
    let accepted = crate::stats::counters(folder.path(), &spans[0])?.total(Counter::Messages);
    let gone = accepted.saturating_sub(stored);
    Ok(Counts { messages: stored, stored, only_counted: None, removed: None, gone: Some(gone) })
}
