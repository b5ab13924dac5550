//! The server session: command bytes in, replies and steps out.
use super::{envelope::Envelope, limits::Policy};
use std::net::SocketAddr;
use std::sync::Arc;

/// What a worker lends to whichever session it is running: the reply buffer, spare envelope
/// buffers and the budget for envelopes. One for each worker.
#[derive(Debug)]
pub struct Desk {
    /// Replies to be sent, in order; the caller drains it.
    pub replies: Vec<u8>,
    // spare envelope buffers, bytes of envelopes in use, budget
}
impl Desk {
    /// `envelope_bytes_budget`: capacity of all envelopes of this worker's open transactions.
    pub fn new(_envelope_bytes_budget: usize) -> Desk {
        unimplemented!()
    }
}

/// What the session wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every whole command in the input was consumed; the rest (shorter than a command line may
    /// be) must be offered again with more behind it.
    NeedInput,
    /// Replies have grown beyond `REPLIES_BYTES_PAUSE`: send them, then feed the rest.
    Drain,
    /// DATA was accepted and 354 is in the replies: what follows is mail data for `EndOfData`.
    /// End with `accept` or `refuse`.
    Data,
    /// The next `bytes` octets belong to the payload. When they are here: `chunk_received` if it
    /// was not the last, else `accept` or `refuse`. May be 0 octets.
    Chunk { bytes: u64, last: bool, first: bool },
    /// The next `bytes` octets are to be read and thrown away, then `chunk_received`
    /// (which gives the reply that was latched).
    DiscardChunk { bytes: u64 },
    /// Send the replies, then close.
    Close,
}

/// Replies in `Desk::replies` beyond which `feed` pauses.
pub const REPLIES_BYTES_PAUSE: usize = 16 * 1024;

/// Proof that a message is committed, by which it is named in the reply.
pub trait Receipt {
    /// Appends the message's name, for example `17:3`.
    fn write_name(&self, out: &mut Vec<u8>);
}

/// Why mail data that arrived whole is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 552 5.3.4
    TooLarge,
    /// 452 4.3.1: no room in the log now.
    NoStorage,
    /// 451 4.3.0: storage failed under this message.
    StorageFailed,
    /// 421 4.3.2: stopping; the session closes.
    Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// 421 4.4.2 nothing came for too long
    Timeout,
    /// 421 4.3.2 shutting down
    Stopping,
    /// 421 4.7.0 too many connections (in all / from this address), given instead of a greeting
    TooManyConnections,
    TooManyFromAddress,
    /// 421 4.3.1 this worker's buffers are full and this transfer stalled the longest
    OutOfBuffers,
}

#[derive(Debug)]
pub struct Session {
    _client: SocketAddr,
    _policy: Arc<Policy>,
}

impl Session {
    pub fn new(_client: SocketAddr, _policy: Arc<Policy>) -> Session {
        unimplemented!()
    }
    /// Appends the 220 greeting.
    pub fn greet(&mut self, _desk: &mut Desk) {
        unimplemented!()
    }
    /// Consumes commands; returns how many octets were consumed and what is wanted next.
    /// Never looks beyond the octet at which a step other than `NeedInput` ends.
    pub fn feed(&mut self, _input: &[u8], _desk: &mut Desk) -> (usize, Step) {
        unimplemented!()
    }
    /// The envelope of the transaction whose payload is wanted; empty outside one.
    pub fn envelope(&self) -> &Envelope {
        unimplemented!()
    }
    /// A chunk that was not the last, or a discarded one, is here in full.
    pub fn chunk_received(&mut self, _desk: &mut Desk) {
        unimplemented!()
    }
    /// The payload is whole and committed: 250 naming it. Ends the transaction.
    pub fn accept<R: Receipt>(&mut self, _receipt: &R, _desk: &mut Desk) {
        unimplemented!()
    }
    /// The payload is whole (or, for a chunk, read and thrown away) and not kept. Ends the transaction.
    pub fn refuse(&mut self, _refusal: Refusal, _desk: &mut Desk) {
        unimplemented!()
    }
    /// Appends a 421 because of `why`; the caller sends and closes.
    pub fn farewell(&mut self, _why: Farewell, _desk: &mut Desk) {
        unimplemented!()
    }
    /// Gives the transaction's buffer back; must be called before a session is dropped.
    pub fn abandon(&mut self, _desk: &mut Desk) {
        unimplemented!()
    }
    /// Accepted messages so far.
    pub fn messages(&self) -> u32 {
        unimplemented!()
    }
    /// True from the accepted MAIL until its final reply or reset (for the graceful stop).
    pub fn in_transaction(&self) -> bool {
        unimplemented!()
    }
}
