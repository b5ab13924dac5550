//! What the outcome of a message means for its recipients.
use crate::sender::source::{Outcome, SessionEnd};

/// What an outcome means for the recipients.
pub(super) struct RecipientVerdict {
    pub accepted: u32,
    pub rejected: u32,
    /// The positions of recipients that may be tried again.
    pub remaining: Vec<u32>,
    pub is_unknown: bool,
    pub is_not_sent: bool,
}

impl RecipientVerdict {
    /// Derives the verdict from an outcome. `sent_to` has the positions of its recipients in the
    /// stored envelope; `None` for all recipients, in order.
    pub fn of(outcome: &Outcome<'_>, sent_to: Option<&[u32]>) -> RecipientVerdict {
        let mut verdict = RecipientVerdict {
            accepted: 0,
            rejected: 0,
            remaining: Vec::new(),
            is_unknown: false,
            is_not_sent: outcome.end == SessionEnd::NotSent,
        };
        for (at, code) in outcome.codes.iter().enumerate() {
            let position = sent_to.map_or(at as u32, |sent_to| sent_to[at]);
            match code {
                _ if verdict.is_not_sent => verdict.remaining.push(position),
                Some(code) if code.is_positive() => verdict.accepted += 1,
                Some(code) if code.is_permanent() => verdict.rejected += 1,
                _ => {
                    verdict.is_unknown |= outcome.end == SessionEnd::Unknown && code.is_none();
                    verdict.remaining.push(position);
                }
            }
        }
        verdict
    }
}
