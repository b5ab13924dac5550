//! The words of a query on the command line: `-has:attachment` is a term, `-y` a flag.
//!
//! If a positional argument may have several values that begin with a hyphen, clap takes everything
//! up to the end of the line, including flags. Therefore each word is a positional argument of its
//! own, because clap looks for a known flag before each argument.
use clap::builder::{StringValueParser, TypedValueParser, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use sinkd::wording::nearest;

/// Maximum number of words in a query; a quoted query is one word.
const WORDS_MAX: usize = 100;

/// A query, in the words of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryWords(Vec<String>);

impl QueryWords {
    /// Returns the query as one text.
    pub fn text(&self) -> String {
        self.0.join(" ")
    }
}

/// Returns the name of the argument for a word. Other flags may conflict with the first one,
/// `query`.
fn name(word: usize) -> String {
    if word == 0 { "query".to_owned() } else { format!("query{word}") }
}

impl Args for QueryWords {
    fn augment_args(command: Command) -> Command {
        let help = "Words, \"phrases\" and terms: from: to: cc: subject: body: \
                    header:NAME=VALUE message-id: has:attachment has:deviation filename: \
                    size:>1M before: after: run: listener: auth: tls: deviation:, combined with -, \
                    OR and parentheses [default: all messages]";
        (0..WORDS_MAX).fold(command, |command, word| {
            let arg = Arg::new(name(word)).index(word + 1).allow_hyphen_values(true);
            let arg = arg.value_parser(ValueParser::from(QueryWordParser));
            command.arg(match word {
                0 => arg.value_name("QUERY...").help(help),
                _ => arg.hide(true),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        QueryWords::augment_args(command)
    }
}

impl FromArgMatches for QueryWords {
    fn from_arg_matches(matches: &ArgMatches) -> Result<QueryWords, clap::Error> {
        let words = (0..WORDS_MAX).map_while(|word| matches.get_one::<String>(&name(word)));
        Ok(QueryWords(words.cloned().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = QueryWords::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Refuses a misspelled flag, which as a term would match almost all mail.
#[derive(Clone)]
struct QueryWordParser;

impl TypedValueParser for QueryWordParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        let word = StringValueParser::new().parse_ref(command, arg, value)?;
        let flags = || command.get_arguments().filter_map(Arg::get_long);
        let meant = match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => nearest(long.split('=').next().unwrap_or(long), flags()),
            (None, Some(name)) => match flags().find(|flag| *flag == name) {
                Some(flag) => Some(flag),
                None => return Ok(word),
            },
            (None, None) => return Ok(word),
        };
        let mut error = clap::Error::new(ErrorKind::UnknownArgument).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String(word.clone()));
        if let Some(flag) = meant {
            let flag = ContextValue::String(format!("--{flag}"));
            error.insert(ContextKind::SuggestedArg, flag);
        }
        let usage = command.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use clap::parser::ValueSource;
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::{self, Cli};

    fn search(line: &str) -> Result<crate::search::Search, String> {
        let line = format!("sinkctl search {line}");
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(cli::Command::Search(search)) => Ok(search),
            Ok(_) => panic!("{line}: expected a search"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn what_begins_with_a_hyphen_is_a_term_unless_it_is_a_flag() {
        for (line, query, is_json) in [
            ("from:x -has:attachment --json", "from:x -has:attachment", true),
            ("--json -has:attachment from:x", "-has:attachment from:x", true),
            ("-has:attachment", "-has:attachment", false),
            ("--limit 3 -filename:bill -grusse", "-filename:bill -grusse", false),
            ("a -help:x --json b", "a -help:x b", true),
            ("-- --json", "", false),
        ] {
            match search(line) {
                Ok(found) => {
                    assert_eq!(
                        (found.query.text().as_str(), found.rows.json),
                        (query, is_json),
                        "{line}"
                    )
                }
                Err(error) => assert!(line.starts_with("-- "), "{line}: {error}"),
            }
        }
    }

    #[test]
    fn a_mistyped_flag_is_not_a_term() {
        for (line, says) in [
            ("from:x --jsn", "--json"),
            ("--limt=3 x", "--limit"),
            ("-json x", "--json"),
            ("x -count", "--count"),
            ("x --nothing-like-it", "unexpected argument"),
        ] {
            let error = search(line).map(|found| found.query).unwrap_err();
            assert!(error.contains("unexpected argument") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_query_has_up_to_100_words() {
        let words = |n: usize| vec!["x"; n].join(" ");
        for n in [0, 1, WORDS_MAX - 1, WORDS_MAX] {
            let line = format!("--json {}", words(n));
            let found = search(line.trim_end()).unwrap();
            assert_eq!(found.query.text(), words(n));
        }
        assert!(search(&words(WORDS_MAX + 1)).is_err());
    }

    /// Collects each command with the words that lead to it.
    fn commands(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
        let path = [path, &[command.get_name().to_owned()]].concat();
        found.push((path.clone(), command.clone()));
        command.get_subcommands().for_each(|sub| commands(sub, &path, found));
    }

    #[test]
    fn every_short_flag_of_every_command_is_a_flag_before_and_after_words() {
        let mut all = Cli::command();
        all.build();
        let mut found = Vec::new();
        commands(&all, &[], &mut found);
        let mut checked = Vec::new();
        for (path, command) in &found {
            for arg in command.get_arguments() {
                let Some(short) = arg.get_short() else { continue };
                let value = arg.get_action().takes_values().then(|| "1".to_owned());
                let flag: Vec<String> = [format!("-{short}")].into_iter().chain(value).collect();
                let word = command.get_positionals().next().map(|word| {
                    let values = word.get_possible_values();
                    values.first().map_or("1:1".to_owned(), |value| value.get_name().to_owned())
                });
                let word = word.as_deref();
                for (before, behind) in [(None, None), (None, word), (word, None)] {
                    let word = |word: Option<&str>| word.map(str::to_owned).into_iter();
                    let line = path.iter().cloned().chain(word(before));
                    let line: Vec<_> = line.chain(flag.clone()).chain(word(behind)).collect();
                    check(&line, arg);
                }
                checked.push(format!("{} -{short}", path.join(" ")));
            }
        }
        // The flags that this test is about, and others that show that the walk reaches all
        // commands.
        for flag in ["replay -y", "tail -f", "tail -n", "search -h", "report -o", "run start -h"] {
            assert!(checked.contains(&format!("sinkctl {flag}")), "{flag}: {checked:?}");
        }
    }

    /// Required arguments may be missing: only the flag matters here.
    fn check(line: &[String], flag: &Arg) {
        if matches!(flag.get_action(), clap::ArgAction::Help | clap::ArgAction::Version) {
            let error = Cli::command().try_get_matches_from(line).unwrap_err();
            let is_answer =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            assert!(is_answer, "{line:?}: {error}");
            return;
        }
        let matches = Cli::command().ignore_errors(true).try_get_matches_from(line).unwrap();
        let mut matches = &matches;
        while let Some((_, sub)) = matches.subcommand() {
            matches = sub;
        }
        let source = matches.value_source(flag.get_id().as_str());
        assert_eq!(source, Some(ValueSource::CommandLine), "{line:?}");
    }
}
