//! The limits that clients kept to, as in `--json`.
use std::net::IpAddr;

use serde::Serialize;

use super::kept::KeptLimits;
use crate::analysis::words::rfc3339;
use crate::stats::{ClientLimits, Distribution, Percentiles};

/// The highest figures of each client, which are the limits it kept to: the object of
/// `sinkctl limits --json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct LimitFigures<'a> {
    /// Why the figures may be too low or empty; null if they are complete.
    pub gap: Option<String>,
    /// Connections greeted with 421; they are not among those below.
    pub turned_away: u64,
    /// Accepted messages that belong to no recorded connection.
    pub messages_not_on_record: u64,
    /// Forward-paths per message, over all clients.
    pub recipients_per_message: &'a Percentiles,
    /// All clients together, as if one client had opened all connections.
    pub all: ClientFigures<'a>,
    /// The clients, ordered by concurrent connections, the highest first.
    pub clients: Vec<ClientFigures<'a>>,
}

/// The figures of one client, or of all clients together.
#[derive(Debug, Serialize)]
pub struct ClientFigures<'a> {
    /// The client's address, or "unix"; absent in the figures of all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Connections that were open in the span.
    pub connections: u64,
    /// Connections that were already open when the span began.
    pub began_before: u64,
    /// Connections whose beginning is not recorded.
    pub without_beginning: u64,
    /// Connections that were still open at the end of the span.
    pub open_at_end: u64,
    /// Connections that were cut off when sinkd was killed.
    pub cut_off: u64,
    /// Connections that ended in the span without an accepted message.
    pub without_message: u64,
    /// Messages accepted in the span.
    pub messages: u64,
    /// Forward-paths of the accepted messages.
    pub recipients: u64,
    /// Forward-paths of the message with the most.
    pub recipients_per_message_max: u64,
    /// Messages refused at the end of their data.
    pub refused: u64,
    /// The number of connections that were open at the same time, weighted by time, as long as at
    /// least one was open.
    pub open_at_once: &'a Distribution,
    /// When the maximum was first reached (RFC 3339); null if no connection was open.
    pub peak_at: Option<String>,
    /// Accepted messages per connection; for open ones, those so far.
    pub messages_per_connection: &'a Distribution,
    /// Figures for each requested length of a window, in ascending order.
    pub windows: Vec<WindowFigures<'a>>,
}

/// Figures for windows of one length.
#[derive(Debug, Serialize)]
pub struct WindowFigures<'a> {
    /// The length of the window, in seconds.
    pub seconds: u64,
    /// Accepted messages per window that ends with a second in which one was accepted.
    pub messages: &'a Distribution,
    /// Connections opened per window that ends with a second in which one was opened.
    pub connections_opened: &'a Distribution,
}

impl KeptLimits {
    /// Returns the limits as they are written by `--json`.
    pub fn figures(&self) -> LimitFigures<'_> {
        let limits = &self.limits;
        let client = |(address, limits)| {
            ClientFigures::new(Some(client_name(address)), limits, &self.windows_s)
        };
        LimitFigures {
            gap: self.gap_until_now().map(|gap| gap.to_string()),
            turned_away: self.turned_away,
            messages_not_on_record: self.messages_not_on_record,
            recipients_per_message: &self.recipients,
            all: ClientFigures::new(None, &limits.all, &self.windows_s),
            clients: limits.clients.iter().map(|(ip, limits)| client((*ip, limits))).collect(),
        }
    }
}

impl<'a> ClientFigures<'a> {
    fn new(
        client: Option<String>,
        limits: &'a ClientLimits,
        windows_s: &[u64],
    ) -> ClientFigures<'a> {
        let spreads = limits.messages_per_window.iter().zip(&limits.opened_per_window);
        let windows = windows_s.iter().zip(spreads);
        let windows = windows.map(|(seconds, (messages, opened))| WindowFigures {
            seconds: *seconds,
            messages,
            connections_opened: opened,
        });
        ClientFigures {
            client,
            connections: limits.connections,
            began_before: limits.began_before,
            without_beginning: limits.without_beginning,
            open_at_end: limits.open_at_end,
            cut_off: limits.cut_off,
            without_message: limits.without_message,
            messages: limits.messages,
            recipients: limits.recipients,
            recipients_per_message_max: limits.recipients_max,
            refused: limits.refused,
            open_at_once: &limits.open_at_once,
            peak_at: peak_at(limits),
            messages_per_connection: &limits.messages_per_connection,
            windows: windows.collect(),
        }
    }
}

/// Returns when the maximum of concurrent connections was first reached (RFC 3339); `None` if no
/// connection was open.
pub fn peak_at(limits: &ClientLimits) -> Option<String> {
    limits.peak_at_ns.map(rfc3339)
}

/// Returns the name of a client; a client without an address used a Unix socket.
pub fn client_name(address: Option<IpAddr>) -> String {
    address.map_or("unix".into(), |address| address.to_string())
}
