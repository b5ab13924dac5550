//! `sinkctl tail`: prints the last messages, and new ones as they arrive.
use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use sinkd::analysis::rows::{ContentSource, RowReader};
use sinkd::analysis::{Attempt, retry_while_pruned};
use sinkd::log::Slot;
use sinkd::log::reader::{Folder, NewMessages, PrunedUnread, ReadError};
use sinkd::time::{Clock, Span};

use crate::base::clock::SystemClock;
use crate::base::left_out::{FolderOmissions, finding_of, report_pruned_unread};
use crate::base::outcome::{Finding, Out};
use crate::base::row::{RowFormat, RowPer, RowPrinter};
use crate::base::value::count;

/// Stores to a memory map wake no thread, so the live pages are read at this interval: a user sees
/// no delay, and each read costs a few microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub struct Tail {
    /// Continue with new messages as they arrive.
    #[arg(short, long)]
    pub follow: bool,
    /// Print at most the N newest existing messages.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub limit: u64,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

pub fn run(mut folder: Folder, tail: &Tail, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = FolderOmissions::default();
    let mut seen = folder.positions();
    let mut source = ContentSource::message(&folder)?;
    let attempts = retry_while_pruned(std::slice::from_mut(&mut folder), |folders| {
        let [folder] = folders else { unreachable!("one folder is read") };
        seen = folder.positions();
        print_last(folder, &mut source, tail, &mut left_out, out)
    })?;
    out.flush()?;
    if !tail.follow {
        return Ok(finding_of(attempts, left_out.finish(&folder)));
    }
    let mut reported = Reported::default();
    loop {
        reported.report_new(&folder);
        SystemClock.pause(POLL_INTERVAL);
        let news = folder.follow(&mut seen)?;
        print_new(&folder, &mut source, news, tail, out)?;
    }
}

/// The faults already reported: a follower checks repeatedly, and reports each fault once.
#[derive(Default)]
struct Reported {
    faults: HashSet<String>,
    pruned_unread: PrunedUnread,
}

impl Reported {
    fn report_new(&mut self, folder: &Folder) {
        for fault in folder.faults().map(ToString::to_string) {
            if !self.faults.contains(&fault) {
                eprintln!("sinkctl: {fault}");
                self.faults.insert(fault);
            }
        }
        // If segments are pruned fast, every check would find more of them, so they are reported
        // again only after their number has more than doubled.
        let now = folder.pruned_unread();
        if now.segments > 2 * self.pruned_unread.segments {
            report_pruned_unread(&now);
            self.pruned_unread = now;
        }
    }
}

fn print_last(
    folder: &Folder,
    source: &mut ContentSource,
    tail: &Tail,
    left_out: &mut FolderOmissions,
    out: &mut Out,
) -> anyhow::Result<Attempt> {
    let listing = folder.listing(Span::default())?;
    let limit = usize::try_from(tail.limit).unwrap_or(usize::MAX);
    // Starts from the newest, because the oldest may be pruned meanwhile.
    let mut last: Vec<_> = listing.backward(0)?.take(limit).collect();
    last.reverse();
    let reader = RowReader::new(folder, source, None)?;
    let printed = print(reader, last, &mut printer(tail, out), left_out)?;
    Ok(if printed > 0 || limit == 0 { Attempt::Answered } else { Attempt::Empty })
}

fn print_new(
    folder: &Folder,
    source: &mut ContentSource,
    news: NewMessages,
    tail: &Tail,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut left_out = FolderOmissions::default();
    news.damage.iter().for_each(|damage| left_out.report_error(damage));
    if news.slots.is_empty() {
        return Ok(());
    }
    let slots = news.slots.into_iter().map(Ok).collect();
    let reader = RowReader::new(folder, source, None)?;
    print(reader, slots, &mut printer(tail, out), &mut left_out)?;
    out.flush()?;
    Ok(())
}

/// Prints messages, and returns how many were not pruned meanwhile.
fn print(
    mut reader: RowReader<'_>,
    slots: Vec<Result<Slot, ReadError>>,
    printer: &mut RowPrinter<'_>,
    left_out: &mut FolderOmissions,
) -> anyhow::Result<u64> {
    reader.take_damage().iter().for_each(|damage| left_out.report_error(damage));
    let mut printed = 0;
    for slot in slots {
        let row = slot.and_then(|slot| reader.read(&slot));
        printed += printer.print(row, left_out)?;
    }
    Ok(printed)
}

fn printer<'a>(tail: &Tail, out: &'a mut Out) -> RowPrinter<'a> {
    const JSON: &RowFormat = &RowFormat::Json(RowPer::Message);
    RowPrinter::new(if tail.json { JSON } else { &RowFormat::Line }, out)
}
