//! Code outside tests names what it imports from its parent, so that a reader sees what it depends
//! on.
use crate::code::line_of;
use crate::tree::{Finding, Tree};

const GLOB: &str = "use super::*;";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        // A test module in a file of its own imports its parent, like a test module inside a file;
        // its name says that it has only tests.
        let is_code = !file.name.ends_with("tests.rs") && file.code.trim().is_empty();
        let at_start = |at: &usize| *at == 0 || file.tests[..*at].ends_with('\n');
        let in_tests = file.tests.match_indices(GLOB).map(|(at, _)| at).filter(at_start);
        let in_code = file.code.match_indices(GLOB).map(|(at, _)| at);
        for at in in_code.chain(in_tests.filter(|_| is_code)) {
            let message = "name the imports: what a file depends on is part of what it says";
            findings.push(Finding::new(file, line_of(&file.text, at), message));
        }
    }
    findings
}
