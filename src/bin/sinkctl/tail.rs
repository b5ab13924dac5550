//! `sinkctl tail`: the last messages, and new ones as they arrive.
use std::io::Write;
use std::time::Duration;

use sinkd::log::reader::{Folder, Positions, Span};

use crate::args::Tail;
use crate::ls::Lister;
use crate::{Finding, Out};

/// Stores to a map wake nobody, so the live pages are looked at this often: a person sees no delay,
/// and a look costs a few microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub fn run(mut folder: Folder, tail: &Tail, out: &mut Out) -> anyhow::Result<Finding> {
    let mut seen = folder.positions();
    print_last(&folder, tail, out)?;
    out.flush()?;
    // Nothing is ever sent: the wait is for the time alone.
    let (_never, pause) = crossbeam_channel::bounded::<()>(0);
    if !tail.follow {
        return Ok(Finding::Holds);
    }
    loop {
        let _ = pause.recv_timeout(LOOK_EVERY);
        folder.refresh()?;
        seen = print_new(&folder, &seen, tail, out)?;
    }
}

fn print_last(folder: &Folder, tail: &Tail, out: &mut Out) -> anyhow::Result<()> {
    let listing = folder.listing(Span::default())?;
    let mut lister = Lister::new(folder, tail.json)?;
    let skipped = listing.len().saturating_sub(tail.lines);
    for slot in listing.forward(skipped)?.flatten() {
        if let Err(damage) = lister.print(&slot, out)? {
            eprintln!("sinkctl: {damage}");
        }
    }
    Ok(())
}

/// What has come since `seen`, in the order of arrival; how far that goes.
fn print_new(
    folder: &Folder,
    seen: &Positions,
    tail: &Tail,
    out: &mut Out,
) -> anyhow::Result<Positions> {
    let new = folder.since(seen);
    if new.is_empty() {
        return Ok(seen.clone());
    }
    let mut slots = Vec::new();
    for (number, range) in new {
        let segment = folder.segment(number)?;
        slots.extend(segment.slots(range).flatten().filter(|slot| slot.is_message()));
    }
    slots.retain(|slot| !folder.is_removed(slot.id));
    if slots.is_empty() {
        return Ok(folder.positions());
    }
    slots.sort_by_key(|slot| (slot.facts.received_at_ns, slot.id));
    let mut lister = Lister::new(folder, tail.json)?;
    for slot in &slots {
        if let Err(damage) = lister.print(slot, out)? {
            eprintln!("sinkctl: {damage}");
        }
    }
    out.flush()?;
    Ok(folder.positions())
}
