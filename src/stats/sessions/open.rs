//! Counts concurrent connections over time.
use crate::time::UnixNs;

use super::spread::ValueCounts;

/// How many connections of one client, or of all, were open at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenConnections {
    now: u64,
    since_ns: UnixNs,
    /// How long each number was open, in µs; 0 is left out.
    open_us: ValueCounts,
    /// The maximum, and when it was first reached.
    peak: (u64, UnixNs),
}

impl OpenConnections {
    /// Returns the number of connections that are open at the latest time of any call.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Returns the maximum, and when it was first reached.
    pub fn peak(&self) -> (u64, UnixNs) {
        self.peak
    }

    /// Adds a connection at this time.
    pub fn begin(&mut self, at_ns: UnixNs) {
        self.pass(at_ns);
        self.now += 1;
        if self.now > self.peak.0 {
            self.peak = (self.now, self.since_ns);
        }
    }

    /// Removes a connection at this time.
    pub fn end(&mut self, at_ns: UnixNs) {
        self.pass(at_ns);
        self.now = self.now.saturating_sub(1);
    }

    /// Discards everything before this time.
    pub fn forget(&mut self, at_ns: UnixNs) {
        (self.open_us, self.peak) = (ValueCounts::default(), (self.now, at_ns));
        self.since_ns = at_ns;
    }

    /// Advances the time, which never decreases: workers may report events of an earlier second
    /// late.
    pub fn pass(&mut self, at_ns: UnixNs) {
        let passed_us = at_ns.ns_since(self.since_ns) / 1000;
        if self.now > 0 {
            self.open_us.add(self.now, passed_us);
        }
        self.since_ns = self.since_ns.max(at_ns);
    }

    /// Returns the numbers of concurrent connections, weighted by time, while any was open.
    pub fn over_time(&self) -> &ValueCounts {
        &self.open_us
    }
}
