//! What the server allows in a session, and what it announces: one `Policy` for each listener.

/// Bounds of a session. `None` is "no bound".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Message bytes as RFC 1870 counts them (dots unstuffed, end of data left out); announced as SIZE.
    pub message_bytes_max: u64,
    /// Forward-paths in one transaction; announced as LIMITS RCPTMAX (RFC 9422).
    pub recipients_max: u32,
    /// Octets of one encoded envelope.
    pub envelope_bytes_max: usize,
    /// Octets of a command line, CRLF included.
    pub command_line_bytes_max: usize,
    /// 5xx replies in one session, then 421.
    pub errors_max: Option<u32>,
    /// Accepted transactions in one session; announced as LIMITS MAILMAX.
    pub messages_max: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 100 << 20,
            recipients_max: 20_000,
            envelope_bytes_max: 2 << 20,
            command_line_bytes_max: 4096,
            errors_max: None,
            messages_max: None,
        }
    }
}

/// Immutable, shared by all sessions of a listener; holds the encoded greeting and EHLO reply.
#[derive(Debug)]
pub struct Policy {
    pub hostname: String,
    pub limits: Limits,
    /// The listener's address as configured, for the envelope.
    pub listener: String,
}

impl Policy {
    pub fn new(hostname: &str, listener: &str, limits: Limits) -> Policy {
        Policy { hostname: hostname.into(), listener: listener.into(), limits }
    }
}
