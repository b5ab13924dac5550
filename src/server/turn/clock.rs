//! The worker's clock, which is read as a round begins and as it ends, so that serving a connection
//! needs no clock reads.
use crate::time::{ProcessClock, UnixNs};

/// The time of the current round on the clock of the process, which all workers share.
#[derive(Debug)]
pub struct RoundClock {
    unix_base: UnixNs,
    now_ns: u64,
}

impl RoundClock {
    pub fn start() -> RoundClock {
        let unix_base = ProcessClock::get().unix_base;
        RoundClock { unix_base, now_ns: 0 }
    }

    /// Sets the time to `now_ns`, counted from the first reading of the clock of the process.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Returns microseconds since the first reading of the clock of the process.
    pub fn now_us(&self) -> u64 {
        self.now_ns / 1000
    }

    /// Returns milliseconds since the first reading of the clock of the process.
    pub fn now_ms(&self) -> u64 {
        self.now_ns / 1_000_000
    }

    /// Returns Unix time.
    pub fn unix_ns(&self) -> UnixNs {
        self.unix_base.saturating_add_ns(self.now_ns)
    }
}
