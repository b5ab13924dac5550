//! The command line of sinkctl.
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::assert::Assert;
use crate::blast::Blast;
use crate::calibrate::Calibrate;
use crate::cat::Cat;
use crate::compare::Compare;
use crate::count::Count;
use crate::limits::Limits;
use crate::ls::Ls;
use crate::prune::Prune;
use crate::reindex::Reindex;
use crate::replay::Replay;
use crate::report::Report;
use crate::rm::Rm;
use crate::runs::{Mark, RunCommand, Runs};
use crate::search::Search;
use crate::segments::Segments;
use crate::show::Show;
use crate::stats::Stats;
use crate::tail::Tail;
use crate::verify::Verify;
use crate::wait::Wait;

/// Reads what sinkd has stored, while it runs and after it stopped.
#[derive(Debug, Parser)]
#[command(name = "sinkctl", version, max_term_width = 100)]
pub struct Cli {
    /// Data folder of sinkd; ls, count, search, wait, stats, limits, report, compare, assert and
    /// runs take several. SINKD_DATA in the environment names another default.
    #[arg(long, global = true, value_name = "DIR", default_values_os_t = [default_folder()])]
    pub data: Vec<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, the newest last.
    Ls(Ls),
    /// Print a message exactly as it was sent, dot-stuffing undone.
    Cat(Cat),
    /// Show envelope, headers and parts of a message for a person, or one thing of it, for a test.
    Show(Show),
    /// Print the last messages, and with -f new ones as they arrive.
    Tail(Tail),
    /// Print the number of messages accepted, those that were only counted included.
    Count(Count),
    /// List the segments: fill, holes, state, span of time.
    Segments(Segments),
    /// What a run was like: totals, rates, percentiles of each phase, and what limited it.
    Stats(Stats),
    Limits(Limits),
    /// A run as one HTML page with plots, to attach or print; it needs no network and no script.
    Report(Report),
    /// Compare two runs: totals, replies, what limited them, and which differences are larger than
    /// the noise. Exit 1 if a run is not whole, 2 if they can't be compared.
    Compare(Compare),
    /// Check claims such as 'rate.median >= 5000', 'transaction.p99 <= 20ms', 'replies.5xx == 0';
    /// exit 1 if one doesn't hold.
    Assert(Assert),
    /// Begin or end a run: a named span of time, for --run.
    #[command(subcommand)]
    Run(RunCommand),
    /// List the runs and marks.
    Runs(Runs),
    /// Put a text at this moment, to be seen in runs.
    Mark(Mark),
    /// A screen of what is going on, second by second: rates, percentiles, replies. q quits.
    Top,
    /// Remove messages: they are not listed, counted or given any more, their space goes with their
    /// segment. Exit 1 if an id names none.
    Rm(Rm),
    /// Drop the oldest sealed segments, beside a running sinkd or without one.
    Prune(Prune),
    /// List the messages that a query is true of, the newest first; exit 1 if there is none.
    Search(Search),
    /// Wait until so many messages match a query; exit 1 if they don't in time.
    Wait(Wait),
    /// Work the index for search out again, beside a running sinkd or without one.
    Reindex(Reindex),
    /// Measure what this machine can do with usual loads, against a sinkd of its own or one that
    /// runs here. The result is kept in the data folder, and stats compares runs with it.
    Calibrate(Calibrate),
    /// Send made-up mail to an SMTP server: a load test, each message of which can be checked.
    Blast(Box<Blast>),
    /// Send stored messages to another SMTP server: when they left then, faster, or at a rate.
    Replay(Box<Replay>),
    /// Read everything, check every checksum; exit 1 if anything is damaged.
    Verify(Verify),
}

/// The folder that sinkd uses in the same environment.
fn default_folder() -> PathBuf {
    let named = sinkd::config::Environment::of_process().data_folder();
    named.unwrap_or_else(|| sinkd::config::Config::default().data)
}

#[cfg(test)]
mod tests;
