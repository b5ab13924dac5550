//! sinkctl reads and prunes the mail that sinkd has stored, using only the data folder, and sends
//! mail to other servers.
#![forbid(unsafe_code)]

/// Shadows the standard macro, which panics if stderr is full or closed: a lost message must not
/// end the command. Removes the numbers of system errors.
macro_rules! eprintln {
    ($($said:tt)*) => {
        drop(std::io::Write::write_fmt(
            &mut std::io::stderr().lock(),
            format_args!("{}\n", sinkd::wording::without_numbers(&format!($($said)*))),
        ))
    };
}

mod assert;
mod audit;
mod base;
mod blast;
mod calibrate;
mod cat;
mod cert;
mod cli;
mod compare;
mod count;
mod generated;
mod limits;
mod ls;
mod mark;
mod prune;
mod reindex;
mod reload;
mod replay;
mod report;
mod rm;
mod run;
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

use std::io::BufWriter;
use std::process::ExitCode;

use base::advice::advice;
use base::data::{only, open, open_all};
use base::left_out::finding_of_error;
use base::list_error::text_of;
use base::outcome::{Finding, Out, StandardOutput, flush, is_closed_pipe};
use cli::exit_codes::ExitCodes;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let (cli, codes) = Cli::of_process();
    let mut out = BufWriter::with_capacity(64 << 10, StandardOutput::lock());
    let result = run(&cli, &mut out).and_then(|finding| flush(&mut out).map(|()| finding));
    match result {
        Ok(finding) => exit_code(finding, codes),
        Err(error) if is_closed_pipe(&error) => {
            // The rest of the buffer has no reader; dropping the buffer would try to write it
            // again.
            std::mem::forget(out);
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(out);
            eprintln!("sinkctl: {}{}", text_of(&error), advice(&error).unwrap_or_default());
            match finding_of_error(&error) {
                Some(finding) => exit_code(finding, codes),
                None => ExitCode::from(2),
            }
        }
    }
}

/// Returns the exit code of a finding. Debug builds check that the help of the command describes
/// it.
fn exit_code(finding: Finding, codes: &ExitCodes) -> ExitCode {
    debug_assert!(codes.describe(finding), "{finding:?} is not in the help of {}", codes.command);
    ExitCode::from(finding.exit_code())
}

fn run(cli: &Cli, out: &mut Out) -> anyhow::Result<Finding> {
    let data = &cli.data;
    match &cli.command {
        Command::Ls(ls) => ls::run(open_all(data)?, ls, out),
        Command::Cat(cat) => cat::run(&mut open(only(data)?)?, cat, out),
        Command::Show(show) => show::run(&mut open(only(data)?)?, show, out),
        Command::Tail(tail) => tail::run(open(only(data)?)?, tail, out),
        Command::Count(count) => count::run(&open_all(data)?, count, out),
        Command::Segments(segments) => segments::run(&open(only(data)?)?, segments, out),
        Command::Stats(stats) => stats::run(data, stats, out),
        Command::Limits(limits) => limits::run(data, limits, out),
        Command::Report(report) => report::run(data, report, out),
        Command::Compare(compare) => compare::run(data, compare, out),
        Command::Assert(assert) => assert::run(data, assert, out),
        Command::Audit(options) => audit::run(data, options, out),
        Command::Run(run) => run::run(open(only(data)?)?.path(), run, out),
        Command::Runs(runs) => runs::run(data, runs, out),
        Command::Mark(mark) => mark::run(open(only(data)?)?.path(), mark, out),
        Command::Top => top::run(open(only(data)?)?),
        Command::Rm(rm) => rm::run(&mut open(only(data)?)?, rm, out),
        Command::Prune(prune) => prune::run(&open(only(data)?)?, prune, out),
        Command::Reload(reload) => reload::run(open(only(data)?)?.path(), reload, out),
        Command::Cert(cert) => cert::run(open(only(data)?)?.path(), cert, out),
        Command::Search(search) => search::run(open_all(data)?, search, out),
        Command::Wait(wait) => wait::run(open_all(data)?, wait, out),
        Command::Reindex(reindex) => reindex::run(&open(only(data)?)?, reindex, out),
        Command::Calibrate(calibrate) => calibrate::run(only(data)?, calibrate, out),
        Command::Blast(blast) => blast::run(blast, out),
        Command::Replay(replay) => replay::run(open(only(data)?)?, replay, out),
        Command::Verify(verify) => verify::run(open(only(data)?)?, verify, out),
        Command::Completions(options) => generated::completions(Cli::definition(), options, out),
        Command::Man(options) => generated::man(Cli::definition(), options, out),
    }
}
