//! Statistics without their thread: what a worker hands over is taken when a test asks for it.
use crossbeam_channel::{Receiver, Sender, bounded};

use super::interval::Interval;
use super::recorder::Recorder;

/// One that is recorded into, and those that wait to be, or to be taken.
const INTERVALS: usize = 3;

/// Where a recorder hands its seconds over, in place of the hub.
pub struct RecordersByHand {
    full: Receiver<Box<Interval>>,
    empty: Sender<Box<Interval>>,
}

impl RecordersByHand {
    /// A recorder for replies of this number of kinds, and where its seconds arrive.
    pub fn new(reply_kinds: usize) -> (RecordersByHand, Recorder) {
        RecordersByHand::by_listener(reply_kinds, 0)
    }

    /// A recorder for replies and listeners of these numbers, and where its seconds arrive.
    pub fn by_listener(reply_kinds: usize, listeners: usize) -> (RecordersByHand, Recorder) {
        let interval = || Box::new(Interval::by_listener(reply_kinds, listeners));
        let (to_hub, full) = bounded(INTERVALS);
        let (empty, to_worker) = bounded(INTERVALS);
        for _ in 1..INTERVALS {
            drop(empty.try_send(interval()));
        }
        (RecordersByHand { full, empty }, Recorder::new(interval(), to_worker, to_hub))
    }

    /// Calls `see` with each second that was handed over since the last call.
    pub fn take(&self, mut see: impl FnMut(&Interval)) {
        while let Ok(mut interval) = self.full.try_recv() {
            see(&interval);
            interval.clear();
            drop(self.empty.try_send(interval));
        }
    }
}
