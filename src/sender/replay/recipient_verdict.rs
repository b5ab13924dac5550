//! What the outcome of a message means for its recipients.
use crate::sender::source::{Outcome, SessionEnd};

/// How many recipients have a permanent answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnsweredRecipients {
    pub accepted: u32,
    pub rejected: u32,
}

/// What is known about the recipients without a permanent answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestOfRecipients {
    /// Nothing was sent to any recipient.
    NotSent,
    /// The message was sent, and the connection ended before the reply for some recipients: they
    /// may have it.
    Unknown,
    /// They got transient replies, or there are none.
    Deferred,
}

/// What an outcome means for the recipients.
pub(super) struct RecipientVerdict {
    pub answered: AnsweredRecipients,
    /// The positions of recipients without a permanent answer.
    pub remaining: Vec<u32>,
    pub rest: RestOfRecipients,
}

impl RecipientVerdict {
    /// Derives the verdict from an outcome. `sent_to` has the positions of its recipients in the
    /// stored envelope; `None` for all recipients, in order.
    pub fn of(outcome: &Outcome<'_>, sent_to: Option<&[u32]>) -> RecipientVerdict {
        let rest = rest(outcome);
        let mut verdict = RecipientVerdict {
            answered: AnsweredRecipients::default(),
            remaining: Vec::new(),
            rest,
        };
        for (at, code) in outcome.codes.iter().enumerate() {
            let position = sent_to.map_or(at as u32, |sent_to| sent_to[at]);
            match code {
                _ if rest == RestOfRecipients::NotSent => verdict.remaining.push(position),
                Some(code) if code.is_positive() => verdict.answered.accepted += 1,
                Some(code) if code.is_permanent() => verdict.answered.rejected += 1,
                _ => verdict.remaining.push(position),
            }
        }
        verdict
    }
}

fn rest(outcome: &Outcome<'_>) -> RestOfRecipients {
    match outcome.end {
        SessionEnd::NotSent => RestOfRecipients::NotSent,
        SessionEnd::Unknown if outcome.codes.iter().any(Option::is_none) => {
            RestOfRecipients::Unknown
        }
        _ => RestOfRecipients::Deferred,
    }
}
