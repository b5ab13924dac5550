//! Statistics without their thread: a test takes what a worker hands over.
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::stats::recording::{Interval, Recorder};

/// One interval to record into, and others that wait to be recorded into or taken.
const INTERVALS: usize = 3;

/// Receives the seconds of a recorder, in place of the hub.
pub struct RecordersByHand {
    full: Receiver<Box<Interval>>,
    empty: Sender<Box<Interval>>,
}

impl RecordersByHand {
    /// Makes a recorder for this number of kinds of replies, and the receiver of its seconds.
    pub fn new(reply_kinds: usize) -> (RecordersByHand, Recorder) {
        RecordersByHand::by_listener(reply_kinds, 0)
    }

    /// Makes a recorder for these numbers of replies and listeners, and the receiver of its
    /// seconds.
    pub fn by_listener(reply_kinds: usize, listeners: usize) -> (RecordersByHand, Recorder) {
        let interval = || Box::new(Interval::by_listener(reply_kinds, listeners));
        let (to_hub, full) = bounded(INTERVALS);
        let (empty, to_worker) = bounded(INTERVALS);
        for _ in 1..INTERVALS {
            drop(empty.try_send(interval()));
        }
        (RecordersByHand { full, empty }, Recorder::new(interval(), to_worker, to_hub))
    }

    /// Calls `see` with each second handed over since the last call.
    pub fn take(&self, mut see: impl FnMut(&Interval)) {
        while let Ok(mut interval) = self.full.try_recv() {
            see(&interval);
            interval.clear();
            drop(self.empty.try_send(interval));
        }
    }
}
