//! Errors in a command line as one line, like all other errors.
use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::list::or_list;

/// Returns the line about an error in a command line, such as `sinkctl: --limitt: unknown flag; did
/// you mean --limit?`. `None`: clap prints help or the version instead.
///
/// `definition` is the definition of all flags, and `args` are the arguments with the name of the
/// program.
pub fn usage_error(definition: &Command, args: &[OsString], error: &clap::Error) -> Option<String> {
    let program = definition.get_name();
    let command = command(program, error);
    let sentence = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::UnknownArgument => unknown_argument(error, &command),
        ErrorKind::InvalidSubcommand => unknown_command(error, &command),
        ErrorKind::MissingSubcommand => Some(format!("expected a command; see {command} --help")),
        ErrorKind::MissingRequiredArgument => missing(definition, args, error)
            .map(|sentence| format!("{sentence}; see {command} --help")),
        ErrorKind::ArgumentConflict => conflict(error),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
            wrong_value(error)
        }
        _ => None,
    };
    Some(format!("{program}: {}", sentence.unwrap_or_else(|| own_words(error))))
}

/// Returns the words that lead to the command with the error: `sinkctl run start`. Clap provides
/// them only as part of the usage.
fn command(program: &str, error: &clap::Error) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let is_command = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    let words = usage.split_whitespace().skip_while(|word| *word != program);
    let words: Vec<&str> = words.take_while(is_command).collect();
    if words.is_empty() { program.to_owned() } else { words.join(" ") }
}

fn unknown_argument(error: &clap::Error, command: &str) -> Option<String> {
    let found = text(error, ContextKind::InvalidArg)?;
    let fault = if found.starts_with('-') {
        format!("{}: unknown flag", name(found).escape_debug())
    } else {
        format!("expected no more arguments, found '{}'", found.escape_debug())
    };
    let hints = match (text(error, ContextKind::SuggestedArg), tips(error)) {
        (Some(near), tips) => [vec![format!("did you mean {near}?")], tips].concat(),
        (None, tips) if tips.is_empty() => vec![format!("see {command} --help")],
        (None, tips) => tips,
    };
    Some(format!("{fault}; {}", hints.join("; ")))
}

fn unknown_command(error: &clap::Error, command: &str) -> Option<String> {
    let found = text(error, ContextKind::InvalidSubcommand)?.escape_debug();
    let near = texts(error, ContextKind::SuggestedSubcommand);
    let hint = if near.is_empty() {
        format!("see {command} --help")
    } else {
        format!("did you mean {}?", or_list(&near))
    };
    Some(format!("expected a command, found '{found}'; {hint}"))
}

/// Returns what is missing, and which given flag requires it, if one does.
fn missing(definition: &Command, args: &[OsString], error: &clap::Error) -> Option<String> {
    let missing = texts(error, ContextKind::InvalidArg);
    if missing.is_empty() {
        return None;
    }
    let both = |wanted: &[&str]| -> String {
        let wanted: Vec<String> = wanted.iter().map(|argument| plain(argument)).collect();
        wanted.join(" and ")
    };
    let requirement = (1..args.len()).find_map(|at| requirement(definition, args, at, &missing));
    Some(match requirement {
        Some((flag, wanted)) => format!("{flag} requires {}", both(&wanted)),
        None => format!("expected {}", both(&missing)),
    })
}

/// Returns the flag at `args[at]`, and which of the `missing` arguments it requires: they are not
/// missing if the flag is left out. `None` if it requires none of them, or is not a flag.
///
/// Clap does not say which flag requires an argument, so this parses again without the flag, with
/// and without the value that may follow it.
fn requirement<'m>(
    definition: &Command,
    args: &[OsString],
    at: usize,
    missing: &[&'m str],
) -> Option<(String, Vec<&'m str>)> {
    let flag = args[at].to_str().filter(|argument| argument.starts_with("--"))?;
    [1, 2].into_iter().find_map(|removed| {
        let rest = [&args[..at], args.get(at + removed..)?].concat();
        let error = definition.clone().try_get_matches_from(rest).err();
        let still_missing = match &error {
            Some(error) if error.kind() != ErrorKind::MissingRequiredArgument => return None,
            Some(error) => texts(error, ContextKind::InvalidArg),
            None => Vec::new(),
        };
        let is_met = |argument: &&&str| !still_missing.contains(*argument);
        let wanted: Vec<&str> = missing.iter().filter(is_met).copied().collect();
        (!wanted.is_empty()).then(|| (name(flag), wanted))
    })
}

fn conflict(error: &clap::Error) -> Option<String> {
    let given = text(error, ContextKind::InvalidArg)?;
    let others = texts(error, ContextKind::PriorArg);
    if others == [given] {
        return Some(format!("{} cannot be used more than once", name(given)));
    }
    let others: Vec<String> = others.into_iter().map(name).collect();
    let is_known = !others.is_empty();
    is_known.then(|| format!("{} cannot be used with {}", name(given), or_list(&others)))
}

/// Returns whether at most a third of the letters differ, or only one. Clap also suggests words
/// that are less similar: `listener` for `sender`.
fn is_typo_of(found: &str, known: &str) -> bool {
    let letters = found.chars().count().max(known.chars().count());
    strsim::damerau_levenshtein(found, known) <= (letters / 3).max(1)
}

/// Returns the sentence about a value that was not accepted, in the form of all errors: `--limit:
/// expected a whole number, found 'many'`.
fn wrong_value(error: &clap::Error) -> Option<String> {
    let argument = text(error, ContextKind::InvalidArg)?;
    let value = text(error, ContextKind::InvalidValue)?;
    let name = name(argument);
    if let Some(why) = std::error::Error::source(error).map(ToString::to_string) {
        return Some(if why.contains(", found ") || why.contains(&format!("'{value}'")) {
            format!("{name}: {why}")
        } else {
            format!("{name}: '{}': {why}", value.escape_debug())
        });
    }
    let found =
        if value.is_empty() { "nothing".to_owned() } else { format!("'{}'", value.escape_debug()) };
    let known = texts(error, ContextKind::ValidValue);
    let known: Vec<String> = known.iter().map(|value| format!("'{value}'")).collect();
    let expected = match plain(argument).split_once(' ') {
        _ if error.kind() == ErrorKind::TooManyValues => "no value".to_owned(),
        _ if !known.is_empty() => or_list(&known),
        Some((_, value)) => format!("a value ({value})"),
        None => "a value".to_owned(),
    };
    let hint = text(error, ContextKind::SuggestedValue).filter(|near| is_typo_of(value, near));
    let hint = hint.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
    Some(format!("{name}: expected {expected}, found {found}{hint}"))
}

/// Returns clap's own text in one line, for errors that have no sentence here.
fn own_words(error: &clap::Error) -> String {
    let text = error.to_string();
    let is_sentence = |line: &&str| !line.is_empty() && !line.starts_with("Usage:");
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(is_sentence).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text],
        Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns clap's hints that are complete sentences.
fn tips(error: &clap::Error) -> Vec<String> {
    match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Returns an argument without clap's brackets: `--to TARGET` for `--to <TARGET>`, and `ID, --all
/// or --until TIME` for a group.
fn plain(argument: &str) -> String {
    let bare = argument.trim_end_matches("...").replace(['<', '>', '[', ']'], "");
    or_list(&bare.split('|').collect::<Vec<_>>())
}

/// Returns the name of an argument, without the name of its value.
fn name(argument: &str) -> String {
    let plain = plain(argument);
    plain.split([' ', '=']).next().unwrap_or(&plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, ArgGroup};

    fn program() -> Command {
        let limit = Arg::new("limit").long("limit").value_name("N").conflicts_with("all");
        let limit = limit.value_parser(|text: &str| match text {
            "1" => Ok(1),
            "2,x" => Err("expected a number, found 'x'"),
            _ => Err("no number"),
        });
        let csv = Arg::new("csv").long("csv").action(ArgAction::SetTrue);
        let columns = Arg::new("columns").long("columns").requires("csv");
        let header = Arg::new("header").long("header").action(ArgAction::SetTrue).requires("limit");
        let ls = Command::new("ls")
            .args([limit, csv, columns, header])
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue))
            .arg(Arg::new("by").long("by").value_name("WHAT").value_parser(["size", "time"]));
        let rm = Command::new("rm")
            .arg(Arg::new("id").value_name("ID").num_args(1..))
            .arg(Arg::new("until").long("until").value_name("TIME"))
            .group(ArgGroup::new("what").args(["id", "until"]).required(true));
        let to = Arg::new("to").long("to").value_name("TARGET").required(true);
        let start = Command::new("start").arg(to).arg(Arg::new("name").required(true));
        let run = Command::new("run").subcommand_required(true).subcommand(start);
        Command::new("sinkctl").subcommand_required(true).subcommands([ls, rm, run])
    }

    fn line(words: &str) -> Option<String> {
        let words = std::iter::once("/bin/sinkctl").chain(words.split_whitespace());
        let words: Vec<OsString> = words.map(OsString::from).collect();
        usage_error(&program(), &words, &program().try_get_matches_from(&words).unwrap_err())
    }

    #[test]
    fn an_error_in_a_command_line_is_one_line_with_the_place_the_fault_and_the_next_step() {
        for (words, expected) in [
            ("", "sinkctl: expected a command; see sinkctl --help"),
            ("run", "sinkctl: expected a command; see sinkctl run --help"),
            ("lss", "sinkctl: expected a command, found 'lss'; did you mean ls?"),
            ("zzz", "sinkctl: expected a command, found 'zzz'; see sinkctl --help"),
            ("ls --limitt 3", "sinkctl: --limitt: unknown flag; did you mean --limit?"),
            ("ls --limitt=3", "sinkctl: --limitt: unknown flag; did you mean --limit?"),
            ("ls x", "sinkctl: expected no more arguments, found 'x'; see sinkctl ls --help"),
            ("ls --limit", "sinkctl: --limit: expected a value (N), found nothing"),
            ("ls --limit 2,x", "sinkctl: --limit: expected a number, found 'x'"),
            ("ls --limit 7", "sinkctl: --limit: '7': no number"),
            (
                "ls --by sizes",
                "sinkctl: --by: expected 'size' or 'time', found 'sizes'; did you mean 'size'?",
            ),
            ("ls --by", "sinkctl: --by: expected 'size' or 'time', found nothing"),
            ("ls --all=yes", "sinkctl: --all: expected no value, found 'yes'"),
            ("ls --limit 1 --all", "sinkctl: --limit cannot be used with --all"),
            ("ls --limit 1 --limit 1", "sinkctl: --limit cannot be used more than once"),
            ("rm", "sinkctl: expected ID or --until TIME; see sinkctl rm --help"),
            ("ls --columns id", "sinkctl: --columns requires --csv; see sinkctl ls --help"),
            ("ls --columns=id --all", "sinkctl: --columns requires --csv; see sinkctl ls --help"),
            ("ls --all --columns id", "sinkctl: --columns requires --csv; see sinkctl ls --help"),
            (
                "ls --header --columns id",
                "sinkctl: --header requires --limit N; see sinkctl ls --help",
            ),
            (
                "ls --header --columns id --csv",
                "sinkctl: --header requires --limit N; see sinkctl ls --help",
            ),
            ("run start", "sinkctl: expected --to TARGET and name; see sinkctl run start --help"),
        ] {
            assert_eq!(line(words).as_deref(), Some(expected), "{words}");
        }
        let tip = line("rm --x").unwrap();
        assert_eq!(tip, "sinkctl: --x: unknown flag; to pass '--x' as a value, use '-- --x'");
    }

    #[test]
    fn help_and_version_are_not_errors() {
        assert_eq!(line("--help"), None);
        assert_eq!(line("ls --help"), None);
    }

    #[test]
    fn only_words_with_few_differences_are_typos() {
        for (found, known, expected) in [
            ("lisener", "listener", true),
            ("clinet", "client", true),
            ("sender", "listener", false),
            ("sendmail", "nodemailer", false),
            ("of", "off", true),
        ] {
            assert_eq!(is_typo_of(found, known), expected, "{found}");
        }
    }
}
