//! Detecting steps of the system clock.
use std::sync::Arc;

use crate::log::{EventsFile, RunError, Runs};
use crate::time::{ProcessClock, UnixNs};

/// A difference from our clock that has changed by this much since the last report is a step of the
/// system clock. Drift never is, as the monotonic clock is adjusted together with the system clock.
const MOVED_NS: u64 = 1_000_000_000;

/// Detects that the system clock was set, or that the machine slept. sinkd's clock is not affected,
/// so its times then differ from those of other programs. A step is logged and recorded as a mark.
#[derive(Debug)]
pub struct ClockWatch {
    events: Arc<EventsFile>,
    start_count: u32,
    /// How far ahead the system clock was at the last report.
    reported_ns: i64,
    /// A mark that was not written yet: when the step was detected, and how far ahead the system
    /// clock was.
    unwritten: Option<(UnixNs, i64)>,
}

impl ClockWatch {
    pub(crate) fn new(events: Arc<EventsFile>, start_count: u32) -> ClockWatch {
        ClockWatch { events, start_count, reported_ns: 0, unwritten: None }
    }

    /// Checks the system clock. Costs two clock reads; call this every few seconds.
    pub fn check(&mut self) {
        let clock = ProcessClock::get();
        self.observe(clock.unix_ns(), clock.ahead_ns());
    }

    fn observe(&mut self, now_ns: UnixNs, ahead_ns: i64) {
        if ahead_ns.abs_diff(self.reported_ns) >= MOVED_NS {
            self.reported_ns = ahead_ns;
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
    fn each_step_of_the_clock_is_recorded_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = ClockWatch::new(Arc::new(EventsFile::new(dir.path())), 3);
        for (second, ahead) in [(1, 0), (2, 900), (3, 7_200_000), (4, 7_200_400), (5, -5_000)] {
            watch.observe(UnixNs::of_second(second), ahead * 1_000_000);
        }
        let marks = Runs::read(dir.path()).unwrap().marks;
        let found: Vec<_> = marks.iter().map(|mark| (mark.at_ns.second(), &*mark.text)).collect();
        let ahead = "the system clock moved: it is 7200.000 s ahead of sinkd's";
        let behind = "the system clock moved: it is 5.000 s behind sinkd's";
        assert_eq!(found, [(3, ahead), (5, behind)]);
    }

    #[test]
    fn a_step_is_recorded_when_the_lock_is_free_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        file.lock().unwrap();
        let mut watch = ClockWatch::new(Arc::new(EventsFile::new(dir.path())), 1);
        watch.observe(UnixNs::new(7), 2_000_000_000);
        watch.observe(UnixNs::new(8), 2_000_000_000);
        assert_eq!(Runs::read(dir.path()).unwrap().marks, []);
        drop(file);
        watch.observe(UnixNs::new(9), 2_000_000_000);
        assert_eq!(Runs::read(dir.path()).unwrap().marks[0].at_ns, UnixNs::new(7));
    }
}
