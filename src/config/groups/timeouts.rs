//! How long sinkd waits.
use std::time::Duration;

/// How long sinkd waits for a client, and for its own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// Maximum silence between commands.
    pub command: Duration,
    /// Maximum silence within mail data.
    pub data: Duration,
    /// How long a transfer waits for room in the log before 452.
    pub storage_wait: Duration,
}

impl Default for TimeoutSettings {
    fn default() -> TimeoutSettings {
        let silence = Duration::from_secs(300);
        TimeoutSettings { command: silence, data: silence, storage_wait: Duration::from_secs(5) }
    }
}
