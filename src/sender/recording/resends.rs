//! Decides which messages that a target turned away are sent on another connection.
use std::collections::HashMap;

use crate::sender::source::{DueMessage, SessionEnd};
use crate::smtp::client::OutgoingMail;

/// Messages that were turned away and are not done. Each is sent on another connection; after a 421
/// to the message itself, only once.
#[derive(Debug, Default)]
pub struct Resends {
    is_ended: bool,
    /// By ticket: whether 421 was the reply to the message itself, and not to an earlier one.
    answered: HashMap<u64, bool>,
    /// Messages to send on another connection, in the order in which they were turned away.
    waiting: Vec<(DueMessage, Box<OutgoingMail>)>,
}

impl Resends {
    /// Ends sending, so nothing is sent again.
    pub fn end(&mut self) {
        self.is_ended = true;
    }

    /// Returns whether a message that was turned away may be sent on another connection.
    pub fn allows(&self, ticket: u64) -> bool {
        !self.is_ended && !self.answered.get(&ticket).copied().unwrap_or_default()
    }

    /// Adds a message to be sent on another connection. `end` would have been its outcome.
    pub fn add(&mut self, due: DueMessage, mail: Box<OutgoingMail>, end: SessionEnd) {
        self.answered.insert(due.ticket, end == SessionEnd::Answered);
        self.waiting.push((due, mail));
    }

    /// Takes the messages to send on another connection, in the order in which they were turned
    /// away.
    pub fn take(&mut self) -> std::vec::Drain<'_, (DueMessage, Box<OutgoingMail>)> {
        self.waiting.drain(..)
    }

    /// Returns whether the message was already begun on a connection that turned it away.
    #[inline]
    pub fn has(&self, ticket: u64) -> bool {
        !self.answered.is_empty() && self.answered.contains_key(&ticket)
    }

    /// Removes a message that is done.
    #[inline]
    pub fn remove(&mut self, ticket: u64) {
        if !self.answered.is_empty() {
            self.answered.remove(&ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_answered_with_421_is_resent_once_on_another_connection() {
        // The end of each connection, and whether the message is sent again each time.
        for (ends, expected) in [
            (&[SessionEnd::Answered, SessionEnd::Answered][..], &[true, false][..]),
            (
                &[
                    SessionEnd::NotSent,
                    SessionEnd::NotSent,
                    SessionEnd::Answered,
                    SessionEnd::NotSent,
                ],
                &[true, true, true, false],
            ),
        ] {
            let mut resends = Resends::default();
            let due = DueMessage { ticket: 7, due_ns: None, lane: None };
            for (end, expected) in ends.iter().zip(expected) {
                assert_eq!(resends.allows(7), *expected, "{ends:?}");
                resends.add(due, Box::default(), *end);
                assert_eq!(resends.take().count(), 1);
                assert!(resends.has(7) && resends.allows(8) && !resends.has(8));
            }
            resends.remove(7);
            assert!(resends.allows(7) && !resends.has(7));
            resends.end();
            assert!(!resends.allows(7));
        }
    }
}
