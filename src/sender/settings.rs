//! Settings of a sending run.
use std::time::Duration;

use super::targets::ResolvedAddress;
use crate::smtp::client::Options;
use crate::time::MonotonicNs;
use crate::tls::Connector;

/// The connections to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// This number of connections, kept open throughout.
    Kept(usize),
    /// One per lane, opened when its first message is due; at most this number. A message that is
    /// due while its lane's connection is busy gets a connection of its own.
    ByLane(usize),
}

/// When sending ends. Times are since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// When the source has no more messages and all outcomes are known.
    WithSource,
    /// As `WithSource`, but no message is started at this time or later (closed loop).
    At(Duration),
    /// As `WithSource`, however late messages are: a target that stalled still gets everything that
    /// was due meanwhile. The last message is due before this time. If the target then answers no
    /// message for [`SendingSettings::timeout`], it has stalled permanently, and sending ends (open
    /// loop).
    Scheduled(Duration),
}

impl Ends {
    /// Returns the time from which no message is begun; `None` if the source alone decides.
    pub(super) fn deadline_ns(self) -> Option<MonotonicNs> {
        match self {
            Ends::At(time) => Some(MonotonicNs::START.saturating_add(time)),
            Ends::WithSource | Ends::Scheduled(_) => None,
        }
    }
}

/// When the handshake of a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsStart {
    /// Before the target sends anything (RFC 8314).
    AtOnce,
    /// When the session requests it, after STARTTLS.
    WithSession,
}

/// The TLS of a run.
#[derive(Debug, Clone)]
pub struct SendingTls {
    /// The settings of handshakes. Connections of one connector share sessions for resumption.
    pub connector: Connector,
    /// When handshakes begin.
    pub start: TlsStart,
}

/// Settings of a sending thread.
#[derive(Debug, Clone)]
pub struct SendingSettings {
    /// The address to send to.
    pub address: ResolvedAddress,
    /// The options of its sessions.
    pub session: Options,
    /// The TLS of its connections; required if sessions use TLS.
    pub tls: Option<SendingTls>,
    /// The connections to open.
    pub connections: Connections,
    /// The number of messages after which a connection is replaced by another one.
    pub per_connection: Option<u64>,
    /// Maximum number of connections being opened at once.
    pub opening_max: usize,
    /// How long a target may be silent while it owes a reply, before the connection is given up.
    pub timeout: Duration,
    /// Sending ends when connections have failed for this long and none was useful.
    pub patience: Duration,
    /// When sending ends.
    pub ends: Ends,
    /// How long messages in progress may continue after a stop; also how long to wait for the reply
    /// to QUIT, or for a session to open when there is nothing left to send.
    pub grace: Duration,
}
