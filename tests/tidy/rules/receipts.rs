//! A 250 requires a proof that the message was committed.
use crate::code::line_of;
use crate::tree::{Finding, Tree};

/// The only file that may construct a `Receipt`, from a value that only the log can create.
const HOME: &str = "src/server/payload/proof.rs";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let implementations = file.code.match_indices("Receipt for ");
        for (number, (at, _)) in implementations.enumerate() {
            if file.name != HOME || number > 0 {
                let message = format!(
                    "a message may be acknowledged on the proof in {HOME} alone: hand that over"
                );
                findings.push(Finding::new(file, line_of(&file.code, at), message));
            }
        }
    }
    findings
}
