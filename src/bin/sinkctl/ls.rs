//! `sinkctl ls`: messages in the order of their arrival, of one folder or of several.
use std::io::Write;

use clap::Args;
use sinkd::log::Slot;
use sinkd::log::reader::{Folder, ReadError};

use crate::base::data::{Merged, Order, name, worst};
use crate::base::left_out::{Answer, LeftOut, ask_all_again};
use crate::base::outcome::{Finding, Out};
use crate::base::print::counted;
use crate::base::row::{Form, Rows, Source};
use crate::base::span::During;
use crate::base::value::count;

/// How much of a listing was printed.
#[derive(Default)]
struct Listed {
    shown: u64,
    /// Messages in the span, those before `--offset` included; `None`: it was printed to its end.
    cut_of: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// Maximum number of messages [default: all].
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<u64>,
    /// Number of messages to skip first.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count)]
    pub offset: u64,
    /// List the newest messages first; --offset then skips the newest.
    #[arg(long)]
    pub reverse: bool,
    #[command(flatten)]
    pub during: During,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

pub fn run(mut folders: Vec<Folder>, ls: &Ls, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out: Vec<LeftOut> = folders.iter().map(|_| LeftOut::default()).collect();
    let mut listed = Listed::default();
    let asked = ask_all_again(&mut folders, |folders| {
        let answer;
        (answer, listed) = list(folders, ls, &mut left_out, out)?;
        Ok(answer)
    })?;
    match folders.iter().map(Folder::only_counted).sum() {
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
        eprintln!("sinkctl: {shown} of {all} listed; use a larger --limit or --offset to see more");
    }
    let findings = left_out.into_iter().zip(&folders);
    Ok(asked.finding(worst(findings.map(|(left_out, folder)| left_out.finish(folder)))))
}

fn list(
    folders: &[Folder],
    ls: &Ls,
    left_out: &mut [LeftOut],
    out: &mut Out,
) -> anyhow::Result<(Answer, Listed)> {
    let spans = ls.during.spans_of(folders)?;
    let mut listings = Vec::new();
    for (folder, span) in folders.iter().zip(spans) {
        listings.push(folder.listing(span)?);
    }
    // Of one folder the offset costs nothing; of several it is counted off.
    let (here, rest) = if folders.len() == 1 { (ls.offset, 0) } else { (0, ls.offset) };
    let (mut pages, mut sources) = (Vec::new(), Vec::new());
    for (listing, folder) in listings.iter().zip(folders) {
        pages.push(match ls.reverse {
            false => listing.forward(here)?,
            true => listing.backward(here)?,
        });
        sources.push(Source::index(folder));
    }
    let mut rows = Vec::new();
    for (n, (source, left_out)) in sources.iter_mut().zip(left_out).enumerate() {
        let form = Form { json: ls.json, folder: name(folders, n) };
        rows.push(Rows::new(&folders[n], source, form, left_out)?);
    }
    let order = if ls.reverse { Order::NewestFirst } else { Order::OldestFirst };
    let time = |slot: &Result<Slot, ReadError>| Some(slot.as_ref().ok()?.facts().received_at_ns);
    let merged = Merged::new(pages, order, time).skip(usize::try_from(rest)?);
    let (mut answer, mut listed) = (Answer::Empty, Listed::default());
    for (n, slot) in merged {
        if ls.limit.is_some_and(|limit| listed.shown >= limit) {
            listed.cut_of = Some(listings.iter().map(|listing| listing.len()).sum());
            break;
        }
        // What was pruned meanwhile takes no place on the page.
        match slot.map(|slot| rows[n].print(&slot, out)) {
            Ok(printed) => listed.shown += u64::from(printed?),
            Err(error) => {
                rows[n].left_out.tell_error(&error);
                listed.shown += 1;
            }
        }
        answer = Answer::Given;
    }
    Ok((answer, listed))
}
