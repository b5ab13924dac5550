//! The source of a sender's messages, which also receives their outcomes.
use std::io;
use std::path::PathBuf;

use crate::time::{MonotonicNs, UnixNs};

use crate::smtp::client::OutgoingMail;

pub use crate::smtp::client::{ReplyCode, SessionEnd, Withheld};

/// What messages of the same lane have in common. A source never reuses a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey(pub u64);

/// The connection that a message uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Messages with the same key use one connection, one after another.
    pub key: LaneKey,
    /// Whether the lane, and its connection, ends with this message.
    pub is_last: bool,
}

/// A message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueMessage {
    /// The source's identifier of the message, returned when it is done.
    pub ticket: u64,
    /// When the message leaves, however slow the target is (open loop). `None`: as soon as a
    /// connection has room for it (closed loop). It is earlier than the time of the previous
    /// message only if [`Source::is_sooner`] returned true; within a lane
    /// it never decreases.
    pub due_ns: Option<MonotonicNs>,
    /// `None` for any connection.
    pub lane: Option<Lane>,
}

/// What a source returns when it is asked for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// The mail was filled.
    Mail(DueMessage),
    /// There is no message until another one is done, which may have to be sent again.
    Wait,
    /// There are no more messages.
    End,
}

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// How the session ended the message.
    pub end: SessionEnd,
    /// The code that decided about each recipient, in the order of the commands: of the reply to
    /// its RCPT (or to MAIL or DATA) if that was refused, otherwise of the reply to the end of
    /// data; `None` if no such reply came.
    pub codes: &'a [Option<ReplyCode>],
    /// When the outcome became known.
    pub at_ns: MonotonicNs,
}

impl Outcome<'_> {
    /// Returns the number of recipients for whom the message was accepted.
    pub fn accepted(&self) -> usize {
        self.codes.iter().flatten().filter(|code| code.is_positive()).count()
    }

    /// Returns whether the message was accepted for all recipients.
    pub fn is_accepted(&self) -> bool {
        self.end == SessionEnd::Answered && self.accepted() == self.codes.len()
    }
}

/// Why a source can't continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The target answered none of many messages.
    #[error("the target has not answered for {messages} messages in a row")]
    Unanswered {
        /// The number of consecutive messages without an answer.
        messages: u32,
    },
    /// Outcomes can't be recorded, so it would be unknown later which messages were sent.
    #[error(transparent)]
    Unrecorded(#[from] OutcomeFileError),
}

/// The file in which a source records outcomes can't be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be read or written", path.display())]
pub struct OutcomeFileError {
    /// The path of the file.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// A source returns messages in the order in which they leave, except messages that become due
/// earlier than ones it has already returned ([`Source::is_sooner`]). Each sending thread has one.
pub trait Source: Send {
    /// Fills the empty `mail` with the next message. Called early, so that at least one message is
    /// waiting until it is due. Must be fast.
    ///
    /// Errors: the source can't continue; messages in progress are finished.
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError>;

    /// Returns whether `next` would return a message due before `than_ns`, when a waiting message
    /// is due. If so, `next` is called, and that message leaves first. Called often, so it must
    /// cost almost nothing.
    fn is_sooner(&self, _than_ns: MonotonicNs) -> bool {
        false
    }

    /// Fills the empty `mail` again with a message of `next` that the target turned away. Returns
    /// whether it can be sent again.
    fn refill(&mut self, _ticket: u64, _mail: &mut OutgoingMail) -> bool {
        false
    }

    /// Notifies the source that a message is about to be sent. Called before any of it is written;
    /// the length must not change.
    fn begin(&mut self, _unix_ns: UnixNs, _mail: &mut OutgoingMail) {}

    /// Takes the next message that was due before `ended_ns` and never returned by `next`, after
    /// all threads have ended. Returns when it was due.
    fn overdue(&mut self, _ended_ns: MonotonicNs) -> Option<MonotonicNs> {
        None
    }

    /// Returns the number of messages requested by the user, of all sources of a run together;
    /// `None` if only time limits it.
    fn requested(&self) -> Option<u64> {
        None
    }

    /// Reports that a message of `next` is done, or that sending ended before it began
    /// ([`SessionEnd::NotSent`]). Called once per message.
    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>);
}
