//! Figures that no worker records, sampled once a second.

/// What an [`Observer`](super::Observer) reports about once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Connections that are open now, on all workers together.
    pub open_connections: u64,
    /// Flushes requested since the start.
    pub flushes: u64,
    /// Connections that found an accept queue full, counted from an arbitrary time.
    pub accept_overflows: u64,
    /// Committed messages that are not indexed yet; 0 if mail is not indexed.
    pub index_lag_messages: u64,
    /// Age of the oldest of these messages, in seconds.
    pub index_lag_s: u64,
    /// How often the lock of `events.jsonl` was busy, since the start.
    pub events_busy: u64,
    /// The system clock minus sinkd's clock, in ms.
    pub clock_ahead_ms: i64,
}
