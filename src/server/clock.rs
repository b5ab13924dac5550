//! The worker's clock: read once a round, so that nothing on the way reads it again.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time of the current loop round, and its place on the wall clock.
///
/// The offset to Unix time is taken once, so that times never fall when somebody sets the clock.
#[derive(Debug)]
pub struct Clock {
    base: Instant,
    unix_base_ns: u64,
    now: Duration,
}

impl Clock {
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock {
            base: Instant::now(),
            unix_base_ns: u64::try_from(unix.as_nanos()).unwrap_or(0),
            now: Duration::ZERO,
        }
    }

    /// Begins a round.
    pub fn tick(&mut self) {
        self.now = self.base.elapsed();
    }

    /// Microseconds since the start of this clock.
    pub fn now_us(&self) -> u64 {
        self.now.as_micros() as u64
    }

    /// Milliseconds since the start of this clock.
    pub fn now_ms(&self) -> u64 {
        self.now.as_millis() as u64
    }

    /// Nanoseconds since the Unix epoch.
    pub fn unix_ns(&self) -> u64 {
        self.unix_base_ns + self.now.as_nanos() as u64
    }
}
