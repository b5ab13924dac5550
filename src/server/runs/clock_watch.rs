//! Notices when the system clock moves.
use std::sync::Arc;

use crate::log::{EventsFile, ProcessClock, RunError, Runs};

/// The system clock has moved if it is this much further from ours than when that was last said.
/// Drift does not: the monotonic clock is steered with the system clock.
const MOVED_NS: u64 = 1_000_000_000;

/// Notices that the system clock was set, or stood still while the machine slept: sinkd's times go
/// on as before, so they now differ from those of other programs. That is logged, and written down
/// as a mark.
#[derive(Debug)]
pub struct ClockWatch {
    events: Arc<EventsFile>,
    start_count: u32,
    /// How far ahead the system clock was when that was last said.
    said_ns: i64,
    /// What is still to be written down: since when, and how far ahead.
    unwritten: Option<(u64, i64)>,
}

impl ClockWatch {
    pub(crate) fn new(events: Arc<EventsFile>, start_count: u32) -> ClockWatch {
        ClockWatch { events, start_count, said_ns: 0, unwritten: None }
    }

    /// Costs two clock reads; to be called every few seconds.
    pub fn look(&mut self) {
        let clock = ProcessClock::get();
        self.see(clock.unix_ns(), clock.ahead_ns());
    }

    fn see(&mut self, now_ns: u64, ahead_ns: i64) {
        if ahead_ns.abs_diff(self.said_ns) >= MOVED_NS {
            self.said_ns = ahead_ns;
            self.unwritten = Some((now_ns, ahead_ns));
            tracing::warn!(
                ahead_s = ahead_ns as f64 / 1e9,
                "the system clock has moved: it was set, or the machine slept; sinkd's times and \
                 ages go on as before"
            );
        }
        let Some((at_ns, ahead_ns)) = self.unwritten else { return };
        match Runs::try_mark_clock(&self.events, self.start_count, at_ns, ahead_ns) {
            Err(RunError::Busy) => {}
            Ok(_) => self.unwritten = None,
            Err(error) => {
                self.unwritten = None;
                tracing::warn!(
                    %error,
                    "the system clock moved, but the mark could not be recorded"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_moves_is_written_down_once_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = ClockWatch::new(Arc::new(EventsFile::new(dir.path())), 3);
        let s = 1_000_000_000;
        for (second, ahead) in [(1, 0), (2, 900), (3, 7_200_000), (4, 7_200_400), (5, -5_000)] {
            watch.see(second * s, ahead * 1_000_000);
        }
        let marks = Runs::read(dir.path()).unwrap().marks;
        let said: Vec<_> = marks.iter().map(|mark| (mark.at_ns / s, &*mark.text)).collect();
        let ahead = "the system clock moved: it is 7200.000 s ahead of sinkd's";
        let behind = "the system clock moved: it is 5.000 s behind sinkd's";
        assert_eq!(said, [(3, ahead), (5, behind)]);
    }

    #[test]
    fn a_move_is_written_down_when_the_lock_is_free_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        file.lock().unwrap();
        let mut watch = ClockWatch::new(Arc::new(EventsFile::new(dir.path())), 1);
        watch.see(7, 2_000_000_000);
        watch.see(8, 2_000_000_000);
        assert_eq!(Runs::read(dir.path()).unwrap().marks, []);
        drop(file);
        watch.see(9, 2_000_000_000);
        assert_eq!(Runs::read(dir.path()).unwrap().marks[0].at_ns, 7);
    }
}
