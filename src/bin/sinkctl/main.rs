//! sinkctl: reads what sinkd has stored, and prunes it, from the folder alone.
#![forbid(unsafe_code)]

/// Shadows the standard one, which panics where stderr is full or nobody reads it any more: what is
/// said there must not end what is done.
macro_rules! eprintln {
    ($($said:tt)*) => {
        drop(std::io::Write::write_fmt(
            &mut std::io::stderr().lock(),
            format_args!("{}\n", format_args!($($said)*)),
        ))
    };
}

mod args;
mod assert;
mod blast;
mod calibrate;
mod cat;
mod compare;
mod count;
mod during;
mod folders;
mod holder;
mod left_out;
mod ls;
mod metric_name;
mod nearest;
mod print;
mod progress;
mod prune;
mod query_words;
mod reindex;
mod replay;
mod report;
mod rm;
mod row;
mod runs;
mod search;
mod segments;
mod sending;
mod show;
mod stats;
mod tail;
mod top;
mod verify;
mod wait;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use sinkd::log::Slot;
use sinkd::log::reader::{Folder, Segment};

use args::{Cli, Command, Id};
use folders::open_all;
use left_out::{Answer, Asked, LeftOut, NoAnswer, ask_again, is_finding};

/// What a command found; errors are another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    Holds,
    DoesNotHold,
}

/// Where results go.
pub type Out = BufWriter<io::StdoutLock<'static>>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let result = run(&cli, &mut out).and_then(|finding| flush(&mut out).map(|()| finding));
    match result {
        Ok(Finding::Holds) => ExitCode::SUCCESS,
        Ok(Finding::DoesNotHold) => ExitCode::from(1),
        Err(error) if is_closed_pipe(&error) => {
            // What is still in the buffer has no reader; dropping it would try again.
            std::mem::forget(out);
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(out);
            eprintln!("sinkctl: {error:#}");
            ExitCode::from(if is_finding(&error) { 1 } else { 2 })
        }
    }
}

fn run(cli: &Cli, out: &mut Out) -> anyhow::Result<Finding> {
    match &cli.command {
        Command::Stats(stats) => return stats::run(&cli.data, stats, out),
        Command::Report(report) => return report::run(&cli.data, report, out),
        Command::Compare(compare) => return compare::run(&cli.data, compare, out),
        Command::Assert(assert) => return assert::run(&cli.data, assert, out),
        Command::Blast(blast) => return blast::run(blast, out),
        Command::Runs { json } => return runs::list(&cli.data, *json, out),
        Command::Ls(ls) => return ls::run(open_all(&cli.data)?, ls, out),
        Command::Count(count) => return count::run(&open_all(&cli.data)?, count, out),
        Command::Search(search) => return search::run(open_all(&cli.data)?, search, out),
        Command::Wait(wait) => return wait::run(open_all(&cli.data)?, wait, out),
        _ => {}
    }
    let [data] = &cli.data[..] else {
        anyhow::bail!(
            "expected one --data, found {}: only ls, count, search, wait, stats, report, compare, \
             assert and runs take several",
            cli.data.len()
        );
    };
    if let Command::Calibrate(calibrate) = &cli.command {
        return calibrate::run(data, calibrate, out);
    }
    let mut folder = open(data)?;
    match &cli.command {
        Command::Cat { id, stored } => cat::run(&mut folder, *id, *stored, out),
        Command::Show(show) => show::run(&mut folder, show, out),
        Command::Tail(tail) => tail::run(folder, tail, out),
        Command::Segments { json } => segments::run(&folder, *json, out),
        Command::Run(run) => runs::run(data, run, out),
        Command::Mark { text } => runs::mark(data, text, out),
        Command::Stats(_)
        | Command::Report(_)
        | Command::Compare(_)
        | Command::Assert(_)
        | Command::Calibrate(_)
        | Command::Blast(_)
        | Command::Ls(_)
        | Command::Count(_)
        | Command::Search(_)
        | Command::Wait(_)
        | Command::Runs { .. } => unreachable!("they have run above"),
        Command::Top => top::run(folder),
        Command::Rm(rm) => rm::run(&mut folder, rm, out),
        Command::Prune(prune) => prune::run(&folder, prune, out),
        Command::Replay(replay) => replay::run(folder, replay, out),
        Command::Reindex(reindex) => reindex::run(&folder, reindex, out),
        Command::Verify { json } => verify::run(folder, *json, out),
    }
}

fn open(data: &Path) -> anyhow::Result<Folder> {
    Folder::open(data).with_context(|| {
        format!("{}: no data folder of sinkd; name one with --data", data.display())
    })
}

/// A message that was named.
struct Named {
    segment: Arc<Segment>,
    slot: Slot,
    /// Whether it is what was asked for: the newest that can be read may not be the newest.
    finding: Finding,
}

/// The message meant; an error if there is none.
fn resolve(folder: &mut Folder, id: Id) -> anyhow::Result<Named> {
    let Id::Exactly(id) = id else { return latest(folder) };
    let (segment, slot) = folder.find(id)?;
    anyhow::ensure!(slot.is_message(), "{id} is no message, but a note about one");
    Ok(Named { segment, slot, finding: Finding::Holds })
}

/// The newest message of which the whole record can be read; says which newer ones can't.
fn latest(folder: &mut Folder) -> anyhow::Result<Named> {
    let mut latest = None;
    let asked = ask_again(folder, |folder| {
        let found = folder.latest()?;
        let is_answer = found.newest.is_some() || !found.damage.is_empty();
        latest = Some(found);
        Ok(if is_answer { Answer::Given } else { Answer::Empty })
    })?;
    let Some(latest) = latest.filter(|_| asked == Asked::Answered) else {
        return Err(NoAnswer::Outpaced.into());
    };
    let mut left_out = LeftOut::default();
    latest.damage.iter().for_each(|damage| left_out.tell_error(damage));
    let Some((segment, slot)) = latest.newest else {
        anyhow::ensure!(latest.damage.is_empty(), NoAnswer::AllDamaged);
        anyhow::bail!("there is no message here yet");
    };
    Ok(Named { segment, slot, finding: left_out.finish(folder) })
}

/// Whoever read us has had enough (`| head`): that is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Whoever has had enough of us changes nothing about what was found.
fn flush(out: &mut Out) -> anyhow::Result<()> {
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Reports on stderr what is wrong with the folder, and what was pruned while it was read.
fn report_left_out(folder: &Folder) -> Finding {
    LeftOut::default().finish(folder)
}
