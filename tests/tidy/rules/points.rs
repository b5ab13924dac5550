//! A point in time has a type: a bare number could be a length of time, or count other units.
use crate::tree::{File, Finding, Tree};

/// Last words of names, before the unit, that say that a point in time is meant.
const WORDS: [&str; 26] = [
    "alarm",
    "at",
    "began",
    "begun",
    "checked",
    "deadline",
    "due",
    "end",
    "ended",
    "ends",
    "first",
    "flushed",
    "from",
    "now",
    "opened",
    "peak",
    "requested",
    "retry",
    "since",
    "started",
    "till",
    "to",
    "until",
    "unix",
    "wake",
    "written",
];

/// Files in which such numbers stand in octets that are read or written: the µs from the beginning
/// of a second, as the files of the statistics have them.
const OF_FILES: [&str; 2] = ["src/stats/sessions/batch.rs", "src/stats/sessions/second.rs"];

/// A field, argument or result whose name says that it is a point in time is not an integer. Take
/// the number out of its type where it goes into an atomic or a file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources().filter(|file| !OF_FILES.contains(&&*file.name)) {
        findings.extend(points(file).map(|(line, name)| {
            let message = format!("{name} is a point in time: use a type of the room `time`");
            Finding::new(file, line, message)
        }));
    }
    findings
}

/// Returns the integers that are points in time: their lines and their names.
fn points(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.code.lines().enumerate().flat_map(|(number, line)| {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let names = line.split(move |c| !is_name(c)).filter(|name| says_point(name));
        names.filter_map(move |name| {
            let at = name.as_ptr() as usize - line.as_ptr() as usize;
            let after = &line[at + name.len()..];
            let result = after.strip_prefix('(').and_then(|_| after.split_once("-> "));
            let kind = after.strip_prefix(": ").or(result.map(|(_, kind)| kind))?;
            is_integer(kind).then_some((number + 1, name))
        })
    })
}

fn says_point(name: &str) -> bool {
    let stem = ["_ns", "_us", "_ms"].iter().find_map(|unit| name.strip_suffix(unit));
    let word = stem.and_then(|stem| stem.rsplit('_').next());
    word.is_some_and(|word| WORDS.contains(&word))
}

/// Returns whether `text` begins with a type of integers, or with a reference to one or an option
/// of one.
fn is_integer(text: &str) -> bool {
    let text = ["&", "mut ", "Option<", "Cell<"]
        .iter()
        .fold(text, |text, outer| text.strip_prefix(outer).unwrap_or(text));
    ["u32", "u64", "i64", "u128"].iter().any(|integer| {
        let rest = text.strip_prefix(integer);
        rest.is_some_and(|rest| !rest.starts_with("::") && !rest.starts_with(char::is_alphanumeric))
    })
}
