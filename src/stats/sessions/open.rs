//! How many connections were open at once, over time.
use super::spread::ValueCounts;

/// Connections of one client, or of all.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenConnections {
    now: u64,
    since_us: u64,
    /// How long each number was open, us: 0 is left out.
    open_us: ValueCounts,
    /// The most, and since when, Unix us.
    peak: (u64, u64),
}

impl OpenConnections {
    /// Connections open now.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The most at once, and when that was first so, Unix us.
    pub fn peak(&self) -> (u64, u64) {
        self.peak
    }

    /// Counts one more connection since this time, Unix us.
    pub fn begin(&mut self, at_us: u64) {
        self.pass(at_us);
        self.now += 1;
        if self.now > self.peak.0 {
            self.peak = (self.now, self.since_us);
        }
    }

    /// Counts one connection less.
    pub fn end(&mut self, at_us: u64) {
        self.pass(at_us);
        self.now = self.now.saturating_sub(1);
    }

    /// What was before this time does not count.
    pub fn forget(&mut self, at_us: u64) {
        (self.open_us, self.peak) = (ValueCounts::default(), (self.now, at_us));
        self.since_us = at_us;
    }

    /// Time passes. Workers book what they did late in an earlier second: time never falls.
    pub fn pass(&mut self, at_us: u64) {
        let passed_us = at_us.saturating_sub(self.since_us);
        if self.now > 0 {
            self.open_us.add(self.now, passed_us);
        }
        self.since_us = self.since_us.max(at_us);
    }

    /// How many were open while any was, by time.
    pub fn over_time(&self) -> &ValueCounts {
        &self.open_us
    }
}
