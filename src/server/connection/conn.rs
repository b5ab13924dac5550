//! One connection: its socket, its session, and what it holds at the moment.
use std::net::IpAddr;

use crate::log::MessageId;
use crate::smtp::envelope::Client;
use crate::smtp::session::Session;
use crate::stats::SessionKey;

use super::conn_tls::ConnTls;
use super::replied::Replied;
use super::waits::Waits;
use crate::server::listening::{SocketInterest, Stream};
use crate::server::payload::{Buffer, Transfer};
use crate::server::time_spent::Spending;
use crate::server::transcripts::Transcript;

/// What the next octets from the client are, with the payload in progress.
#[derive(Debug)]
pub enum Flow {
    /// A PROXY header, before the greeting.
    Preamble,
    /// Command lines; between two chunks of a message, with what has arrived of it.
    Commands { chunks: Option<Box<Transfer>> },
    /// Mail data after 354, or a BDAT chunk.
    Payload(Box<Transfer>),
    /// The payload is whole and waits: for room in the log, for a flush, or for its own segment to
    /// be renamed into place. Nothing is read.
    Waiting(Box<Transfer>),
    /// What follows XCLIENT: it is read when the client that was named is served.
    Undecided,
    /// STARTTLS was allowed: its reply leaves, then the handshake begins.
    Securing,
    /// A handshake of TLS.
    Handshake,
    /// The rest of a BDAT chunk that the session has refused.
    Discard { left: u64 },
    /// The last replies are on their way; then the connection closes.
    Closing,
    /// Our side is shut; what still comes is thrown away, so that no reset overtakes our reply.
    /// Since when, ms of the worker's clock.
    Lingering { since_ms: u64 },
}

impl Flow {
    /// Between messages.
    pub const COMMANDS: Flow = Flow::Commands { chunks: None };
}

/// Replies the client has not taken yet.
#[derive(Debug, Default)]
pub struct Unsent {
    pub bytes: Vec<u8>,
    pub sent: usize,
    /// Messages acknowledged in `bytes`, each with where its reply ends.
    pub acknowledged: Vec<(usize, MessageId)>,
    /// When the transactions began whose final replies are among `bytes`, us of the worker's
    /// clock. They end when all of it has left.
    pub began_us: Vec<u64>,
}

/// Size matters: idle connections are counted by the ten thousand, so state that only a transfer
/// needs is behind a pointer.
#[derive(Debug)]
pub struct Conn {
    pub socket: Stream,
    pub session: Session,
    /// Where its session was last found among those of an interval of statistics.
    pub recorded_at: u32,
    /// Distinguishes this connection from earlier ones in the same place of the table.
    pub serial: u32,
    /// Who submits mail: who connected, or whom PROXY or XCLIENT names.
    pub client: Client,
    /// It counts as a session: its client is known, and it is not a proxy's health check.
    pub is_session: bool,
    /// It counts among the connections of its client's address.
    pub is_counted: bool,
    /// Names the session in slots: start of sinkd, worker, count.
    pub session_id: u64,
    pub flow: Flow,
    /// Input that could not be consumed yet: part of a line, or what follows a payload that waits
    /// for the log.
    pub held: Option<Buffer>,
    pub unsent: Option<Box<Unsent>>,
    /// `None`: it is not under TLS, and does not begin to be.
    pub tls: Option<Box<ConnTls>>,
    /// A message not all of whose replies have been given (LMTP has one per recipient).
    pub owing: Option<MessageId>,
    /// `None`: transcripts are off.
    pub transcript: Option<Box<Transcript>>,
    /// When octets last came, ms of the worker's clock.
    pub heard_ms: u64,
    /// When the transaction began, us of the worker's clock; 0 outside one.
    pub began_us: u64,
    /// When the connection began, us of the worker's clock.
    pub opened_us: u64,
    /// When it was last sent something, for the time the client thinks.
    pub replied: Replied,
    /// What its time goes to.
    pub spending: Spending,
    /// Wire octets of the last payload: what the next is expected to have.
    pub last_payload_bytes: u32,
    /// Read until nothing is left, however short the reads: the peer has shut its side or sent
    /// urgent data, or it may pass descriptors along.
    pub reads_until_empty: bool,
    /// What has to happen before its next turn.
    pub waits: Waits,
    /// What it is registered for.
    pub wanted: SocketInterest,
}

impl Conn {
    pub fn new(
        socket: Stream,
        session: Session,
        serial: u32,
        client: Client,
        session_id: u64,
    ) -> Conn {
        let reads_until_empty = socket.short_reads_leave_more();
        Conn {
            socket,
            session,
            recorded_at: 0,
            serial,
            client,
            is_session: true,
            is_counted: false,
            session_id,
            flow: Flow::COMMANDS,
            held: None,
            unsent: None,
            tls: None,
            owing: None,
            transcript: None,
            heard_ms: 0,
            began_us: 0,
            opened_us: 0,
            replied: Replied::default(),
            spending: Spending::default(),
            last_payload_bytes: 0,
            reads_until_empty,
            waits: Waits::Octets,
            wanted: SocketInterest::Reads,
        }
    }

    /// Returns the key of its session in the statistics.
    #[inline]
    pub fn key(&self) -> SessionKey {
        SessionKey { id: self.session_id, client: self.client.ip() }
    }

    /// The payload in progress, if there is one.
    pub fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match &mut self.flow {
            Flow::Commands { chunks } => chunks.as_deref_mut(),
            Flow::Payload(transfer) | Flow::Waiting(transfer) => Some(transfer),
            Flow::Preamble
            | Flow::Undecided
            | Flow::Securing
            | Flow::Handshake
            | Flow::Discard { .. }
            | Flow::Closing
            | Flow::Lingering { .. } => None,
        }
    }

    /// Takes the payload in progress away; commands come next.
    #[inline]
    pub fn take_transfer(&mut self) -> Option<Box<Transfer>> {
        match std::mem::replace(&mut self.flow, Flow::COMMANDS) {
            Flow::Commands { chunks } => chunks,
            Flow::Payload(transfer) | Flow::Waiting(transfer) => Some(transfer),
            other => {
                self.flow = other;
                None
            }
        }
    }

    /// All octets of the mail data, or of the chunk, have arrived.
    pub fn payload_is_here(&mut self) {
        match std::mem::replace(&mut self.flow, Flow::COMMANDS) {
            Flow::Payload(transfer) if transfer.framing.is_last() => {
                self.flow = Flow::Waiting(transfer);
            }
            other => self.flow = other,
        }
    }

    /// Whether mail data is under way.
    pub fn is_transferring(&self) -> bool {
        matches!(self.flow, Flow::Payload(_) | Flow::Waiting(_) | Flow::Discard { .. })
    }

    /// Whether the commit of its message has begun: it becomes a message whatever we say.
    pub fn is_committing(&self) -> bool {
        matches!(&self.flow, Flow::Waiting(transfer) if transfer.pending.is_some())
    }

    /// Whether no transaction is open, and the client has taken all replies.
    pub fn is_idle(&self) -> bool {
        let is_between = matches!(self.flow, Flow::Commands { .. });
        is_between && !self.session.in_transaction() && self.unsent.is_none()
    }

    /// Whether a payload is in progress.
    #[inline]
    pub fn has_transfer(&self) -> bool {
        match &self.flow {
            Flow::Commands { chunks } => chunks.is_some(),
            Flow::Payload(_) | Flow::Waiting(_) => true,
            Flow::Preamble
            | Flow::Undecided
            | Flow::Securing
            | Flow::Handshake
            | Flow::Discard { .. }
            | Flow::Closing
            | Flow::Lingering { .. } => false,
        }
    }

    /// The address among whose connections it counts.
    pub fn counted_by(&self) -> Option<IpAddr> {
        self.client.ip().filter(|_| self.is_counted)
    }

    /// Whether it holds some of the budget for buffers, or may still take some.
    pub fn holds_buffers(&self) -> bool {
        let has_sealed = self.tls.as_ref().is_some_and(|tls| tls.held.is_some());
        self.held.is_some() || has_sealed || self.has_transfer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        let bytes = std::mem::size_of::<Option<Conn>>();
        assert!(bytes <= 408, "a connection has {bytes} bytes of its own");
    }
}
