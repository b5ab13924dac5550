//! What a session wants of its caller, and what the caller may answer.
use super::refusal::Farewell;
use crate::smtp::deviation::Deviations;

/// What the session wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every whole command in the input was consumed; the rest (shorter than a command line may
    /// be) must be offered again with more after it.
    NeedInput,
    /// Replies have grown beyond `REPLIES_BYTES_PAUSE`: send them, then feed the rest.
    Drain,
    /// DATA was accepted and 354 is in the replies: what follows is mail data for `EndOfData`.
    /// End with `accept` or `refuse`, then feed what follows.
    Data,
    /// The next `bytes` octets belong to the payload. When they are here: `chunk_received` if it
    /// was not the last, else `accept` or `refuse`. May be 0 octets. `first`: a payload begins,
    /// whatever chunks came before belong to a transaction that was reset.
    Chunk { bytes: u64, last: bool, first: bool },
    /// The next `bytes` octets are to be read and thrown away, then `chunk_received`
    /// (which returns the reply that was latched). May be 0 octets.
    DiscardChunk { bytes: u64 },
    /// The client has named a moment: take it out of `Workspace::moment`, then `moment_answered`.
    MarkCommand,
    /// The caller has to decide something before the session continues. Nothing of what follows in
    /// the input may be fed before.
    Decide(Question),
    /// The line that ends here was of AUTH. Feed what follows.
    Heard,
    /// The command that ends here was accepted although it breaks these rules. Feed what follows.
    Tolerated(Deviations),
    /// Send the replies, then close. Once the session is over, every `feed` returns this: so it is
    /// seen at the next `feed` when `accept`, `refuse` or `chunk_received` ended the session.
    Close,
}

/// What a session cannot answer by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// XCLIENT has named the client, see `Session::client`: is it served? Answer: `decided`.
    Client,
    /// STARTTLS: may the handshake begin? Answer: `tls_begins` or `tls_is_unavailable`.
    Tls,
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The client is served: it is greeted, and the session starts over.
    Serve,
    /// The client must go: it gets this reply in place of a greeting, and the session is over.
    Refuse(Farewell),
}
