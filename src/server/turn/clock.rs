//! The worker's clock: read once a round, so that nothing on the way reads it again.
use crate::log::ProcessClock;

/// Time of the current loop round on the clock of the process, which all workers share.
#[derive(Debug)]
pub struct Clock {
    unix_base_ns: u64,
    now_ns: u64,
}

impl Clock {
    pub fn start() -> Clock {
        let unix = ProcessClock::get().unix_base;
        Clock { unix_base_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX), now_ns: 0 }
    }

    /// It is `now_ns`, counted from the first look at the clock of the process.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Microseconds since the start of this clock.
    pub fn now_us(&self) -> u64 {
        self.now_ns / 1000
    }

    /// Milliseconds since the start of this clock.
    pub fn now_ms(&self) -> u64 {
        self.now_ns / 1_000_000
    }

    /// Nanoseconds since the Unix epoch.
    pub fn unix_ns(&self) -> u64 {
        self.unix_base_ns.saturating_add(self.now_ns)
    }
}
