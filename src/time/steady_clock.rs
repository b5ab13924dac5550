//! A clock for one run: Unix time that advances steadily from its start.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time that runs evenly from its start, like the clock of the workers: when the system clock
/// is set, no second is repeated or skipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyClock {
    base: Instant,
    unix_base: Duration,
}

impl SteadyClock {
    /// Starts at the time of the system clock; a time before 1970 counts as 1970.
    pub(crate) fn start() -> SteadyClock {
        let unix_base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SteadyClock { base: Instant::now(), unix_base }
    }

    /// Returns the time since 1970. Never decreases.
    pub(crate) fn unix(&self) -> Duration {
        self.unix_base.saturating_add(self.base.elapsed())
    }
}
