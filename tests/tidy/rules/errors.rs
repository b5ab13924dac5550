//! Errors are types, and do not repeat their causes.
use crate::code::line_of;
use crate::tree::{Finding, Tree};

/// A chain of errors is printed cause by cause. An error that passes its cause on (in a field
/// called `source`, or one with `#[from]` or `#[source]`) must not print it as well, or the chain
/// would repeat it.
pub fn causes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for (at, _) in file.text.match_indices("#[error(") {
            if repeats_its_cause(&file.text[at..]) {
                let message = "says its cause, which the chain says too: leave it out of the text";
                findings.push(Finding::new(file, line_of(&file.text, at), message));
            }
        }
    }
    findings
}

/// `rest` is the text from the attribute of a variant on.
fn repeats_its_cause(rest: &str) -> bool {
    let sentence_ends = rest.find(")]\n").map_or(rest.len(), |end| end + 3);
    let (sentence, variant) = rest.split_at(sentence_ends);
    let variant = &variant[..variant.find("#[error(").unwrap_or(variant.len())];
    let variant = &variant[..variant.find("\n}").unwrap_or(variant.len())];
    let is_passed_on = variant.contains("#[from]") || variant.contains("#[source]");
    let says_first = ["{0}", "{0:"].iter().any(|word| sentence.contains(word));
    sentence.contains("{source") || (is_passed_on && says_first)
}

/// An error that is text, or of any type, can only be printed: no caller can act on it. Test kits
/// may have such errors, because a test only shows them.
pub fn types(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let message = "an enum, with a variant for each thing that a caller might do differently";
    for file in tree.sources().filter(|file| !file.name.contains("/testkit/")) {
        let results = file.code.match_indices("Result<").filter(|(at, word)| {
            error_type(&file.code[at + word.len()..]).is_some_and(|name| name == "String")
        });
        let boxes = ["Box<dyn Error", "Box<dyn std::error::Error"];
        let boxes = boxes.iter().flat_map(|word| file.code.match_indices(word));
        let lines = results.chain(boxes).map(|(at, _)| line_of(&file.code, at));
        findings.extend(lines.map(|line| Finding::new(file, line, message)));
    }
    findings
}

/// Returns the second argument of a type whose arguments begin at `arguments`.
fn error_type(arguments: &str) -> Option<&str> {
    let (mut depth, mut second, mut before) = (0, None, ' ');
    for (at, c) in arguments.char_indices() {
        match c {
            ',' if depth == 0 => second = second.or(Some(at + 1)),
            '>' if before == '-' => {}
            '>' if depth == 0 => return Some(arguments[second?..at].trim().trim_matches(',')),
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}
