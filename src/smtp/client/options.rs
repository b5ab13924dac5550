//! Options of a client session.
use std::sync::Arc;

use crate::smtp::limits::Protocol;
use crate::smtp::sasl::Account;

/// Whether a session that begins in plain text uses STARTTLS (RFC 3207).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Never. The connection may still have TLS from its first octet (RFC 8314).
    Never,
    /// If the server announces it. If the server then refuses it, the session continues in plain
    /// text.
    Offered,
    /// Always. The session fails if the server does not announce STARTTLS, or refuses it.
    Required,
}

/// Options of a client session.
#[derive(Debug, Clone)]
pub struct Options {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// The argument of EHLO, HELO or LHLO.
    pub name: String,
    /// Whether to send commands in groups if the server announces PIPELINING.
    pub pipelining: bool,
    /// Whether to send BDAT if the server announces CHUNKING. If false, only messages that were
    /// [`super::OutgoingMail::chunked`] are sent by BDAT.
    pub chunking: bool,
    /// Maximum number of messages in progress at once if commands are pipelined; at least 1.
    pub depth: usize,
    /// Content of at most this size is copied after its commands and written together with them:
    /// see [`JOINED_BYTES_MAX`]. 0 means that content is never copied.
    pub joined_bytes_max: u64,
    /// Whether to send messages by DATA that have [`super::Withheld::AmbiguousDot`].
    pub sends_ambiguous: bool,
    /// Whether to use STARTTLS.
    pub start_tls: StartTls,
    /// The account for AUTH, which comes before any message (RFC 4954). The session fails if the
    /// server announces none of its mechanisms.
    pub account: Option<Arc<Account>>,
}

impl Options {
    /// Returns options for a client called `name` that uses DATA, does not pipeline, and uses
    /// neither TLS nor AUTH.
    pub fn plain(protocol: Protocol, name: impl Into<String>) -> Options {
        Options {
            protocol,
            name: name.into(),
            pipelining: false,
            chunking: false,
            depth: 1,
            joined_bytes_max: 0,
            sends_ambiguous: false,
            start_tls: StartTls::Never,
            account: None,
        }
    }
}

/// Up to this size, copying content twice costs less than writing it as a separate piece
/// (docs/performance.md).
pub const JOINED_BYTES_MAX: u64 = 4096;
