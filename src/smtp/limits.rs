//! What a listener speaks, and the bounds of its sessions.

/// What a listener speaks, or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// RFC 6409: domains of addresses must be fully qualified.
    Submission,
    /// RFC 2033.
    Lmtp,
}

/// What becomes of a command that breaks the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// It is accepted where it cannot be misread, and the session names the deviation (see
    /// [`super::lenient`]).
    Lenient,
    /// It is refused, as RFC 5321 has it.
    Strict,
}

/// Bounds of a session. `None` is "no bound".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Message bytes as RFC 1870 counts them (dots unstuffed, end of data left out); announced as
    /// SIZE.
    pub message_bytes_max: u64,
    /// Forward-paths in one transaction; announced as LIMITS RCPTMAX (RFC 9422).
    pub recipients_max: u32,
    /// Octets of one encoded envelope.
    pub envelope_bytes_max: usize,
    /// Octets of a command line, CRLF included.
    pub command_line_bytes_max: usize,
    /// 5xx replies in one session; in place of the next one comes 421.
    pub errors_max: Option<u32>,
    /// Accepted transactions in one session; announced as LIMITS MAILMAX.
    pub messages_max: Option<u32>,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            message_bytes_max: 100 << 20,
            recipients_max: 20_000,
            envelope_bytes_max: 2 << 20,
            command_line_bytes_max: 4096,
            errors_max: None,
            messages_max: None,
        }
    }
}
