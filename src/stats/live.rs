//! Sums since the start, for whoever asks while sinkd runs.
use std::sync::{Arc, Mutex, PoisonError};

use super::interval::Interval;

/// What was recorded since the start, as of the last whole second. The hub adds to it; workers
/// never touch it.
#[derive(Debug)]
pub struct Live {
    /// Locked for a copy of the pointer, or for a merge: whoever asks never makes the hub wait.
    total: Mutex<Arc<Interval>>,
    replies: Vec<String>,
}

impl Live {
    pub(super) fn new(replies: Vec<String>) -> Live {
        Live { total: Mutex::new(Arc::new(Interval::new(replies.len()))), replies }
    }

    /// A second has been merged. If somebody still reads the last sums, they are copied (0.1 ms).
    pub(super) fn add(&self, interval: &Interval) {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = Arc::make_mut(&mut total);
        sums.merge(interval);
        sums.second = interval.second;
    }

    /// The sums now; they don't change while they are looked at. `second` is the last one that is
    /// in them, 0 before the first.
    pub fn total(&self) -> Arc<Interval> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Code and enhanced code (`250 2.1.0`) of each sort of replies; some sorts have the same.
    pub fn reply_names(&self) -> &[String] {
        &self.replies
    }
}
