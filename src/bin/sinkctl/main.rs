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

mod assert;
mod base;
mod blast;
mod calibrate;
mod cat;
mod cli;
mod compare;
mod count;
mod ls;
mod prune;
mod reindex;
mod replay;
mod report;
mod rm;
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

use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::Parser;

use base::data::{open, open_all};
use base::left_out::is_finding;
use base::outcome::{Finding, Out, flush, is_closed_pipe};
use cli::{Cli, Command};

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
