//! The system clock, for commands that wait.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinkd::time::{Clock, UnixNs};

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixNs {
        UnixNs::of_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn pause(&self, time: Duration) {
        // `park_timeout` may return early.
        std::thread::park_timeout(time);
    }
}
