//! The limits that one client kept to.
use crate::stats::sessions::spread::Distribution;
use crate::time::UnixNs;

/// The limits that one client kept to. docs/stats-format.md defines each figure.
#[derive(Debug, Clone, Default)]
pub struct ClientLimits {
    /// Connections that were open at any time in the span.
    pub connections: u64,
    /// Connections that were already open when the span began.
    pub began_before: u64,
    /// Connections whose beginning is not recorded; they count from their first recorded event.
    pub without_beginning: u64,
    /// Connections open at the end of the span, or of the records.
    pub open_at_end: u64,
    /// Connections that were open when sinkd was killed.
    pub cut_off: u64,
    /// Connections that ended without an accepted message.
    pub without_message: u64,
    /// Messages accepted in the span.
    pub messages: u64,
    /// Forward-paths of the accepted messages.
    pub recipients: u64,
    /// The maximum number of forward-paths of a message.
    pub recipients_max: u64,
    /// Messages refused at the end of their data.
    pub refused: u64,
    /// Concurrent connections, weighted by time, while any was open.
    pub open_at_once: Distribution,
    /// When the maximum was first reached; `None` if no connection was open.
    pub peak_at_ns: Option<UnixNs>,
    /// Accepted messages per connection; for open connections, those so far.
    pub messages_per_connection: Distribution,
    /// Accepted messages per window, for windows that end with a second that had any.
    pub messages_per_window: Vec<Distribution>,
    /// Connections opened per window, for windows that end with a second that had any.
    pub opened_per_window: Vec<Distribution>,
}
