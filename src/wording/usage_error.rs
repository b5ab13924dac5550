//! Errors in a command line as one line, like all other errors.
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Returns the line about an error in the command line of `program`, such as `sinkctl ls: --limitt:
/// unknown flag; did you mean --limit?`. `None`: the command line asks for help or the version.
pub fn usage_error(program: &str, error: &clap::Error) -> Option<String> {
    let command = command(program, error);
    let line = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::UnknownArgument => unknown_argument(error, &command),
        ErrorKind::InvalidSubcommand => unknown_command(error, &command),
        ErrorKind::MissingSubcommand => {
            Some(format!("{command}: expected a command; see {command} --help"))
        }
        ErrorKind::MissingRequiredArgument => missing(error, &command),
        ErrorKind::ArgumentConflict => conflict(error, &command),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
            wrong_value(error).map(|sentence| format!("{program}: {sentence}"))
        }
        _ => None,
    };
    Some(line.unwrap_or_else(|| format!("{command}: {}", own_words(error))))
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
    let fault = match found.starts_with('-') {
        true => format!("{}: unknown flag", name(found).escape_debug()),
        false => format!("expected no more arguments, found '{}'", found.escape_debug()),
    };
    let hints = match (text(error, ContextKind::SuggestedArg), tips(error)) {
        (Some(near), tips) => [vec![format!("did you mean {near}?")], tips].concat(),
        (None, tips) if tips.is_empty() => vec![format!("see {command} --help")],
        (None, tips) => tips,
    };
    Some(format!("{command}: {fault}; {}", hints.join("; ")))
}

fn unknown_command(error: &clap::Error, command: &str) -> Option<String> {
    let found = text(error, ContextKind::InvalidSubcommand)?.escape_debug();
    let near = texts(error, ContextKind::SuggestedSubcommand);
    let hint = match near.is_empty() {
        true => format!("see {command} --help"),
        false => format!("did you mean {}?", listed(&near)),
    };
    Some(format!("{command}: expected a command, found '{found}'; {hint}"))
}

fn missing(error: &clap::Error, command: &str) -> Option<String> {
    let missing = texts(error, ContextKind::InvalidArg);
    let wanted: Vec<String> = missing.iter().map(|argument| plain(argument)).collect();
    let is_known = !wanted.is_empty();
    is_known.then(|| format!("{command}: expected {}; see {command} --help", wanted.join(" and ")))
}

fn conflict(error: &clap::Error, command: &str) -> Option<String> {
    let given = text(error, ContextKind::InvalidArg)?;
    let others = texts(error, ContextKind::PriorArg);
    if others == [given] {
        return Some(format!("{command}: {} cannot be used more than once", name(given)));
    }
    let others: Vec<String> = others.into_iter().map(name).collect();
    let is_known = !others.is_empty();
    is_known.then(|| format!("{command}: {} cannot be used with {}", name(given), listed(&others)))
}

/// Returns whether at most a third of the letters differ, or a single one. Clap also suggests words
/// that are less similar: `listener` for `sender`.
fn is_typo_of(found: &str, known: &str) -> bool {
    let letters = found.chars().count().max(known.chars().count());
    strsim::damerau_levenshtein(found, known) <= (letters / 3).max(1)
}

/// Returns the sentence about a value that its parser did not accept: `--limit: expected a whole
/// number, found 'many'`, as sinkd writes it.
fn wrong_value(error: &clap::Error) -> Option<String> {
    let argument = text(error, ContextKind::InvalidArg)?;
    let value = text(error, ContextKind::InvalidValue)?;
    let name = name(argument);
    if let Some(why) = std::error::Error::source(error).map(ToString::to_string) {
        return Some(match why.contains(", found ") || why.contains(&format!("'{value}'")) {
            true => format!("{name}: {why}"),
            false => format!("{name}: '{}': {why}", value.escape_debug()),
        });
    }
    let found = match value.is_empty() {
        true => "nothing".to_owned(),
        false => format!("'{}'", value.escape_debug()),
    };
    let known = texts(error, ContextKind::ValidValue);
    let known: Vec<String> = known.iter().map(|value| format!("'{value}'")).collect();
    let expected = match plain(argument).split_once(' ') {
        _ if error.kind() == ErrorKind::TooManyValues => "no value".to_owned(),
        _ if !known.is_empty() => listed(&known),
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
    listed(&bare.split('|').collect::<Vec<_>>())
}

/// Returns the name of an argument, without the name of its value.
fn name(argument: &str) -> String {
    let plain = plain(argument);
    plain.split([' ', '=']).next().unwrap_or(&plain).to_owned()
}

/// Returns a list as `a`, `a or b`, or `a, b or c`.
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        one => one.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, ArgGroup, Command};

    fn program() -> Command {
        let limit = Arg::new("limit").long("limit").value_name("N").conflicts_with("all");
        let limit = limit.value_parser(|text: &str| match text {
            "1" => Ok(1),
            "2,x" => Err("expected a number, found 'x'"),
            _ => Err("no number"),
        });
        let ls = Command::new("ls")
            .arg(limit)
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
        usage_error("sinkctl", &program().try_get_matches_from(words).unwrap_err())
    }

    #[test]
    fn an_error_in_a_command_line_is_one_line_with_the_place_the_fault_and_the_next_step() {
        for (words, expected) in [
            ("", "sinkctl: expected a command; see sinkctl --help"),
            ("run", "sinkctl run: expected a command; see sinkctl run --help"),
            ("lss", "sinkctl: expected a command, found 'lss'; did you mean ls?"),
            ("zzz", "sinkctl: expected a command, found 'zzz'; see sinkctl --help"),
            ("ls --limitt 3", "sinkctl ls: --limitt: unknown flag; did you mean --limit?"),
            ("ls --limitt=3", "sinkctl ls: --limitt: unknown flag; did you mean --limit?"),
            ("ls x", "sinkctl ls: expected no more arguments, found 'x'; see sinkctl ls --help"),
            ("ls --limit", "sinkctl: --limit: expected a value (N), found nothing"),
            ("ls --limit 2,x", "sinkctl: --limit: expected a number, found 'x'"),
            ("ls --limit 7", "sinkctl: --limit: '7': no number"),
            (
                "ls --by sizes",
                "sinkctl: --by: expected 'size' or 'time', found 'sizes'; did you mean 'size'?",
            ),
            ("ls --by", "sinkctl: --by: expected 'size' or 'time', found nothing"),
            ("ls --all=yes", "sinkctl: --all: expected no value, found 'yes'"),
            ("ls --limit 1 --all", "sinkctl ls: --limit cannot be used with --all"),
            ("ls --limit 1 --limit 1", "sinkctl ls: --limit cannot be used more than once"),
            ("rm", "sinkctl rm: expected ID or --until TIME; see sinkctl rm --help"),
            (
                "run start",
                "sinkctl run start: expected --to TARGET and name; see sinkctl run start --help",
            ),
        ] {
            assert_eq!(line(words).as_deref(), Some(expected), "{words}");
        }
        let tip = line("rm --x").unwrap();
        assert_eq!(tip, "sinkctl rm: --x: unknown flag; to pass '--x' as a value, use '-- --x'");
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
