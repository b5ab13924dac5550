//! How far indexing lags.

/// The messages that are committed but not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Number of messages.
    pub messages: u64,
    /// Commit time of the oldest of them, ns since the Unix epoch.
    pub oldest_ns: Option<u64>,
}
