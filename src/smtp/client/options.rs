//! How a session speaks.
use std::sync::Arc;

use crate::smtp::limits::Protocol;
use crate::smtp::sasl::Account;

/// Whether a session that begins in plain text asks for TLS (RFC 3207).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It does not. A connection may have TLS all the same: from its first octet (RFC 8314).
    Never,
    /// Where the server announces STARTTLS; a server that then refuses it is spoken to without.
    Offered,
    /// A server that does not announce STARTTLS, or refuses it, gets nothing.
    Required,
}

/// How a session speaks.
#[derive(Debug, Clone)]
pub struct Options {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// The argument of EHLO, HELO or LHLO.
    pub name: String,
    /// Send commands in groups, where the server announces PIPELINING.
    pub pipelining: bool,
    /// Send BDAT, where the server announces CHUNKING; else only what was
    /// [`super::OutgoingMail::chunked`].
    pub chunking: bool,
    /// Messages that may be under way at once, where commands are pipelined; at least 1.
    pub depth: usize,
    /// Content of at most N octets is copied beside its commands, and written with them as
    /// one piece: see [`JOINED_BYTES_MAX`]. 0: content is written from where it lies.
    pub joined_bytes_max: u64,
    /// Send by DATA also what [`super::Withheld::AmbiguousDot`] describes.
    pub sends_ambiguous: bool,
    /// Ask for TLS.
    pub start_tls: StartTls,
    /// Prove an identity by AUTH before anything is sent (RFC 4954); a server that announces none
    /// of the account's mechanisms gets nothing.
    pub account: Option<Arc<Account>>,
}

impl Options {
    /// One command a round trip, by DATA, without TLS and AUTH, as a client called `name`.
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

/// Up to here it costs less to copy content twice than to write it as a piece of its own
/// (docs/performance.md).
pub const JOINED_BYTES_MAX: u64 = 4096;
