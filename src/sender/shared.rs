//! State shared by the threads of a run and their owner.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::time::MonotonicNs;

/// Figures that all threads of a run update, and the flag that stops them.
#[derive(Debug, Default)]
pub struct SharedRun {
    /// Set to begin nothing more. A separate flag, so that a signal handler can set it.
    pub stop: Arc<AtomicBool>,
    /// The number of messages done, up to a tenth of a second old.
    pub done: AtomicU64,
    /// The number of open connections.
    pub open: AtomicU64,
    /// When a connection of any thread was last useful.
    pub(super) last_useful: LatestTime,
    /// When the target last answered a message of any thread; up to a tenth of a second old.
    pub(super) last_answer: LatestTime,
}

/// The latest [`MonotonicNs`] that any thread recorded.
///
/// All accesses are relaxed, because only the time itself is shared.
#[derive(Debug, Default)]
pub(super) struct LatestTime(AtomicU64);

impl LatestTime {
    /// The value before the first record: no thread records anything at time 0.
    const NEVER: u64 = 0;

    /// Records `at_ns`; an earlier time than the recorded one changes nothing.
    pub fn record(&self, at_ns: MonotonicNs) {
        self.0.fetch_max(at_ns.get(), Ordering::Relaxed);
    }

    /// Returns the latest recorded time; `None` before the first.
    pub fn get(&self) -> Option<MonotonicNs> {
        let latest = Some(self.0.load(Ordering::Relaxed)).filter(|ns| *ns != LatestTime::NEVER);
        latest.map(MonotonicNs::new)
    }
}
