//! Sums since the start, for HTTP requests while sinkd runs.
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::interval::Interval;
use super::recorded_names::RecordedNames;
use super::sample::Sample;

/// Everything recorded since the start, up to the last whole second. The hub updates it; workers
/// never touch it.
#[derive(Debug)]
pub struct Live {
    /// Locked only to copy the pointer or to merge a second, so a reader never makes the hub wait
    /// for long.
    total: Mutex<Arc<Interval>>,
    names: RecordedNames,
    /// Messages not indexed at the last sample.
    index_lag_messages: AtomicU64,
    index_lag_s: AtomicU64,
    events_busy: AtomicU64,
    clock_ahead_ms: AtomicI64,
}

impl Live {
    pub(super) fn new(names: RecordedNames) -> Live {
        Live {
            total: Mutex::new(Arc::new(names.interval())),
            names,
            index_lag_messages: AtomicU64::new(0),
            index_lag_s: AtomicU64::new(0),
            events_busy: AtomicU64::new(0),
            clock_ahead_ms: AtomicI64::new(0),
        }
    }

    /// Adds a merged second. If a reader still holds the last sums, this copies them (0.1 ms).
    pub(super) fn add(&self, interval: &Interval) {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = Arc::make_mut(&mut total);
        sums.merge(interval);
        sums.second = interval.second;
    }

    pub(super) fn store_sample(&self, sample: &Sample) {
        self.index_lag_messages.store(sample.index_lag_messages, Ordering::Relaxed);
        self.index_lag_s.store(sample.index_lag_s, Ordering::Relaxed);
        self.events_busy.store(sample.events_busy, Ordering::Relaxed);
        self.clock_ahead_ms.store(sample.clock_ahead_ms, Ordering::Relaxed);
    }

    /// Returns the number of messages not indexed, and the age of the oldest in seconds, at the
    /// last sample. There is about one sample a second.
    pub fn index_lag(&self) -> (u64, u64) {
        let load = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (load(&self.index_lag_messages), load(&self.index_lag_s))
    }

    /// Returns how often the lock of `events.jsonl` has been busy since the start, as of the last
    /// sample.
    pub fn events_busy(&self) -> u64 {
        self.events_busy.load(Ordering::Relaxed)
    }

    /// Returns how far the system clock is ahead of sinkd's, in ms, at the last sample.
    pub fn clock_ahead_ms(&self) -> i64 {
        self.clock_ahead_ms.load(Ordering::Relaxed)
    }

    /// Returns the current sums, as an immutable snapshot. Its `second` is the last one included, 0
    /// before the first.
    pub fn total(&self) -> Arc<Interval> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns code and enhanced code (`250 2.1.0`) of each kind of reply; some kinds share a code.
    pub fn reply_names(&self) -> &[String] {
        &self.names.replies
    }

    /// Returns the names of the listeners, in the order of [`Interval::listeners`]; empty if
    /// listeners are not told apart.
    pub fn listener_names(&self) -> &[String] {
        &self.names.listeners
    }
}
