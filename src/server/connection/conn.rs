//! One connection: its socket, its session, and the buffers it currently holds.
use std::net::IpAddr;

use crate::smtp::envelope::Client;
use crate::smtp::session::Session;
use crate::stats::SessionKey;
use crate::time::{MonotonicMs, MonotonicUs};

use super::conn_statistics::ConnStatistics;
use super::conn_times::ConnTimes;
use super::conn_tls::ConnTls;
use super::handshaking::Handshaking;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::waits::Waits;
use crate::server::listening::{SocketInterest, Stream};
use crate::server::payload::Transfer;
use crate::server::transcripts::Transcript;

/// What the next octets from the client will be, with the payload in progress if there is one.
#[derive(Debug)]
pub enum Flow {
    /// A PROXY header, before the greeting.
    Preamble,
    /// Command lines. Between two BDAT chunks of a message, `chunks` holds what has arrived of it.
    Commands { chunks: Option<Box<Transfer>> },
    /// Mail data after 354, or a BDAT chunk.
    Payload(Box<Transfer>),
    /// The payload has arrived in full and waits for room in the log, for a flush, or for its
    /// dedicated segment to be renamed into place. Nothing is read meanwhile.
    Waiting(Box<Transfer>),
    /// Input after XCLIENT, which is read only once the named client has been admitted.
    Undecided,
    /// STARTTLS was accepted: the handshake begins once its reply has been sent.
    Securing,
    /// A TLS handshake.
    Handshake(Box<Handshaking>),
    /// The rest of a BDAT chunk that the session refused; it is discarded.
    Discard { left: u64 },
    /// Nothing more is read: the connection closes once the last replies have been sent.
    Closing,
    /// Our side is shut down, since `since_ms`. Input is still read and
    /// discarded, so that no reset overtakes the last reply.
    Lingering { since_ms: MonotonicMs },
}

impl Flow {
    /// Between messages.
    pub const COMMANDS: Flow = Flow::Commands { chunks: None };
}

/// Identifies a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnId {
    /// Distinguishes the connection from earlier ones in the same place in the table.
    pub serial: u32,
    /// The session's number in slots: start count of sinkd, worker, sequence number.
    pub session: u64,
}

/// A client's connection.
///
/// Size matters, as there may be tens of thousands of idle connections: state that only a transfer
/// needs is behind a pointer.
#[derive(Debug)]
pub struct Conn {
    pub socket: Stream,
    pub session: Session,
    pub id: ConnId,
    /// The client that submits mail: the one that connected, or the one that PROXY or XCLIENT
    /// named.
    pub client: Client,
    /// Whether it counts as a session: its client is known, and it is not a proxy's health check.
    pub is_session: bool,
    /// Whether it counts toward the limit of its client's address.
    pub is_counted: bool,
    pub flow: Flow,
    /// `None`: no TLS, or its handshake is not done.
    pub tls: Option<Box<ConnTls>>,
    /// `None`: transcripts are off.
    pub transcript: Option<Box<Transcript>>,
    pub incoming: Incoming,
    pub outgoing: Outgoing,
    pub times: ConnTimes,
    pub statistics: ConnStatistics,
    /// The condition for its next turn.
    pub waits: Waits,
    /// The events it is registered for.
    pub interest: SocketInterest,
}

impl Conn {
    /// Makes a connection that begins at `now_us`, and counts as a session.
    pub fn new(
        socket: Stream,
        session: Session,
        id: ConnId,
        client: Client,
        now_us: MonotonicUs,
    ) -> Conn {
        let incoming = Incoming {
            held: None,
            last_payload_bytes: None,
            reads_until_empty: socket.short_reads_leave_more(),
        };
        Conn {
            socket,
            session,
            id,
            client,
            is_session: true,
            is_counted: false,
            flow: Flow::COMMANDS,
            incoming,
            outgoing: Outgoing::default(),
            tls: None,
            transcript: None,
            times: ConnTimes::opened_at(now_us),
            statistics: ConnStatistics::default(),
            waits: Waits::Octets,
            interest: SocketInterest::Reads,
        }
    }

    /// Returns the key of its session in the statistics.
    #[inline]
    pub fn key(&self) -> SessionKey {
        SessionKey { id: self.id.session, client: self.client.ip() }
    }

    /// Returns the payload in progress, if there is one.
    pub fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match &mut self.flow {
            Flow::Commands { chunks } => chunks.as_deref_mut(),
            Flow::Payload(transfer) | Flow::Waiting(transfer) => Some(transfer),
            Flow::Preamble
            | Flow::Undecided
            | Flow::Securing
            | Flow::Handshake(_)
            | Flow::Discard { .. }
            | Flow::Closing
            | Flow::Lingering { .. } => None,
        }
    }

    /// Takes the payload in progress; commands come next.
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

    /// Notes that all octets of the mail data, or of the last chunk, have arrived.
    pub fn payload_is_here(&mut self) {
        match std::mem::replace(&mut self.flow, Flow::COMMANDS) {
            Flow::Payload(transfer) if transfer.framing.is_last() => {
                self.flow = Flow::Waiting(transfer);
            }
            other => self.flow = other,
        }
    }

    /// Returns whether a payload is being received or discarded, or waits.
    pub fn is_transferring(&self) -> bool {
        matches!(self.flow, Flow::Payload(_) | Flow::Waiting(_) | Flow::Discard { .. })
    }

    /// Returns whether the commit of its message has begun: the message will be stored, whatever is
    /// replied.
    pub fn is_committing(&self) -> bool {
        matches!(&self.flow, Flow::Waiting(transfer) if transfer.commit.is_some())
    }

    /// Returns whether no transaction is open and all replies have been sent.
    pub fn is_idle(&self) -> bool {
        let is_between = matches!(self.flow, Flow::Commands { .. });
        is_between && !self.session.in_transaction() && self.outgoing.unsent.is_none()
    }

    /// Returns whether a payload is in progress.
    #[inline]
    pub fn has_transfer(&self) -> bool {
        match &self.flow {
            Flow::Commands { chunks } => chunks.is_some(),
            Flow::Payload(_) | Flow::Waiting(_) => true,
            Flow::Preamble
            | Flow::Undecided
            | Flow::Securing
            | Flow::Handshake(_)
            | Flow::Discard { .. }
            | Flow::Closing
            | Flow::Lingering { .. } => false,
        }
    }

    /// Returns the address whose limit it counts toward, if any.
    pub fn counted_by(&self) -> Option<IpAddr> {
        self.client.ip().filter(|_| self.is_counted)
    }

    /// Returns whether it uses some of the buffer budget, or may still take some.
    pub fn holds_buffers(&self) -> bool {
        let has_sealed = match &self.flow {
            Flow::Handshake(handshaking) => handshaking.held.is_some(),
            _ => self.tls.as_ref().is_some_and(|tls| tls.held.is_some()),
        };
        self.incoming.held.is_some() || has_sealed || self.has_transfer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        let bytes = std::mem::size_of::<Option<Conn>>();
        assert!(bytes <= 408, "a connection takes {bytes} bytes");
    }
}
