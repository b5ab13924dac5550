//! How a run of sending is made: over which connections, for how long, with how much patience.
use std::time::Duration;

use super::clock::nanos;
use super::stream::ResolvedAddress;
use crate::smtp::client::Options;
use crate::tls::Connector;

/// Which connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// This number of connections, kept open all the time.
    Kept(usize),
    /// One for each lane, when its first message is due; at most this number. A message that is due
    /// while its lane is busy gets one for itself.
    ByLane(usize),
}

/// When sending ends, if nothing else ends it. Times are since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// When the source has no more messages, and every one has its outcome.
    WithSource,
    /// As `WithSource`, but no message is begun at this time or later (closed loop).
    At(Duration),
    /// As `WithSource`, however late messages are: a target that stalled gets what was due
    /// meanwhile. The last message is due before this time; if after it the target answers no
    /// message for [`SendingSettings::timeout`], it has stalled permanently, and sending ends
    /// (open loop).
    Scheduled(Duration),
}

impl Ends {
    /// No message is begun then or later.
    pub(super) fn deadline_ns(self) -> u64 {
        match self {
            Ends::At(time) => nanos(time),
            Ends::WithSource | Ends::Scheduled(_) => u64::MAX,
        }
    }
}

/// When the handshake of a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsStart {
    /// Before the target says anything (RFC 8314).
    AtOnce,
    /// When the session asks for it, after STARTTLS.
    WithSession,
}

/// The TLS of a run.
#[derive(Debug, Clone)]
pub struct SendingTls {
    /// What handshakes go by; sessions are shared among those of one connector.
    pub connector: Connector,
    /// When they begin.
    pub start: TlsStart,
}

/// How a thread sends.
#[derive(Debug, Clone)]
pub struct SendingSettings {
    /// The address to send to.
    pub address: ResolvedAddress,
    /// How its sessions speak.
    pub session: Options,
    /// How its connections are sealed; there must be some where a session asks for TLS.
    pub tls: Option<SendingTls>,
    /// Which connections are made.
    pub connections: Connections,
    /// Messages after which a connection ends and another takes its place.
    pub per_connection: Option<u64>,
    /// Connections that may be in the making at once.
    pub opening_max: usize,
    /// A target that is silent for this long, and owes something, is given up.
    pub timeout: Duration,
    /// When no connection was useful for this long, and others failed, sending ends.
    pub patience: Duration,
    /// When sending ends.
    pub ends: Ends,
    /// After being told to stop, what is under way has this long; so has the target to answer QUIT,
    /// or to greet when there is nothing left to send.
    pub grace: Duration,
}
