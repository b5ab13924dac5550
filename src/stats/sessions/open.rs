//! Counts concurrent connections over time.
use super::spread::ValueCounts;

/// How many connections of one client, or of all, were open at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenConnections {
    now: u64,
    since_us: u64,
    /// How long each number was open, in µs; 0 is left out.
    open_us: ValueCounts,
    /// The maximum, and when it was first reached, in Unix µs.
    peak: (u64, u64),
}

impl OpenConnections {
    /// Returns the number of connections that are open at the latest time of any call.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Returns the maximum, and when it was first reached, in Unix µs.
    pub fn peak(&self) -> (u64, u64) {
        self.peak
    }

    /// Adds a connection at this time, in Unix µs.
    pub fn begin(&mut self, at_us: u64) {
        self.pass(at_us);
        self.now += 1;
        if self.now > self.peak.0 {
            self.peak = (self.now, self.since_us);
        }
    }

    /// Removes a connection at this time.
    pub fn end(&mut self, at_us: u64) {
        self.pass(at_us);
        self.now = self.now.saturating_sub(1);
    }

    /// Discards everything before this time.
    pub fn forget(&mut self, at_us: u64) {
        (self.open_us, self.peak) = (ValueCounts::default(), (self.now, at_us));
        self.since_us = at_us;
    }

    /// Advances the time, which never decreases: workers may report events of an earlier second
    /// late.
    pub fn pass(&mut self, at_us: u64) {
        let passed_us = at_us.saturating_sub(self.since_us);
        if self.now > 0 {
            self.open_us.add(self.now, passed_us);
        }
        self.since_us = self.since_us.max(at_us);
    }

    /// Returns the numbers of concurrent connections, weighted by time, while any was open.
    pub fn over_time(&self) -> &ValueCounts {
        &self.open_us
    }
}
