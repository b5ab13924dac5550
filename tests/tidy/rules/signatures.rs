//! Signatures are readable at the call, and public items are documented.
use crate::code::functions;
use crate::tree::{Finding, Tree};

const PARAMETERS_MAX: usize = 5;

pub fn parameters(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for function in functions(&file.code) {
            if function.parameters.len() > PARAMETERS_MAX {
                let message = format!(
                    "{} has {} parameters: make those that belong together a struct",
                    function.name,
                    function.parameters.len()
                );
                findings.push(Finding::new(file, function.line, message));
            }
        }
    }
    findings
}

pub fn bools(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for function in functions(&file.code) {
            let is_bool = |p: &&String| p.rsplit(':').next().is_some_and(|t| t.trim() == "bool");
            if let Some(parameter) = function.parameters.iter().find(is_bool) {
                let message = format!(
                    "{} takes '{parameter}': an enum with two names says it at the call",
                    function.name
                );
                findings.push(Finding::new(file, function.line, message));
            }
        }
    }
    findings
}

/// `allow(missing_docs)`: the items that it excuses should be documented.
pub fn undocumented(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for (number, line) in file.code.lines().enumerate() {
            if line.contains("allow(missing_docs") {
                let message = "document the items, and take the allow(missing_docs) away";
                findings.push(Finding::new(file, number + 1, message));
            }
        }
    }
    findings
}
