//! `sinkctl ls`: messages in the order of their arrival.
use std::collections::HashSet;
use std::io::Write;

use sinkd::log::reader::{Folder, ReadError};
use sinkd::log::{MessageId, Slot};

use crate::args::Ls;
use crate::left_out::{Answer, LeftOut, ask_again};
use crate::print::Entry;
use crate::{Finding, Out};

pub fn run(mut folder: Folder, ls: &Ls, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = LeftOut::default();
    let asked = ask_again(&mut folder, |folder| list(folder, ls, &mut left_out, out))?;
    match folder.only_counted() {
        0 => {}
        // Not among the objects, which are messages.
        n if ls.json => eprintln!("sinkctl: and {n} messages that were only counted"),
        n => writeln!(out, "and {n} messages that were only counted")?,
    }
    Ok(asked.finding(left_out.finish(&folder)))
}

fn list(folder: &Folder, ls: &Ls, left_out: &mut LeftOut, out: &mut Out) -> anyhow::Result<Answer> {
    let listing = folder.listing(ls.during.span(folder.path())?)?;
    let page = match ls.reverse {
        false => listing.forward(ls.offset)?,
        true => listing.backward(ls.offset)?,
    };
    let limit = ls.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut lister = Lister::new(folder, ls.json, left_out)?;
    let mut answer = Answer::Empty;
    let mut shown = 0;
    for slot in page {
        if shown == limit {
            break;
        }
        // What was pruned meanwhile takes no place on the page.
        match slot.map(|slot| lister.print(&slot, out)) {
            Ok(printed) => shown += usize::from(printed?),
            Err(error) => {
                lister.left_out.tell_error(&error);
                shown += 1;
            }
        }
        answer = Answer::Given;
    }
    Ok(answer)
}

/// Prints messages one after another, reusing its buffer.
pub struct Lister<'a> {
    folder: &'a Folder,
    noted: HashSet<MessageId>,
    json: bool,
    envelope: Vec<u8>,
    pub left_out: &'a mut LeftOut,
}

impl<'a> Lister<'a> {
    pub fn new(
        folder: &'a Folder,
        json: bool,
        left_out: &'a mut LeftOut,
    ) -> anyhow::Result<Lister<'a>> {
        let notes = folder.notes()?;
        notes.damage.iter().for_each(|damage| left_out.tell_error(damage));
        Ok(Lister { folder, noted: notes.of, json, envelope: Vec::new(), left_out })
    }

    /// Prints a message, or says why it can't be read. `false`: it was pruned meanwhile.
    ///
    /// Errors: the output can't be written.
    pub fn print(&mut self, slot: &Slot, out: &mut Out) -> anyhow::Result<bool> {
        let read = self
            .folder
            .segment(slot.id.segment)
            .and_then(|segment| Ok(segment.envelope(slot, &mut self.envelope)?));
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(error) => {
                self.left_out.tell_error(&error);
                return Ok(!matches!(error, ReadError::Pruned { .. }));
            }
        };
        let entry = Entry::new(slot, envelope, self.noted.contains(&slot.id));
        match self.json {
            true => writeln!(out, "{}", entry.to_json())?,
            false => writeln!(out, "{}", entry.to_line())?,
        }
        Ok(true)
    }
}
