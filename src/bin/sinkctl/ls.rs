//! `sinkctl ls`: messages in the order of their arrival.
use std::collections::HashSet;
use std::io::Write;

use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, Slot};

use crate::args::Ls;
use crate::print::Entry;
use crate::{Finding, Out, report_unreadable};

pub fn run(folder: &Folder, ls: &Ls, out: &mut Out) -> anyhow::Result<Finding> {
    let span = ls.during.span(folder.path())?;
    let listing = folder.listing(span)?;
    let page = match ls.reverse {
        false => listing.forward(ls.offset)?,
        true => listing.backward(ls.offset)?,
    };
    let limit = ls.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut lister = Lister::new(folder, ls.json)?;
    let mut finding = report_unreadable(folder);
    for slot in page.take(limit) {
        match slot.map_err(anyhow::Error::from) {
            Ok(slot) => {
                if let Err(damage) = lister.print(&slot, out)? {
                    eprintln!("sinkctl: {damage}");
                    finding = Finding::DoesNotHold;
                }
            }
            Err(damage) => {
                eprintln!("sinkctl: {damage}");
                finding = Finding::DoesNotHold;
            }
        }
    }
    match folder.only_counted() {
        0 => {}
        // Not among the objects, which are messages.
        n if ls.json => eprintln!("sinkctl: and {n} messages that were only counted"),
        n => writeln!(out, "and {n} messages that were only counted")?,
    }
    Ok(finding)
}

/// Prints messages one after another, reusing its buffer.
pub struct Lister<'a> {
    folder: &'a Folder,
    noted: HashSet<MessageId>,
    json: bool,
    envelope: Vec<u8>,
}

impl<'a> Lister<'a> {
    pub fn new(folder: &'a Folder, json: bool) -> anyhow::Result<Lister<'a>> {
        Ok(Lister { folder, noted: folder.notes()?, json, envelope: Vec::new() })
    }

    /// The inner error: this message can't be read; others can.
    pub fn print(
        &mut self,
        slot: &Slot,
        out: &mut Out,
    ) -> anyhow::Result<Result<(), anyhow::Error>> {
        let read = self
            .folder
            .segment(slot.id.segment)
            .map_err(anyhow::Error::from)
            .and_then(|segment| Ok(segment.envelope(slot, &mut self.envelope)?));
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(damage) => return Ok(Err(damage)),
        };
        let entry = Entry::new(slot, envelope, self.noted.contains(&slot.id));
        match self.json {
            true => writeln!(out, "{}", entry.to_json())?,
            false => writeln!(out, "{}", entry.to_line())?,
        }
        Ok(Ok(()))
    }
}
