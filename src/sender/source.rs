//! The source of a sender's messages, which also receives their outcomes.
use crate::smtp::client::OutgoingMail;

pub use crate::smtp::client::{SessionEnd, Withheld};

/// Which connection a message goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Messages with the same key go one after the other over one connection.
    pub key: u64,
    /// None of it follows: the connection ends with this message.
    pub is_last: bool,
}

/// What goes with a message that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueMessage {
    /// The source's own name for it, given back when it is done.
    pub ticket: u64,
    /// When it leaves, ns since the start of sending, however slow the target is (open loop);
    /// `None`: as soon as a connection has room for it (closed loop). Falls from one order to the
    /// next only where [`Source::is_sooner`] returned true; within a lane it never does.
    pub due_ns: Option<u64>,
    /// `None`: any connection.
    pub lane: Option<Lane>,
}

/// What a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The mail was filled.
    Mail(DueMessage),
    /// There is no message until another one is done: that one may have to be sent again.
    Wait,
    /// There are no more messages.
    End,
}

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    #[allow(missing_docs)]
    pub end: SessionEnd,
    /// The reply code for each recipient, in the order of the commands: from its RCPT (or from MAIL
    /// or DATA) where that was refused, else from the end of data; 0: no reply came.
    pub codes: &'a [u16],
    /// When the outcome was known, ns since the start of sending.
    pub at_ns: u64,
}

impl Outcome<'_> {
    /// Recipients for whom it was accepted.
    pub fn accepted(&self) -> usize {
        self.codes.iter().filter(|code| (200..300).contains(*code)).count()
    }

    /// Returns whether it was accepted for all of them.
    pub fn is_accepted(&self) -> bool {
        self.end == SessionEnd::Answered && self.accepted() == self.codes.len()
    }
}

/// Why a source can't continue.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Returns messages in the order in which they leave, except messages that become due before ones
/// it has already returned ([`Source::is_sooner`]). One for each thread that sends.
pub trait Source: Send {
    /// Fills `mail`, which is clear, with the next message. Called ahead of its time: at least one
    /// message waits for its moment. Must not take long.
    ///
    /// Errors: the source can't continue; messages under way are finished.
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Next, Error>;

    /// Returns whether `next` would return a message that is due before `than_ns`, when a waiting
    /// message is due. Then it is asked, and that message leaves first. Asked often, so it must
    /// cost next to nothing.
    fn is_sooner(&self, _than_ns: u64) -> bool {
        false
    }

    /// Fills `mail`, which is clear, once more with a message of `next` that is not done, because
    /// the target turned it away. Returns whether it can be sent again.
    fn refill(&mut self, _ticket: u64, _mail: &mut OutgoingMail) -> bool {
        false
    }

    /// Sending of a message that `next` or `refill` filled begins at this moment. Called before any
    /// of it is written; its length stays.
    fn begin(&mut self, _unix_ns: u64, _mail: &mut OutgoingMail) {}

    /// After all threads have ended: takes the next message that was due before `ended_ns` and that
    /// `next` never gave; returns when it was due, ns since the start of sending.
    fn overdue(&mut self, _ended_ns: u64) -> Option<u64> {
        None
    }

    /// How many messages were asked for, of all sources of a run together; `None`: as many as there
    /// is time for.
    fn asked(&self) -> Option<u64> {
        None
    }

    /// A message of `next` is done, or sending ended before it was begun
    /// ([`SessionEnd::NotSent`]): told once for each.
    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>);
}
