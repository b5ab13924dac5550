//! How far indexing lags.
use crate::time::UnixNs;

/// The messages that are committed but not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Number of these messages; 0 if everything is indexed.
    pub messages: u64,
    /// Commit time of the oldest of them; `None` if there are none, or it
    /// could not be read.
    pub oldest_ns: Option<UnixNs>,
}
