//! Why the server refuses a command or a message, or ends a session.
use crate::smtp::reply::Reply;

/// Why a message is refused after its data was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 552 5.3.4: the message is too large.
    TooLarge,
    /// 452 4.3.1: the log has no room at present.
    NoStorage,
    /// 451 4.3.0: storage failed for this message.
    StorageFailed,
    /// 421 4.3.2: the server is stopping; the session closes.
    Stopping,
}

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// 421 4.4.2: the client was silent for too long.
    Timeout,
    /// 421 4.3.2: the server is stopping.
    Stopping,
    /// 421 4.7.0, instead of the greeting: too many connections in total.
    TooManyConnections,
    /// 421 4.7.0: too many connections from the client's address.
    TooManyFromAddress,
    /// 554 5.7.1, instead of the greeting: the listener does not serve this client.
    Denied,
    /// 421 4.3.1: the worker's buffers are full, and this transfer stalled the longest.
    OutOfBuffers,
}

/// Why a command is not accepted.
#[derive(Debug, Clone, Copy)]
pub enum NotAccepted {
    /// Reply with this.
    With(&'static Reply),
    /// Reply with this, and end the session.
    Closing(&'static Reply),
    /// A path or a parameter has octets above 127, but MAIL did not request SMTPUTF8.
    NonAscii,
}
