//! The command line of sinkctl.
pub mod exit_codes;
mod groups;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use sinkd::wording::usage_error;

use crate::assert::Assert;
use crate::audit::Audit;
use crate::base::data::SEVERAL_FOLDERS;
use crate::blast::Blast;
use crate::calibrate::Calibrate;
use crate::cat::Cat;
use crate::cert::Cert;
use crate::compare::Compare;
use crate::count::Count;
use crate::generated::{Completions, Man};
use crate::limits::Limits;
use crate::ls::Ls;
use crate::mark::Mark;
use crate::prune::Prune;
use crate::reindex::Reindex;
use crate::reload::Reload;
use crate::replay::Replay;
use crate::report::Report;
use crate::rm::Rm;
use crate::run::RunCommand;
use crate::runs::Runs;
use crate::search::Search;
use crate::segments::Segments;
use crate::show::Show;
use crate::stats::Stats;
use crate::tail::Tail;
use crate::verify::Verify;
use crate::wait::Wait;
use exit_codes::ExitCodes;

/// Inspect the mail and statistics that sinkd stores, and send mail to test servers.
#[derive(Debug, Parser)]
#[command(name = "sinkctl", version = sinkd::version_with_revision(), max_term_width = 100)]
pub struct Cli {
    /// Data folder [env: SINKD_DATA].
    #[arg(long, global = true, value_name = "DIR", default_values_os_t = [default_folder()])]
    pub data: Vec<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, oldest first.
    Ls(Ls),
    /// Print the exact bytes of a message, without the dot-stuffing of SMTP.
    Cat(Cat),
    /// Show the envelope, headers and parts of a message, or only one part selected by a flag.
    Show(Show),
    /// Print the most recent messages and, with -f, new ones as they arrive.
    Tail(Tail),
    /// Print the number of accepted messages, including those that were only counted.
    Count(Count),
    /// List the log's segments with their state, usage and time span.
    Segments(Segments),
    /// Print the totals, rates and percentiles of a time span, and what limited the rate.
    Stats(Stats),
    /// Print, for each client, its concurrent connections, messages per connection and messages per
    /// time window.
    Limits(Limits),
    /// Write an HTML page with plots of a time span; it needs no network and no scripts.
    Report(Report),
    /// Compare two runs, and report which differences exceed the noise.
    Compare(Compare),
    /// Check claims such as 'rate.median >= 5000', 'transaction.p99 <= 20ms' or 'replies.5xx == 0'.
    Assert(Assert),
    /// Check whether each recipient on a list got exactly one message, and the right one.
    Audit(Box<Audit>),
    /// Start or stop a run, a named time span that --run can select.
    #[command(subcommand, disable_help_subcommand = true)]
    Run(RunCommand),
    /// List runs and marks.
    Runs(Runs),
    /// Record a mark: a note with the current time, shown by runs and report.
    Mark(Mark),
    /// Watch rates, percentiles and replies second by second; q quits.
    Top,
    /// Remove messages from listings, counts and searches. Disk space is freed when a whole segment
    /// is dropped.
    Rm(Rm),
    /// Drop the oldest sealed segments, even while sinkd is running.
    Prune(Prune),
    /// Make a running sinkd reload its settings.
    Reload(Reload),
    /// Show the certificates that sinkd made for TLS, and what senders need in order to trust them.
    Cert(Cert),
    /// List the messages that match a query, newest first.
    Search(Search),
    /// Wait until N messages match a query.
    Wait(Wait),
    /// Rebuild the search index, even while sinkd is running.
    Reindex(Reindex),
    /// Measure the capacity of this machine under typical loads. The result is stored in the data
    /// folder; stats compares other runs with it.
    Calibrate(Calibrate),
    /// Load-test an SMTP server with generated mail that can be verified on arrival.
    Blast(Box<Blast>),
    /// Send stored messages to another SMTP server: with the original timing, faster, or at a fixed
    /// rate.
    Replay(Box<Replay>),
    /// Read all data and verify every checksum.
    Verify(Verify),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Print the man page of sinkctl or of one of its commands.
    Man(Man),
}

/// Commands that read no data folder.
const NO_FOLDER: [&str; 3] = ["blast", "completions", "man"];

impl Cli {
    /// Returns the definition of all flags, with a help that lists the commands in groups. Renders
    /// that list, which only a help needs.
    pub fn definition() -> clap::Command {
        groups::grouped(Cli::flags())
    }

    /// Returns the definition of all flags. The help of each command shows `--data` if the flag has
    /// an effect there, and says whether it may be repeated.
    fn flags() -> clap::Command {
        let all = Cli::command();
        let data = all.get_arguments().find(|arg| arg.get_id() == "data").cloned();
        let data = data.expect("--data is defined above");
        all.after_help(exit_codes::EXIT_CODES_OF_ALL).mut_subcommands(|command| {
            let data = data_of(command.get_name(), data.clone());
            let exit_codes = exit_codes::help_of(command.get_name());
            let command = command.mut_subcommands(|it| it.after_help(exit_codes.clone()));
            command.arg(data).after_help(exit_codes)
        })
    }

    /// Parses the arguments of this process, and returns the exit codes of the command with them.
    /// Exits if the arguments are invalid or request help.
    pub fn of_process() -> (Cli, &'static ExitCodes) {
        let args: Vec<OsString> = std::env::args_os().collect();
        Cli::of(args.clone()).unwrap_or_else(|error| {
            match usage_error(&Cli::definition(), &args, &error) {
                Some(line) => {
                    eprintln!("{line}");
                    std::process::exit(error.exit_code())
                }
                None => error.exit(),
            }
        })
    }

    fn of(
        args: impl IntoIterator<Item = OsString> + Clone,
    ) -> Result<(Cli, &'static ExitCodes), clap::Error> {
        let matches = Cli::flags().try_get_matches_from(args.clone());
        let matches = matches.or_else(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Cli::definition().try_get_matches_from(args)
            }
            _ => Err(error),
        })?;
        let name = matches.subcommand_name().expect("a command is required");
        Ok((Cli::from_arg_matches(&matches)?, exit_codes::exit_codes_of(name)))
    }
}

/// Returns the flag `--data` for a command.
fn data_of(command: &str, data: Arg) -> Arg {
    let data = data.hide(NO_FOLDER.contains(&command));
    if SEVERAL_FOLDERS.contains(&command) {
        data.help("Data folder [env: SINKD_DATA]. May be repeated")
    } else {
        data
    }
}

/// Returns the folder that sinkd uses in the same environment, without flags and settings file.
fn default_folder() -> PathBuf {
    let named = sinkd::config::Environment::of_process().data_folder();
    named.unwrap_or_else(|| sinkd::config::Config::default().data)
}

#[cfg(test)]
mod tests;
