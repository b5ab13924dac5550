//! Rejects wording that native speakers would not write, in comments, strings and documents, and
//! names a replacement. Only clear cases: rules with exceptions are left to human readers.
use crate::tree::{File, Finding, Tree};

const INSTEAD: &[(&str, &str)] = &[
    ("so many", "'N' or 'the number of'"),
    ("so long", "'the duration of'"),
    ("likewise", "a sentence that stands alone"),
    ("see above", "a sentence that stands alone"),
    ("as above", "a sentence that stands alone"),
    ("whoever", "the actor: the client, the caller, the reader"),
    ("somebody", "the actor"),
    ("nobody", "the actor"),
    ("everybody", "the actor"),
    ("behind", "'after'"),
    ("sort of", "'kind of'"),
    ("sorts of", "'kinds of'"),
    ("forbids to", "'forbids ...ing'"),
    ("allows to", "'lets X do Y'"),
    ("out again", "'rebuild' or 'recompute'"),
    ("any more", "'no longer'"),
    ("in vain", "'failed' or 'unsuccessfully'"),
    ("to be had", "'available'"),
    ("at hand", "'available'"),
    ("for good", "'permanently'"),
    ("gone on with", "'continued'"),
    ("goes on with", "'continues with'"),
    ("go on with", "'continue with'"),
    ("gives how", "'returns the number of'"),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_read(file)) {
        for (number, line) in prose(file).lines().enumerate() {
            for (word, instead) in INSTEAD {
                if has_word(line, word) {
                    let message = format!("'{word}': write {instead}");
                    findings.push(Finding::new(file, number + 1, message));
                }
            }
        }
    }
    findings
}

/// Documents, and all Rust code except the table above.
fn is_read(file: &File) -> bool {
    file.name.ends_with(".md")
        || file.name.ends_with(".rs") && !file.name.starts_with("tests/tidy/rules/prose")
}

/// Returns the prose of a file in lower case: comments and strings of code, or a document without
/// its code.
fn prose(file: &File) -> String {
    let mut text = file.text.to_ascii_lowercase().into_bytes();
    for (at, octet) in text.iter_mut().enumerate() {
        let is_code =
            |code: &str| code.as_bytes().get(at).is_some_and(|o| !o.is_ascii_whitespace());
        if is_code(&file.code) || is_code(&file.tests) {
            *octet = b' ';
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(without_code).collect::<Vec<_>>().join("\n")
}

/// Returns the text without anything in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// Good English that contains a word of the table.
const FINE: &[&str] = &["left behind", "is behind", "are behind", "falls behind", "fall behind"];
/// Good English that begins with a word of the table.
const FINE_BEFORE: &[&str] = &[
    "behind a load",
    "behind-a-load",
    "behind a proxy",
    "behind at most",
    "behind haproxy",
    "behind sinkd's",
];

fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_fine = |end: usize| FINE.iter().any(|fine| line[..end].ends_with(fine));
    let is_fine_before = |at: usize| FINE_BEFORE.iter().any(|fine| line[at..].starts_with(fine));
    let is_wrong = |at: usize| !is_fine(at + word.len()) && !is_fine_before(at);
    let mut found = line.match_indices(word).filter(|(at, _)| is_wrong(*at));
    found.any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
    })
}
