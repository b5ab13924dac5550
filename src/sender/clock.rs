//! The clock of a run of sending: what is due counts from its start.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the start of sending, and its place on the wall clock. All threads of a run
/// have copies of the same one.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Instant,
    unix_base_ns: u64,
}

impl Clock {
    /// Sending starts now.
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_base_ns = u64::try_from(unix.as_nanos()).unwrap_or(0);
        Clock { base: Instant::now(), unix_base_ns }
    }

    /// ns since the start.
    pub fn now_ns(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    /// The same moment since the Unix epoch.
    pub fn unix_ns(&self, now_ns: u64) -> u64 {
        self.unix_base_ns + now_ns
    }

    /// How long until then; nothing if it is past.
    pub fn until(&self, ns: u64, now_ns: u64) -> Duration {
        Duration::from_nanos(ns.saturating_sub(now_ns))
    }
}

/// In ns; more than 584 years are forever.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
