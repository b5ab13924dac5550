//! The state of a session, and what comes before its next command line.
use super::line::LongLine;
use super::owed_replies::OwedReplies;
use super::transaction::OpenTransaction;
use crate::smtp::reply::Reply;
use crate::smtp::sasl::Exchange;

/// The state of a session.
#[derive(Debug)]
pub enum SessionState {
    /// The greeting was sent; waits for EHLO or HELO.
    Greeted,
    /// No transaction is open.
    Ready,
    /// AUTH is in progress; waits for the client's response.
    Authenticating(Box<Exchange>),
    /// MAIL was accepted.
    Open(OpenTransaction),
    /// The session is over; no more input is read.
    Closed,
}

/// What comes before the next command line.
#[derive(Debug)]
pub enum BeforeCommand {
    Nothing,
    /// The rest of a line that is too long is skipped.
    SkipLine(LongLine),
    /// The caller discards a chunk; then this reply is appended N times.
    DiscardChunk(&'static Reply, u32),
    /// Replies to the end of data are appended as the caller sends earlier ones.
    AppendReplies(Box<OwedReplies>),
}
