//! When sinkd stops by itself, and how.
use std::time::Duration;

/// When sinkd stops by itself, and how long it lets transactions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopSettings {
    /// How long open transactions may continue after a stop begins.
    pub grace: Duration,
    /// Stop once exactly this number of messages has been accepted; `None`: never.
    pub after_messages: Option<u64>,
    /// Stop once this number of sessions has ended; `None`: never.
    pub after_sessions: Option<u64>,
    /// Stop once no client has sent anything for this time; `None`: never.
    pub after_idle: Option<Duration>,
}

impl Default for StopSettings {
    fn default() -> StopSettings {
        StopSettings {
            grace: Duration::from_secs(8),
            after_messages: None,
            after_sessions: None,
            after_idle: None,
        }
    }
}
