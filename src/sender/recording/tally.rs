//! Outcomes of everything that was sent, for reports: counts, and an example of each failure.
use std::collections::BTreeMap;
use std::fmt;

use super::failure::ConnectionFailure;
use crate::sender::source::{Outcome, SessionEnd, Withheld};
use crate::smtp::client::{Phase, ReplyCode};
use crate::tls;
use crate::wording::printable_line;

/// Maximum number of distinct failures; a target may invent any number of them.
const KINDS_MAX: usize = 200;
/// Maximum length of an example, in octets.
const EXAMPLE_BYTES_MAX: usize = 200;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// A command or payload got a reply with this code, 4xx or 5xx.
    Reply(Phase, ReplyCode),
    /// A connection could not be opened, or ended before it was useful.
    Connection,
    /// A connection ended before the session was complete.
    Session,
    /// A handshake failed, or a record was invalid.
    Tls(tls::Failure),
    /// A message that must not be sent to this target.
    Withheld(Withheld),
}

/// Formats a kind for people: `RCPT 550`, `end of data 451`, `TLS peer_unknown_ca`,
/// `connection`.
impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (phase, code) = match self {
            FailureKind::Reply(phase, code) => (phase, code),
            FailureKind::Connection => return f.write_str("connection"),
            FailureKind::Session => return f.write_str("session"),
            FailureKind::Tls(failure) => return write!(f, "TLS {failure}"),
            FailureKind::Withheld(Withheld::AmbiguousDot) => return f.write_str("ambiguous dot"),
            FailureKind::Withheld(Withheld::Binary) => return f.write_str("binary content"),
            FailureKind::Withheld(_) => return f.write_str("UTF-8 address"),
        };
        write!(f, "{phase} {code}")
    }
}

/// A failure, how often it happened, and its first occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCount {
    /// How often it happened.
    pub count: u64,
    /// The first occurrence.
    pub example: FailureExample,
}

/// What a failure was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureExample {
    /// The target's text: its first 200 octets, as a line that can be printed.
    Reply(String),
    /// Why a connection failed.
    Connection(ConnectionFailure),
    /// Why a message must not be sent.
    Withheld(Withheld),
}

impl FailureExample {
    /// Shortens the text of a reply, and replaces what could change how other text is shown.
    pub(crate) fn of_reply(text: &[u8]) -> FailureExample {
        let text = String::from_utf8_lossy(&text[..text.len().min(EXAMPLE_BYTES_MAX)]);
        FailureExample::Reply(printable_line(&text))
    }
}

impl fmt::Display for FailureExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureExample::Reply(text) => f.write_str(text),
            FailureExample::Connection(failure) => failure.fmt(f),
            FailureExample::Withheld(why) => why.fmt(f),
        }
    }
}

/// Totals of a run or of one thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendingTally {
    /// Messages begun.
    pub started: u64,
    /// Accepted for every recipient.
    pub accepted: u64,
    /// Accepted for some recipients only.
    pub partly_accepted: u64,
    /// Accepted for no recipient, and at least one reply was a 4xx.
    pub deferred: u64,
    /// Accepted for no recipient, and all replies were 5xx.
    pub rejected: u64,
    /// Not accepted, because the connection was lost first.
    pub not_sent: u64,
    /// Sent completely, but no reply came, so they may have been accepted.
    pub unknown: u64,
    /// Not sent, because they must not be sent to this target.
    pub withheld: u64,
    /// Requested, or due before sending ended, but never begun.
    pub not_started: u64,
    /// Sent again on another connection, because the target ended theirs with 421 before their end
    /// of data, after it had accepted an earlier message.
    pub resent: u64,
    /// Sent by DATA although a careless server could mistake a part of them for the end of data.
    pub ambiguous: u64,
    /// Connections on which the target sent an unsolicited reply.
    pub unsolicited: u64,
    /// Recipients of accepted messages.
    pub recipients: u64,
    /// Recipients for whom a message was not accepted.
    pub refused_recipients: u64,
    /// Octets (RFC 1870) of accepted messages.
    pub bytes: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections of lanes beyond their first.
    pub extra: Extra,
    /// Failures, by what failed.
    pub failures: BTreeMap<FailureKind, FailureCount>,
}

/// Why lanes needed more than one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extra {
    /// A message was due while the connection of its lane was busy.
    pub busy: u64,
    /// The connection of the lane had ended before its last message.
    pub ended: u64,
    /// The connection of the lane had been closed to stay within the maximum.
    pub crowded: u64,
}

impl Extra {
    /// Returns the sum.
    pub fn sum(&self) -> u64 {
        self.busy + self.ended + self.crowded
    }

    fn merge(&mut self, other: &Extra) {
        self.busy += other.busy;
        self.ended += other.ended;
        self.crowded += other.crowded;
    }
}

impl SendingTally {
    /// Counts a message that is done.
    pub fn done(&mut self, outcome: &Outcome<'_>, octets: u64) {
        let (accepted, all) = (outcome.accepted(), outcome.codes.len());
        let count = match outcome.end {
            SessionEnd::NotSent => &mut self.not_sent,
            SessionEnd::Unknown => &mut self.unknown,
            SessionEnd::Withheld(_) => &mut self.withheld,
            SessionEnd::Answered if accepted == all => &mut self.accepted,
            SessionEnd::Answered if accepted > 0 => &mut self.partly_accepted,
            SessionEnd::Answered
                if outcome.codes.iter().flatten().any(|code| code.is_transient()) =>
            {
                &mut self.deferred
            }
            SessionEnd::Answered => &mut self.rejected,
        };
        *count += 1;
        self.recipients += accepted as u64;
        if outcome.end == SessionEnd::Answered {
            self.refused_recipients += (all - accepted) as u64;
        }
        if accepted > 0 {
            self.bytes += octets;
        }
    }

    /// Counts a failure. Costs a lookup, and calls `example` for the first of a kind.
    pub fn fail(&mut self, what: FailureKind, example: impl FnOnce() -> FailureExample) {
        if let Some(known) = self.failures.get_mut(&what) {
            known.count += 1;
        } else if self.failures.len() < KINDS_MAX {
            self.failures.insert(what, FailureCount { count: 1, example: example() });
        }
    }

    /// Returns the number of messages that are done.
    pub fn finished(&self) -> u64 {
        let not_accepted = self.deferred + self.rejected + self.not_sent + self.unknown;
        self.accepted_for_any() + not_accepted + self.withheld
    }

    /// Returns the number of messages that the target answered in any way.
    pub fn answered(&self) -> u64 {
        self.accepted_for_any() + self.deferred + self.rejected
    }

    /// Returns the number of messages that were accepted for at least one recipient.
    pub fn accepted_for_any(&self) -> u64 {
        self.accepted + self.partly_accepted
    }

    /// Adds the totals of another thread.
    pub fn merge(&mut self, other: &SendingTally) {
        self.started += other.started;
        self.accepted += other.accepted;
        self.partly_accepted += other.partly_accepted;
        self.deferred += other.deferred;
        self.rejected += other.rejected;
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.withheld += other.withheld;
        self.not_started += other.not_started;
        self.resent += other.resent;
        self.ambiguous += other.ambiguous;
        self.unsolicited += other.unsolicited;
        self.extra.merge(&other.extra);
        self.recipients += other.recipients;
        self.refused_recipients += other.refused_recipients;
        self.bytes += other.bytes;
        self.connections += other.connections;
        for (what, failure) in &other.failures {
            match self.failures.get_mut(what) {
                Some(known) => known.count += failure.count,
                None => drop(self.failures.insert(*what, failure.clone())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_reply_is_shortened_and_cannot_rewrite_a_terminal() {
        let shown = |text: &[u8]| FailureExample::of_reply(text).to_string();
        assert_eq!(shown("5.1.1 gr\u{fc}n: unknown".as_bytes()), "5.1.1 gr\u{fc}n: unknown");
        assert_eq!(shown(b"a\x1b[2J\tb"), "a\u{fffd}[2J b");
        assert_eq!(shown("\u{202e}moc.elpmaxe".as_bytes()), "\u{fffd}moc.elpmaxe");
        assert_eq!(shown(&[b'x'; 201]), "x".repeat(200));
    }
}
