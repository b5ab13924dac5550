//! The protocol of a listener, and the limits of its sessions.

/// The protocol of a listener or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// Message submission (RFC 6409): domains of addresses must be fully qualified.
    Submission,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// How commands that break the grammar are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Accepted if unambiguous; the session reports the deviation (see [`super::lenient`]).
    Lenient,
    /// Refused, as RFC 5321 requires.
    Strict,
}

/// Limits of a session. `None` means no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Maximum message size as RFC 1870 counts it (dots unstuffed, without the end of data);
    /// announced as SIZE.
    pub message_bytes_max: u64,
    /// Maximum number of forward-paths per transaction; announced as LIMITS RCPTMAX (RFC 9422).
    pub recipients_max: u32,
    /// Maximum size of an encoded envelope, in octets.
    pub envelope_bytes_max: usize,
    /// Maximum length of a command line, including CRLF, in octets.
    pub command_line_bytes_max: usize,
    /// Maximum number of 5xx replies per session; the next one is replaced by 421.
    pub errors_max: Option<u32>,
    /// Maximum number of accepted transactions per session; announced as LIMITS MAILMAX.
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
