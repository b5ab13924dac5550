//! `sinkctl ls`: messages in the order of their arrival.
use std::io::Write;

use sinkd::log::reader::Folder;

use crate::args::Ls;
use crate::left_out::{Answer, LeftOut, ask_again};
use crate::print::counted;
use crate::row::{Rows, Source};
use crate::{Finding, Out};

/// How much of a listing was printed.
#[derive(Default)]
struct Listed {
    shown: u64,
    /// Messages in the span, those before `--offset` included; `None`: it was printed to its end.
    cut_of: Option<u64>,
}

pub fn run(mut folder: Folder, ls: &Ls, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = LeftOut::default();
    let mut listed = Listed::default();
    let asked = ask_again(&mut folder, |folder| {
        let answer;
        (answer, listed) = list(folder, ls, &mut left_out, out)?;
        Ok(answer)
    })?;
    match folder.only_counted() {
        0 => {}
        n => {
            let said = counted(n, "message that was", "messages that were");
            match ls.json {
                // Not among the objects, which are messages.
                true => eprintln!("sinkctl: and {said} only counted"),
                false => writeln!(out, "and {said} only counted")?,
            }
        }
    }
    if let Some(all) = listed.cut_of {
        let all = counted(all, "message is", "messages are");
        let shown = listed.shown;
        eprintln!("sinkctl: {shown} of {all} listed; more with a larger --limit, or --offset");
    }
    Ok(asked.finding(left_out.finish(&folder)))
}

fn list(
    folder: &Folder,
    ls: &Ls,
    left_out: &mut LeftOut,
    out: &mut Out,
) -> anyhow::Result<(Answer, Listed)> {
    let listing = folder.listing(ls.during.span(folder.path())?)?;
    let page = match ls.reverse {
        false => listing.forward(ls.offset)?,
        true => listing.backward(ls.offset)?,
    };
    let limit = ls.limit.unwrap_or(u64::MAX);
    let mut source = Source::index(folder);
    let mut rows = Rows::new(folder, &mut source, ls.json, left_out)?;
    let mut answer = Answer::Empty;
    let mut listed = Listed::default();
    for slot in page {
        if listed.shown == limit {
            listed.cut_of = Some(listing.len());
            break;
        }
        // What was pruned meanwhile takes no place on the page.
        match slot.map(|slot| rows.print(&slot, out)) {
            Ok(printed) => listed.shown += u64::from(printed?),
            Err(error) => {
                rows.left_out.tell_error(&error);
                listed.shown += 1;
            }
        }
        answer = Answer::Given;
    }
    Ok((answer, listed))
}
