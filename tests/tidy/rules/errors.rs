//! Errors do not repeat their causes.
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
