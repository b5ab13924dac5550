//! The clock of a run of sending.
use crate::time::{MonotonicNs, UnixNs};
#[cfg(feature = "testkit")]
use std::sync::Arc;
#[cfg(feature = "testkit")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the start of sending, and the wall clock time of that start. All threads of
/// a run have copies of the same clock.
#[derive(Debug, Clone)]
pub struct SendingClock {
    reading: TimeSource,
    unix_base: UnixNs,
}

#[derive(Debug, Clone)]
enum TimeSource {
    /// Time since this instant.
    Since(Instant),
    /// Time set by a test, in ns since the start.
    #[cfg(feature = "testkit")]
    Simulated(Arc<AtomicU64>),
}

impl SendingClock {
    /// Starts a clock now.
    pub fn start() -> SendingClock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_base = UnixNs::of_duration(unix);
        SendingClock { reading: TimeSource::Since(Instant::now()), unix_base }
    }

    /// Makes a clock that shows `now_ns`, and starts at the Unix epoch.
    #[cfg(feature = "testkit")]
    pub fn simulated(now_ns: Arc<AtomicU64>) -> SendingClock {
        SendingClock { reading: TimeSource::Simulated(now_ns), unix_base: UnixNs::EPOCH }
    }

    /// Returns the current point.
    pub fn now_ns(&self) -> MonotonicNs {
        match &self.reading {
            TimeSource::Since(base) => MonotonicNs::new(base.elapsed().as_nanos() as u64),
            // Relaxed, because only the number itself is shared.
            #[cfg(feature = "testkit")]
            TimeSource::Simulated(now_ns) => MonotonicNs::new(now_ns.load(Ordering::Relaxed)),
        }
    }

    /// Converts a point to Unix time.
    pub fn unix_ns(&self, now_ns: MonotonicNs) -> UnixNs {
        self.unix_base.at(now_ns)
    }
}
