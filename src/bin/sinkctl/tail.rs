//! `sinkctl tail`: the last messages, and new ones as they arrive.
use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use sinkd::log::reader::{Folder, NewMessages, PassedOver, Span};

use crate::base::left_out::{Answer, LeftOut, ask_again, say_passed_over};
use crate::base::outcome::{Finding, Out};
use crate::base::row::{Form, Rows, Source};
use crate::base::value::count;

/// Stores to a map wake no thread, so the live pages are read this often: a person sees no delay,
/// and a look costs a few microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub struct Tail {
    /// Continue with new messages as they arrive.
    #[arg(short, long)]
    pub follow: bool,
    /// Number of existing messages to print.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub lines: u64,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

pub fn run(mut folder: Folder, tail: &Tail, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = LeftOut::default();
    let mut seen = folder.positions();
    let mut source = Source::message(&folder)?;
    let asked = ask_again(&mut folder, |folder| {
        seen = folder.positions();
        print_last(folder, &mut source, tail, &mut left_out, out)
    })?;
    out.flush()?;
    if !tail.follow {
        return Ok(asked.finding(left_out.finish(&folder)));
    }
    let mut said = Said::default();
    // Nothing is ever sent: the wait is for the time alone.
    let (_never, pause) = crossbeam_channel::bounded::<()>(0);
    loop {
        said.say_new(&folder);
        let _ = pause.recv_timeout(LOOK_EVERY);
        let news = folder.follow(&mut seen)?;
        print_new(&folder, &mut source, &news, tail, out)?;
    }
}

fn form(tail: &Tail) -> Form {
    Form { json: tail.json, folder: None }
}

/// What a follower has said already: it looks for as long as it runs, and says each thing once.
#[derive(Default)]
struct Said {
    faults: HashSet<String>,
    passed_over: PassedOver,
}

impl Said {
    fn say_new(&mut self, folder: &Folder) {
        for fault in folder.faults().map(ToString::to_string) {
            if !self.faults.contains(&fault) {
                eprintln!("sinkctl: {fault}");
                self.faults.insert(fault);
            }
        }
        // Beside a ring that turns fast, every look would report this: report it when it has
        // doubled.
        let now = folder.passed_over();
        if now.segments > 2 * self.passed_over.segments {
            say_passed_over(&now);
            self.passed_over = now;
        }
    }
}

fn print_last(
    folder: &Folder,
    source: &mut Source,
    tail: &Tail,
    left_out: &mut LeftOut,
    out: &mut Out,
) -> anyhow::Result<Answer> {
    let listing = folder.listing(Span::default())?;
    let lines = usize::try_from(tail.lines).unwrap_or(usize::MAX);
    // From the newest on: the oldest may be pruned meanwhile.
    let last: Vec<_> = listing.backward(0)?.take(lines).collect();
    let mut rows = Rows::new(folder, source, form(tail), left_out)?;
    let mut is_any = lines == 0;
    for slot in last.into_iter().rev() {
        match slot {
            Ok(slot) => is_any |= rows.print(&slot, out)?,
            Err(error) => {
                rows.left_out.tell_error(&error);
                is_any = true;
            }
        }
    }
    Ok(if is_any { Answer::Given } else { Answer::Empty })
}

fn print_new(
    folder: &Folder,
    source: &mut Source,
    news: &NewMessages,
    tail: &Tail,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut left_out = LeftOut::default();
    news.damage.iter().for_each(|damage| left_out.tell_error(damage));
    if news.slots.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(folder, source, form(tail), &mut left_out)?;
    for slot in &news.slots {
        rows.print(slot, out)?;
    }
    out.flush()?;
    Ok(())
}
