//! The time of a thread's rounds.
use crate::sender::clock::SendingClock;
use crate::time::{MonotonicNs, MonotonicUs, UnixNs};

/// The time as last read. Everything that one event causes has the same time, so that a message
/// costs no reading of the clock.
pub struct RoundTime {
    clock: SendingClock,
    now_ns: MonotonicNs,
    /// When this round of the event loop began.
    began_ns: MonotonicNs,
}

impl RoundTime {
    pub fn new(clock: SendingClock) -> RoundTime {
        RoundTime { clock, now_ns: MonotonicNs::START, began_ns: MonotonicNs::START }
    }

    /// Reads the clock.
    pub fn tick(&mut self) {
        self.now_ns = self.clock.now_ns();
    }

    /// Reads the clock as a round begins.
    pub fn begin_round(&mut self) {
        self.tick();
        self.began_ns = self.now_ns;
    }

    /// Returns how long the round has lasted, in µs.
    pub fn round_us(&self) -> u64 {
        self.now_ns.ns_since(self.began_ns) / 1000
    }

    #[inline]
    pub fn now_ns(&self) -> MonotonicNs {
        self.now_ns
    }

    #[inline]
    pub fn now_us(&self) -> MonotonicUs {
        self.now_ns.us()
    }

    /// Returns Unix time.
    pub fn unix_ns(&self) -> UnixNs {
        self.clock.unix_ns(self.now_ns)
    }
}
