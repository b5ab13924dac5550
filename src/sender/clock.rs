//! The clock of a run of sending, which starts at 0.
//!
//! A point in time of a run is a number of ns since its start, and its name ends in `_ns`. A
//! duration is a [`Duration`].
use crate::time::UnixNs;
#[cfg(feature = "testkit")]
use std::sync::Arc;
#[cfg(feature = "testkit")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    /// Returns the time in ns since the start.
    pub fn now_ns(&self) -> u64 {
        match &self.reading {
            TimeSource::Since(base) => base.elapsed().as_nanos() as u64,
            // Relaxed, because only the number itself is shared.
            #[cfg(feature = "testkit")]
            TimeSource::Simulated(now_ns) => now_ns.load(Ordering::Relaxed),
        }
    }

    /// Converts a time since the start to Unix time.
    pub fn unix_ns(&self, now_ns: u64) -> UnixNs {
        self.unix_base.saturating_add_ns(now_ns)
    }
}

/// Converts to ns; more than 584 years become the maximum.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time between two points of a run; zero if the first is the later one.
pub(super) fn time_between(since_ns: u64, now_ns: u64) -> Duration {
    Duration::from_nanos(now_ns.saturating_sub(since_ns))
}
