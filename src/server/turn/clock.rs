//! The worker's clock, which is read as a round begins and as it ends, so that serving a connection
//! needs no clock reads.
use crate::time::{MonotonicMs, MonotonicNs, MonotonicUs, ProcessClock, UnixNs};

/// The time of the current round on the clock of the process, which all workers share.
#[derive(Debug)]
pub struct RoundClock {
    unix_base: UnixNs,
    now_ns: MonotonicNs,
}

impl RoundClock {
    pub fn start() -> RoundClock {
        let unix_base = ProcessClock::get().unix_base;
        RoundClock { unix_base, now_ns: MonotonicNs::START }
    }

    /// Sets the time, which the clock of the process showed.
    pub fn tick(&mut self, now_ns: MonotonicNs) {
        self.now_ns = now_ns;
    }

    /// Returns the time on the clock of the process.
    #[inline]
    pub fn now_us(&self) -> MonotonicUs {
        self.now_ns.us()
    }

    /// Returns the time on the clock of the process.
    #[inline]
    pub fn now_ms(&self) -> MonotonicMs {
        self.now_ns.ms()
    }

    /// Returns Unix time.
    pub fn unix_ns(&self) -> UnixNs {
        self.unix_base.at(self.now_ns)
    }
}
