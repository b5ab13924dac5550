//! What no worker records: looked at once a second.

/// What no worker records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Connections open now.
    pub open_connections: u64,
    /// Flushes asked for, since the start.
    pub flushes: u64,
    /// Connections that found an accept queue full, since any time.
    pub accept_overflows: u64,
    /// Messages that are not indexed yet.
    pub index_lag_messages: u64,
    /// Age of the oldest of them, s.
    pub index_lag_s: u64,
    /// How often the lock of `events.jsonl` was found taken, since the start.
    pub events_busy: u64,
    /// System clock minus sinkd's, ms.
    pub clock_ahead_ms: i64,
}
