//! `sinkctl count`: the number of messages accepted, alone on a line; of several folders, a line
//! for each, then the sum.
use std::io::Write;
use std::ops::Range;

use clap::Args;
use serde::Serialize;
use sinkd::analysis::counters;
use sinkd::log::reader::Folder;
use sinkd::stats::Counter;

use crate::base::clock::SystemClock;
use crate::base::data::{name, worst};
use crate::base::left_out::report_left_out;
use crate::base::outcome::{Finding, Out};
use crate::base::print::counted;
use crate::base::span::During;

/// In `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Counts {
    /// The folder as given by --data; without the key, the counts are for all folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
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

/// What `count` counts, and how it says so.
#[derive(Debug, Args)]
pub struct Count {
    #[command(flatten)]
    pub during: During,
    /// Print one JSON object, which counts stored and counted-only messages separately.
    #[arg(long)]
    pub json: bool,
}

pub fn run(folders: &[Folder], wanted: &Count, out: &mut Out) -> anyhow::Result<Finding> {
    let Count { during, json } = wanted;
    let paths: Vec<_> = folders.iter().map(|folder| folder.path().to_owned()).collect();
    let spans = during.spans(&paths)?;
    let mut counts = Vec::new();
    for (n, (folder, span)) in folders.iter().zip(&spans).enumerate() {
        let found = if during.is_all() { all(folder) } else { some(folder, span)? };
        counts.push(Counts { folder: name(folders, n), ..found });
    }
    if counts.len() > 1 {
        counts.push(sum(&counts));
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
    Ok(worst(folders.iter().map(say_lost)))
}

/// For a person.
fn line(counts: &Counts) -> String {
    match &counts.folder {
        Some(folder) => format!("{}  {folder}", counts.messages),
        None => counts.messages.to_string(),
    }
}

fn say_lost(folder: &Folder) -> Finding {
    let finding = report_left_out(folder);
    if folder.lost() == 0 {
        return finding;
    }
    let lost = counted(folder.lost(), "message was", "messages were");
    eprintln!("sinkctl: {lost} lost in a crash and not counted (see sinkctl verify)");
    Finding::DoesNotHold
}

fn sum(counts: &[Counts]) -> Counts {
    let of = |count: fn(&Counts) -> Option<u64>| counts.iter().map(count).sum::<Option<u64>>();
    Counts {
        folder: None,
        messages: counts.iter().map(|counts| counts.messages).sum(),
        stored: counts.iter().map(|counts| counts.stored).sum(),
        only_counted: of(|counts| counts.only_counted),
        removed: of(|counts| counts.removed),
        gone: of(|counts| counts.gone),
    }
}

fn all(folder: &Folder) -> Counts {
    let (stored, only_counted) = (folder.messages(), folder.only_counted());
    Counts {
        folder: None,
        messages: stored + only_counted,
        stored,
        only_counted: Some(only_counted),
        removed: Some(folder.removed()),
        gone: None,
    }
}

fn some(folder: &Folder, span: &Range<u64>) -> anyhow::Result<Counts> {
    let stored = folder.listing(sinkd::analysis::log_span(span))?.present();
    let accepted = counters(folder.path(), span, &SystemClock)?.total(Counter::Messages);
    let gone = accepted.saturating_sub(stored);
    Ok(Counts {
        folder: None,
        messages: stored,
        stored,
        only_counted: None,
        removed: None,
        gone: Some(gone),
    })
}
