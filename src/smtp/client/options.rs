//! How a session speaks.
use crate::smtp::limits::Protocol;

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
}

/// Up to here it costs less to copy content twice than to write it as a piece of its own
/// (docs/performance.md).
pub const JOINED_BYTES_MAX: u64 = 4096;
