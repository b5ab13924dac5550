//! What a session needs from its caller next.
use super::refusal::Farewell;
use crate::smtp::deviation::Deviations;

/// What the session needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More input. Every complete command was consumed; the rest (shorter than the maximum command
    /// line) must be passed again, followed by more input.
    NeedInput,
    /// The replies exceed `REPLIES_BYTES_PAUSE`: send them, then feed the rest.
    Drain,
    /// Mail data for `EndOfData`: DATA was accepted, and 354 is in the replies. Call `accept` or
    /// `refuse` at the end of data, then feed the rest.
    Data,
    /// The next `bytes` octets (possibly 0) of the payload. After them, call `chunk_received` if
    /// the chunk is not the last, else `accept` or `refuse`.
    Chunk {
        /// The size of the chunk, in octets.
        bytes: u64,
        /// Whether the chunk is the last one.
        last: bool,
        /// Whether the payload begins with this chunk. Earlier chunks, if there were any, belong to
        /// a transaction that was reset.
        first: bool,
    },
    /// The next `bytes` octets (possibly 0) must be read and discarded. Then call `chunk_received`,
    /// which appends the reply to the chunk.
    DiscardChunk {
        /// The number of octets.
        bytes: u64,
    },
    /// The client sent a mark or run command: take it from `Workspace::mark_command`, then call
    /// `mark_answered`.
    MarkCommand,
    /// The caller must decide something before the session continues. No further input may be fed
    /// before that.
    Decide(Question),
    /// The line that ends here belonged to AUTH. Feed the rest.
    AuthLine,
    /// The command that ends here was accepted although it breaks these rules. Feed the rest.
    Tolerated(Deviations),
    /// Send the replies, then close. Once the session is over, every `feed` returns this, including
    /// the first one after `accept`, `refuse` or `chunk_received` ended it.
    Close,
}

/// A question that a session can't answer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// XCLIENT named the client, see `Session::client`: is it served? Answer by `decided`.
    Client,
    /// The client sent STARTTLS: can the handshake begin? Answer by `tls_begins` or
    /// `tls_is_unavailable`.
    Tls,
}

/// The answer to [`Question::Client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The client is served: greet it and start the session over.
    Serve,
    /// The client is not served: send this reply instead of a greeting, and end the session.
    Refuse(Farewell),
}
