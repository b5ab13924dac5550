//! Why the server refuses a message, and why it ends a session by itself.

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

/// Why the server ends a session by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// 421 4.4.2 nothing came for too long
    Timeout,
    /// 421 4.3.2 shutting down
    Stopping,
    /// 421 4.7.0 too many connections (in all / from this address), given instead of a greeting
    TooManyConnections,
    TooManyFromAddress,
    /// 554 5.7.1 not a client that this listener serves, given instead of a greeting
    Denied,
    /// 421 4.3.1 this worker's buffers are full and this transfer stalled the longest
    OutOfBuffers,
}
