//! The command line of sinkd: one flag per row of the table of settings, and flags that are not
//! settings.
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::UnknownArgumentValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};
use sinkd::config::guess::{self, GUESSES, Guess};
use sinkd::config::{Config, Setting, all_settings};
use sinkd::wording::usage_error;

use crate::generated::Generated;

/// Parses `args`. Exits with a message if they are invalid, or request the help or the version.
pub fn matches(args: impl IntoIterator<Item = OsString>) -> ArgMatches {
    let args: Vec<OsString> = args.into_iter().collect();
    command().try_get_matches_from(&args).map_err(ours).unwrap_or_else(|error| {
        match usage_error(&command(), &args, &error) {
            Some(line) => {
                eprintln!("{line}");
                std::process::exit(error.exit_code())
            }
            None => error.exit(),
        }
    })
}

/// The first sentence is the description in the NAME section of the man page.
const ABOUT: &str = "\
An SMTP server to load-test mass mailers against. It accepts mail fast, stores every byte and \
delivers nothing; sinkctl reads what it stored";

const EXIT_CODES: &str = "Exit codes:
  0  stopped on request, or the check passed
  1  with --is-ready: sinkd does not accept mail
  2  sinkd could not start, or a setting is wrong";

/// Returns the help text about environment variables and exit codes.
fn variables() -> String {
    let repeatable = all_settings().filter(|key| key.is_repeatable());
    let repeatable: Vec<_> = repeatable.map(Setting::variable).collect();
    format!(
        "Every setting can also be an environment variable: SINKD_STORE_RULE for --store-rule, \
         SINKD_CONFIG for --config. These variables accept several values, separated by commas: \
         {}. An empty variable counts as unset. Flags override variables, and variables override \
         the file.\n\n{EXIT_CODES}",
        repeatable.join(", ")
    )
}

/// Returns the whole command line, including flags of other programs.
fn command() -> Command {
    shown().args(GUESSES.iter().flat_map(|guess| wrong_flags(guess, &Config::default())))
}

/// Returns sinkd's own flags: one per row of the table of settings, and flags that are not
/// settings.
pub fn shown() -> Command {
    let mut command = Command::new("sinkd")
        .version(sinkd::version_with_revision())
        .about(ABOUT)
        .max_term_width(100)
        .after_help(variables())
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("TOML file with settings; environment variables and flags override it"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Check the configuration and exit"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the effective configuration as commented TOML and exit"),
        )
        .arg(
            Arg::new("is-ready")
                .long("is-ready")
                .action(ArgAction::SetTrue)
                .help("Ask the sinkd at the configured HTTP address whether it accepts mail"),
        )
        .arg(
            Arg::new("generate")
                .long("generate")
                .value_name("WHAT")
                .value_parser(clap::value_parser!(Generated))
                .hide_possible_values(true)
                .help(
                    "Print the man page ('man') or a completion script ('bash', 'elvish', 'fish', \
                     'powershell' or 'zsh') and exit",
                ),
        );
    let defaults = Config::default();
    for key in all_settings() {
        let default = (key.show)(&defaults).replace(['"', '[', ']'], "");
        let action = if key.is_repeatable() { ArgAction::Append } else { ArgAction::Set };
        let arg = Arg::new(key.name)
            .long(key.flag())
            .value_name(key.value)
            .action(action)
            .help_heading(heading(key.table))
            .help(with_default(key.help, &default));
        command = command.arg(match key.alone {
            Some(value) => arg.num_args(0..=1).default_missing_value(value),
            None => arg,
        });
    }
    command
}

/// Returns the help of a setting with its default, unless that is empty. Removes the final period,
/// as clap does in the help of sinkctl.
fn with_default(help: &str, default: &str) -> String {
    let help = help.trim_end_matches('.');
    match default {
        "" => help.to_owned(),
        default => format!("{help} [default: {default}]"),
    }
}

/// Returns hidden flags of other programs that answer with the name of ours: one with the long
/// name, and one with the short name if there is one, so that the error shows the flag as it was
/// typed.
fn wrong_flags(guess: &Guess, defaults: &Config) -> impl Iterator<Item = Arg> + use<> {
    let tip = match guess::key(guess.setting) {
        Some(key) => {
            let default = (key.show)(defaults).replace(['"', '[', ']'], "");
            format!(
                "the equivalent in sinkd is '--{} {}' [default: {default}]",
                key.flag(),
                key.value
            )
        }
        None => format!("the equivalent in sinkd is '--{} FILE'", guess.setting),
    };
    let wrong = move |name: String| {
        Arg::new(name)
            .hide(true)
            .value_name("VALUE")
            .num_args(0..=1)
            .default_missing_value("")
            .value_parser(UnknownArgumentValueParser::suggest(tip.clone()))
    };
    let long = wrong(format!("--{}", guess.name)).long(guess.name.replace('_', "-"));
    let short = guess.short.map(|short| wrong(format!("-{short}")).short(short));
    [long].into_iter().chain(short)
}

fn heading(table: &str) -> String {
    if ["http", "tls"].contains(&table) {
        return table.to_ascii_uppercase();
    }
    let mut heading = table.to_string();
    heading[..1].make_ascii_uppercase();
    heading
}

/// Suggests our flag if clap suggests one that only other programs have.
fn ours(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(suggested)) = error.get(ContextKind::SuggestedArg) else {
        return error;
    };
    let name = suggested.trim_start_matches('-').replace('-', "_");
    if let Some(guess) = GUESSES.iter().find(|guess| guess.name == name) {
        let ours = format!("--{}", guess.setting.replace('_', "-"));
        error.insert(ContextKind::SuggestedArg, ContextValue::String(ours));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_help_text_ends_in_a_period() {
        for arg in shown().get_arguments() {
            let help = arg.get_help().map(|help| help.to_string()).unwrap_or_default();
            let text = help.split(" [default: ").next().unwrap();
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {help}", arg.get_id());
        }
    }
}
