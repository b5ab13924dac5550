//! Why a line of a log cannot be used.
use super::lines::LINE_BYTES_MAX;
use crate::analysis::words::readable;

/// Octets of a line that a reason quotes.
const QUOTED_BYTES_MAX: usize = 80;

/// Why a line of a log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The line is longer than [`LINE_BYTES_MAX`]; it was skipped without being kept.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The log ends within the reply, so that the id may be longer.
    #[error("the log ends inside the reply: its id may be cut")]
    Cut,
    /// The reply begins and does not end, as in a line that was cut.
    #[error("the reply has no end: expected {0:?}")]
    OpenReply(&'static str),
    /// The numbers are not those of an id.
    #[error("{0} is not a message ID: a segment has a number from 1 to 4294967295")]
    Id(String),
    /// One line holds two ids.
    #[error("two message IDs in one line")]
    SeveralIds,
    /// The recipient is not an address as SMTP writes it.
    #[error("{0:?} is not an address (a local part with such characters must be quoted)")]
    Recipient(String),
    /// A row of PowerMTA before any header line.
    #[error("a row without a header line above it: the columns are unknown")]
    NoHeader,
    /// A row of PowerMTA with more or fewer columns than its header.
    #[error("a row of {found} columns, expected {expected} as in its header line")]
    Columns {
        /// Columns of the header line.
        expected: usize,
        /// Columns of the row.
        found: usize,
    },
    /// A quoted field of a CSV does not end in its line.
    #[error("a quoted field does not end in this line")]
    OpenQuote,
    /// A line that begins as a JSON object is not one.
    #[error("not a JSON object")]
    Json(#[source] serde_json::Error),
}

impl Reason {
    /// `address`: any octets.
    pub(super) fn recipient(address: &[u8]) -> Reason {
        Reason::Recipient(quoted(address))
    }
}

/// The first octets as text.
pub(super) fn quoted(octets: &[u8]) -> String {
    readable(&octets[..octets.len().min(QUOTED_BYTES_MAX)])
}
