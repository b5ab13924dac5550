//! The clock of a run of sending: what is due counts from its start.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the start of sending, and its place on the wall clock. All threads of a run
/// have copies of the same one.
#[derive(Debug, Clone)]
pub struct SendingClock {
    reading: TimeSource,
    unix_base_ns: u64,
}

#[derive(Debug, Clone)]
enum TimeSource {
    /// Counts from here.
    Since(Instant),
    /// A test says what time it is, ns since the start.
    MadeUp(Arc<AtomicU64>),
}

impl SendingClock {
    /// Sending starts now.
    pub fn start() -> SendingClock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_base_ns = u64::try_from(unix.as_nanos()).unwrap_or(0);
        SendingClock { reading: TimeSource::Since(Instant::now()), unix_base_ns }
    }

    /// A clock that shows what `now_ns` says. It starts with the Unix epoch.
    pub fn made_up(now_ns: Arc<AtomicU64>) -> SendingClock {
        SendingClock { reading: TimeSource::MadeUp(now_ns), unix_base_ns: 0 }
    }

    /// ns since the start.
    pub fn now_ns(&self) -> u64 {
        match &self.reading {
            TimeSource::Since(base) => base.elapsed().as_nanos() as u64,
            // Relaxed: a number, and nothing beside it.
            TimeSource::MadeUp(now_ns) => now_ns.load(Ordering::Relaxed),
        }
    }

    /// Returns the moment `now_ns` as time since the Unix epoch.
    pub fn unix_ns(&self, now_ns: u64) -> u64 {
        self.unix_base_ns + now_ns
    }
}

/// In ns; more than 584 years are forever.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
