//! The library knows no flag and no command.
use crate::code::{line_of, strings};
use crate::tree::{File, Finding, Tree};

/// Paths below src that may name flags and commands: the programs, their settings, and the wording
/// of errors in command lines; and a stylesheet, whose variables look like flags. Mail for tests has
/// boundaries that look like flags.
const PLACES: [&str; 5] =
    ["bin/", "config/", "wording/usage_error.rs", "plot/style.rs", "index/query/testkit.rs"];

/// A text of the library states a fact, and the program that prints it adds the flag or the command
/// that helps.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_library = |name: &str| !PLACES.iter().any(|place| name.starts_with(place));
    for file in tree.sources().filter(|file| is_library(file.name.trim_start_matches("src/"))) {
        for (at, text) in strings(&file.text) {
            if let Some(word) = named(text).filter(|_| !is_test(file, at)) {
                let message = format!("{word}: state the fact; the program names what helps");
                findings.push(Finding::new(file, line_of(&file.text, at), message));
            }
        }
    }
    findings
}

/// Returns the first flag or command of sinkctl in a text.
fn named(text: &str) -> Option<String> {
    let is_in_word = |at: usize| text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
    let flags = text.match_indices("--").filter(|(at, _)| !is_in_word(*at));
    flags.chain(text.match_indices("sinkctl ")).find_map(|(at, start)| {
        let rest = &text[at + start.len()..];
        let word = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next()?;
        word.starts_with(|c: char| c != '-').then(|| format!("{start}{word}"))
    })
}

/// Returns whether the string at `at` belongs to tests: the code before it does. Strings themselves
/// are masked in both texts.
fn is_test(file: &File, at: usize) -> bool {
    let last = |code: &str| code.get(..at).map_or(0, |before| before.trim_end().len());
    file.code.is_empty() || last(&file.tests) > last(&file.code)
}
