//! The doubts of an audit as text.
use sinkd::analysis::audit::AuditDoubt;

/// Returns the sentence about a doubt, with the command that shows more.
pub fn sentence(doubt: &AuditDoubt) -> String {
    match doubt {
        AuditDoubt::FaultySegments(_) => format!("{doubt} (see sinkctl verify)"),
        _ => doubt.to_string(),
    }
}

/// Joins the sentences of all doubts.
pub fn joined(doubts: &[AuditDoubt]) -> String {
    let doubts: Vec<String> = doubts.iter().map(sentence).collect();
    doubts.join("; ")
}
