//! The doubts of an audit as one text.
use sinkd::analysis::audit::AuditDoubt;

/// Joins the sentences of all doubts.
pub fn joined(doubts: &[AuditDoubt]) -> String {
    let doubts: Vec<String> = doubts.iter().map(AuditDoubt::to_string).collect();
    doubts.join("; ")
}
