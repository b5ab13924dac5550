//! Lines, files and functions are short, and each file begins with a description.
use crate::code::functions as functions_of;
use crate::tree::{Finding, Tree};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// In the table of settings, each help text is on one line.
const LONG_LINES: &str = "src/config/table/";

pub fn lines(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources().filter(|file| !file.name.starts_with(LONG_LINES)) {
        for (number, line) in file.text.lines().enumerate() {
            let length = line.chars().count();
            if length > LINE_CHARS_MAX {
                let message = format!("{length} characters: break the line at {LINE_CHARS_MAX}");
                findings.push(Finding::new(file, number + 1, message));
            }
        }
    }
    findings
}

/// Tests are not counted.
pub fn files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        // Comments count; lines of tests don't.
        let is_test = |(_, tests): &(&str, &str)| !tests.trim().is_empty();
        let lines = file.text.lines().zip(file.tests.lines());
        let length = file.text.lines().count() - lines.filter(is_test).count();
        if length > FILE_LINES_MAX && !file.code.trim().is_empty() {
            let message = format!("{length} lines: move a noun into a file of its own");
            findings.push(Finding::new(file, 1, message));
        }
    }
    findings
}

pub fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let text: Vec<&str> = file.text.lines().collect();
        for function in functions_of(&file.code) {
            let head = &text[function.line - 1..text.len().min(function.line + 4)];
            let is_excused = head.iter().any(|line| line.contains("Long on purpose:"));
            if function.lines > FUNCTION_LINES_MAX && !is_excused {
                let message = format!(
                    "{} has {} lines: keep the branches here, move straight-line work out",
                    function.name, function.lines
                );
                findings.push(Finding::new(file, function.line, message));
            }
        }
    }
    findings
}

pub fn first_line(tree: &Tree) -> Vec<Finding> {
    let is_bare = |file: &&crate::tree::File| !file.text.starts_with("//! ");
    let message = "begin the file with a //! line that says what it is";
    tree.rust().filter(is_bare).map(|file| Finding::new(file, 1, message)).collect()
}
