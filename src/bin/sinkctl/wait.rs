//! `sinkctl wait`: returns as soon as so many messages match.
use std::ops::Range;
use std::time::{Duration, Instant};

use sinkd::index::query::Query;
use sinkd::index::{self, LeftOut, Probe, Searching, Wanted};
use sinkd::log::MessageId;
use sinkd::log::reader::{Folder, News, ReadError, Span};

use crate::args::Wait;
use crate::left_out;
use crate::search::{Printer, parse, say_left_out};
use crate::{Finding, Out};

/// Stores to a map wake nobody, so the live pages are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub fn run(mut folder: Folder, wait: &Wait, out: &mut Out) -> anyhow::Result<Finding> {
    let started = Instant::now();
    let query = parse(&folder, &wait.query.text())?;
    let span = wait.during.span(folder.path())?;
    let mut seen = folder.positions();
    let mut matching = Vec::new();
    let mut is_complete = true;
    if !wait.new {
        let found = already_there(&folder, &query, span, wait.count);
        is_complete = say_left_out(&found.1);
        matching = found.0;
    }
    // Nothing is ever sent: the wait is for the time alone.
    let (_never, pause) = crossbeam_channel::bounded::<()>(0);
    let mut probe = Probe::new(&query);
    while (matching.len() as u64) < wait.count {
        let Some(left) = wait.timeout.checked_sub(started.elapsed()) else { break };
        let _ = pause.recv_timeout(LOOK_EVERY.min(left));
        let news = folder.follow(&mut seen)?;
        look(&folder, &news, &mut probe, span, &mut matching);
    }
    matching.truncate(usize::try_from(wait.count).unwrap_or(usize::MAX));
    let mut printer = Printer::new(&folder, wait.json)?;
    for id in &matching {
        // It has matched, whatever became of it: the exit code says so.
        if let Err(error) = printer.print(*id, out)? {
            eprintln!("sinkctl: a message that matched is not shown: {error:#}");
        }
    }
    let left_out = left_out::LeftOut::default();
    let is_sound = match wait.new {
        true => left_out.finish(&folder),
        // The search has told the faults of the folder.
        false => left_out.finish_without_faults(&folder),
    } == Finding::Holds;
    let n = matching.len();
    if n as u64 == wait.count {
        return Ok(Finding::Holds);
    }
    let end = if is_complete && is_sound { "" } else { ", of those that could be searched" };
    eprintln!("sinkctl: {n} of {} messages match after {:?}{end}", wait.count, wait.timeout);
    Ok(Finding::DoesNotHold)
}

/// Up to `count` messages that match, the oldest of them first.
fn already_there(
    folder: &Folder,
    query: &Query,
    span: Span,
    count: u64,
) -> (Vec<MessageId>, LeftOut) {
    let wanted = Wanted {
        limit: Some(count),
        span,
        indexed_only: false,
        threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
    };
    let found = index::search(folder, query, wanted, &Searching::default());
    (found.hits.iter().rev().map(|hit| hit.id).collect(), found.left_out)
}

/// Puts the query to what has come.
fn look(
    folder: &Folder,
    news: &News,
    probe: &mut Probe<'_>,
    span: Span,
    matching: &mut Vec<MessageId>,
) {
    let during: Range<u64> = span.since_ns.unwrap_or(0)..span.until_ns.unwrap_or(u64::MAX);
    let mut left_out = left_out::LeftOut::default();
    news.damage.iter().for_each(|damage| left_out.tell_error(damage));
    for slot in news.slots.iter().filter(|slot| during.contains(&slot.facts.received_at_ns)) {
        let answer = folder
            .segment(slot.id.segment)
            .and_then(|segment| probe.ask(&segment, slot).map_err(ReadError::from));
        match answer {
            Ok(answer) if answer.is_match => matching.push(slot.id),
            Ok(_) => {}
            Err(error) => left_out.tell_error(&error),
        }
    }
}
