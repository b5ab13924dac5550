//! Outcomes of everything that was sent, for reports: counts, and an example of each failure.
use std::collections::BTreeMap;
use std::fmt;

use super::source::{Outcome, SessionEnd, Withheld};
use crate::smtp::client::Phase;
use crate::tls;

/// Limit of distinct kinds of failures; further kinds that a target invents are not listed.
const SORTS_MAX: usize = 200;
/// Octets of an example that are kept.
const EXAMPLE_BYTES_MAX: usize = 200;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// A command or payload got a reply with this code, of 400 or more.
    Reply(Phase, u16),
    /// A connection could not be made, or the target never spoke with us.
    Connection,
    /// A connection ended before the session was complete.
    Session,
    /// A handshake failed, or a record was bad; why.
    Tls(tls::Failure),
    /// A message that must not be sent to this target.
    Withheld(Withheld),
}

/// Formats a kind as a person knows it: `RCPT 550`, `end of data 451`, `TLS peer_unknown_ca`,
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

/// A failure, how often it happened, and the text of its first occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    #[allow(missing_docs)]
    pub count: u64,
    /// As the target said it, or the error as the system calls it; made harmless to print.
    pub example: String,
}

/// Sums of a run, or of one thread of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendingTally {
    /// Messages begun.
    pub begun: u64,
    /// Accepted for every recipient.
    pub accepted: u64,
    /// Accepted for some recipients only.
    pub partly_accepted: u64,
    /// Accepted for none, and at least one reply was 4xx.
    pub deferred: u64,
    /// Accepted for none, all with 5xx.
    pub rejected: u64,
    /// Not accepted, because the connection was lost before.
    pub not_sent: u64,
    /// Sent whole, and the reply never came: they may have been accepted.
    pub unknown: u64,
    /// Not sent, because they must not be sent to this target.
    pub withheld: u64,
    /// Asked for, or due before sending ended, and never begun.
    pub not_begun: u64,
    /// Sent again over another connection, because the target ended theirs with 421 before it
    /// accepted anything of them.
    pub resent: u64,
    /// Sent by DATA although a careless server could see the end of data within them.
    pub ambiguous: u64,
    /// Connections on which the target sent a reply that nothing had asked for.
    pub unasked: u64,
    /// Recipients of accepted messages.
    pub recipients: u64,
    /// Recipients for whom a message was not accepted.
    pub refused_recipients: u64,
    /// Octets (RFC 1870) of accepted messages.
    pub bytes: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that lanes needed beyond one each.
    pub extra: Extra,
    /// Failures, by what failed.
    pub failures: BTreeMap<FailureKind, Failure>,
}

/// Why lanes needed more than one connection each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extra {
    /// A message was due while the connection of its lane was busy.
    pub busy: u64,
    /// The connection of the lane had ended before its last message.
    pub ended: u64,
    /// The connection of the lane had been closed because no more connections were allowed.
    pub crowded: u64,
}

impl Extra {
    /// All of them.
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
    /// A message is done.
    pub fn done(&mut self, outcome: &Outcome<'_>, octets: u64) {
        let (accepted, all) = (outcome.accepted(), outcome.codes.len());
        let place = match outcome.end {
            SessionEnd::NotSent => &mut self.not_sent,
            SessionEnd::Unknown => &mut self.unknown,
            SessionEnd::Withheld(_) => &mut self.withheld,
            SessionEnd::Answered if accepted == all => &mut self.accepted,
            SessionEnd::Answered if accepted > 0 => &mut self.partly_accepted,
            SessionEnd::Answered if outcome.codes.iter().any(|code| code / 100 == 4) => {
                &mut self.deferred
            }
            SessionEnd::Answered => &mut self.rejected,
        };
        *place += 1;
        self.recipients += accepted as u64;
        if outcome.end == SessionEnd::Answered {
            self.refused_recipients += (all - accepted) as u64;
        }
        if accepted > 0 {
            self.bytes += octets;
        }
    }

    /// Something failed. Costs a look-up; the first of a sort, a copy of the example.
    pub fn fail(&mut self, what: FailureKind, example: &[u8]) {
        if let Some(known) = self.failures.get_mut(&what) {
            known.count += 1;
        } else if self.failures.len() < SORTS_MAX {
            let example = &example[..example.len().min(EXAMPLE_BYTES_MAX)];
            let example: String = String::from_utf8_lossy(example)
                .chars()
                .map(|c| if c.is_control() { '?' } else { c })
                .collect();
            self.failures.insert(what, Failure { count: 1, example });
        }
    }

    /// Messages that are done.
    pub fn ended(&self) -> u64 {
        let not_accepted = self.deferred + self.rejected + self.not_sent + self.unknown;
        self.accepted_for_any() + not_accepted + self.withheld
    }

    /// Messages that the target answered, whatever it said.
    pub fn answered(&self) -> u64 {
        self.accepted_for_any() + self.deferred + self.rejected
    }

    /// Messages that were accepted, for some recipient at least.
    pub fn accepted_for_any(&self) -> u64 {
        self.accepted + self.partly_accepted
    }

    /// Adds what another thread did.
    pub fn merge(&mut self, other: &SendingTally) {
        self.begun += other.begun;
        self.accepted += other.accepted;
        self.partly_accepted += other.partly_accepted;
        self.deferred += other.deferred;
        self.rejected += other.rejected;
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.withheld += other.withheld;
        self.not_begun += other.not_begun;
        self.resent += other.resent;
        self.ambiguous += other.ambiguous;
        self.unasked += other.unasked;
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
