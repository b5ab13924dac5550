//! Why a line of a log is unusable.
use super::lines::LINE_BYTES_MAX;
use crate::wording::readable;

/// Maximum number of octets of a line that a reason quotes.
const QUOTED_BYTES_MAX: usize = 80;

/// Why a line of a log is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The line is longer than [`LINE_BYTES_MAX`], so it was skipped.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The log ends within the reply, so the id may be incomplete.
    #[error("the log ends inside the reply: its id may be cut")]
    Cut,
    /// The reply has a beginning but no end, as in a line that was cut off.
    #[error("the reply has no end: expected {0:?}")]
    OpenReply(&'static str),
    /// The numbers in the reply are not an id; the string is their text.
    #[error("{0} is not a message ID: a segment has a number from 1 to 4294967295")]
    Id(String),
    /// The line has two different ids, so it is unclear which was accepted.
    #[error("two message IDs in one line")]
    SeveralIds,
    /// The recipient is not an address that SMTP could carry.
    #[error("{0:?} is not an address (a local part with such characters must be quoted)")]
    Recipient(String),
    /// A PowerMTA row without a header line above it.
    #[error("a row without a header line above it: the columns are unknown")]
    NoHeader,
    /// A PowerMTA row with more or fewer columns than its header line.
    #[error("a row of {found} columns, expected {expected} as in its header line")]
    Columns {
        /// The number of columns in the last header line.
        expected: usize,
        /// The number of columns in the row.
        found: usize,
    },
    /// A quoted CSV field does not end on its line.
    #[error("a quoted field does not end in this line")]
    OpenQuote,
    /// A line begins like a JSON object, but is not valid JSON.
    #[error("not a JSON object")]
    Json(#[source] serde_json::Error),
}

impl Reason {
    /// `address` may contain any octets.
    pub(super) fn recipient(address: &[u8]) -> Reason {
        Reason::Recipient(quoted(address))
    }
}

/// Formats the first octets as text.
pub(super) fn quoted(octets: &[u8]) -> String {
    readable(&octets[..octets.len().min(QUOTED_BYTES_MAX)])
}
