//! How far indexing lags.

/// What has been committed and is not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Messages.
    pub messages: u64,
    /// Commit time of the oldest of them, ns since the Unix epoch.
    pub oldest_ns: Option<u64>,
}
