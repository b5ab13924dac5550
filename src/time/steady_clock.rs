//! A clock for one run: Unix time that advances steadily from its start.
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::unix_ns::UnixNs;

/// Unix time that runs evenly from its start, like the clock of the workers: when the system clock
/// is set, no second is repeated or skipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyClock {
    base: Instant,
    unix_base: UnixNs,
}

impl SteadyClock {
    /// Starts at the time of the system clock; a time before 1970 counts as 1970.
    pub(crate) fn start() -> SteadyClock {
        let unix_base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SteadyClock { base: Instant::now(), unix_base: UnixNs::of_duration(unix_base) }
    }

    /// Returns Unix time. Never decreases.
    pub(crate) fn unix_ns(&self) -> UnixNs {
        self.unix_base.saturating_add(self.base.elapsed())
    }
}
