//! Atomics that publish name the operation they pair with.
use crate::tree::{File, Finding, Tree};

/// The maximum number of lines between the comment and its operation.
const COMMENT_LINES: usize = 8;
const ORDERINGS: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];

/// A comment `Partner: ...` names something that exists: a file, or a function or field in
/// backticks.
pub fn partners(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(comment) = partner(line) else { continue };
            let names =
                [comment, lines.get(number + 1).and_then(|l| after_slashes(l)).unwrap_or("")];
            let names = names.join(" ");
            if let Some(missing) = nothing_named(&names, file, tree) {
                findings.push(Finding::new(file, number + 1, missing));
            }
        }
    }
    findings
}

fn after_slashes(line: &str) -> Option<&str> {
    line.split_once("//").map(|(_, comment)| comment.trim_start_matches('/').trim())
}

fn partner(line: &str) -> Option<&str> {
    let comment = after_slashes(line)?;
    let at = comment.find("Partner: ").or_else(|| comment.find("Partners: "))?;
    Some(&comment[at..])
}

fn nothing_named(comment: &str, file: &File, tree: &Tree) -> Option<String> {
    let sentence = comment.split(". ").next().unwrap_or(comment);
    let words = sentence.split([' ', ',', ';', '`', '(', ')']).map(|w| w.trim_end_matches('.'));
    let files: Vec<&str> = words.filter(|word| word.ends_with(".rs")).collect();
    let room = file.name.rsplit_once('/').map_or("", |(folder, _)| folder);
    for name in &files {
        let suffix = format!("/{name}");
        let is_there = |other: &File| {
            let path = &other.name;
            path.ends_with(&suffix) && (name.contains('/') || path.starts_with(room))
        };
        if !tree.sources().any(is_there) {
            return Some(format!("names {name} as partner, which is not there: name the function"));
        }
    }
    let names: Vec<&str> = sentence.split('`').skip(1).step_by(2).collect();
    for name in &names {
        let last = name.rsplit([':', '.']).next().unwrap_or(name).trim_end_matches("()");
        let is_there = |other: &File| other.code.split(|c: char| !is_name(c)).any(|w| w == last);
        if !tree.sources().any(is_there) {
            return Some(format!("names `{name}` as partner, which is not there: name what is"));
        }
    }
    let is_nothing = files.is_empty() && names.is_empty();
    is_nothing.then(|| "names no partner: name the function of the other side in backticks".into())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Each operation with an ordering has such a comment above it.
pub fn orderings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.code.lines().enumerate() {
            let mut words = line.split(|c: char| !is_name(c));
            let is_import = line.trim_start().starts_with("use ");
            if is_import || !words.any(|word| ORDERINGS.contains(&word)) {
                continue;
            }
            let above = &lines[number.saturating_sub(COMMENT_LINES)..=number];
            if !above.iter().any(|line| partner(line).is_some()) {
                let message = "say what it pairs with: // Partner: the release store in `name`.";
                findings.push(Finding::new(file, number + 1, message));
            }
        }
    }
    findings
}
