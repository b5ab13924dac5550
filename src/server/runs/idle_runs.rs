//! Automatic runs, which begin with the first message after idle time.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::log::{EventsFile, RunError, Runs};
use crate::time::UnixNs;

/// The message count of a second arrives within this time after its end.
const REPORTED_WITHIN_S: u64 = 2;
/// Limit on beginnings and ends that wait to be written. While that many wait, no run begins.
const WAITING_MAX: usize = 1024;

/// Begins and ends automatic runs. It never changes a run that a person began.
///
/// It never waits for the lock of `events.jsonl`: if the file is locked, lines are written later,
/// with their original times.
pub(crate) struct IdleRuns {
    events: Arc<EventsFile>,
    idle_s: u64,
    /// The current run, if it is automatic: its first second, which is part of its name, and its
    /// last second with messages.
    current: Option<(u64, u64)>,
    /// Lines that were not written yet, the oldest first.
    waiting: VecDeque<RunLine>,
}

/// A line to be written.
#[derive(Debug, Clone, Copy)]
enum RunLine {
    /// A run begins with this second.
    Start(u64),
    /// The run that began with second `first` ends after second `last`.
    Stop { first: u64, last: u64 },
}

impl IdleRuns {
    pub fn new(events: Arc<EventsFile>, idle: Duration) -> IdleRuns {
        let idle_s = idle.as_secs().max(1);
        IdleRuns { events, idle_s, current: None, waiting: VecDeque::new() }
    }

    /// Notes that messages arrived in `second` (Unix time).
    pub fn messages_in(&mut self, second: u64) {
        if self.has_been_idle(second, 0) {
            self.end();
        }
        if let Some((_, last)) = &mut self.current {
            *last = second.max(*last);
        } else if self.waiting.len() < WAITING_MAX {
            self.current = Some((second, second));
            self.waiting.push_back(RunLine::Start(second));
        }
        self.write();
    }

    /// Sets the time to second `now`.
    pub fn tick(&mut self, now: u64) {
        if self.has_been_idle(now, REPORTED_WITHIN_S) {
            self.end();
        }
        self.write();
    }

    fn has_been_idle(&self, now: u64, more_s: u64) -> bool {
        let pause_s = self.idle_s.saturating_add(more_s);
        self.current.is_some_and(|(_, last)| now > last.saturating_add(pause_s))
    }

    fn end(&mut self) {
        if let Some((first, last)) = self.current.take() {
            self.waiting.push_back(RunLine::Stop { first, last });
        }
    }

    /// Writes the waiting lines; returns `false` if another process holds the lock.
    fn write(&mut self) -> bool {
        while let Some(line) = self.waiting.front().copied() {
            let written = match line {
                RunLine::Start(second) => self.start(second),
                RunLine::Stop { first, last } => self.stop(first, last),
            };
            match written {
                Err(RunError::Busy) => return false,
                Ok(()) | Err(RunError::NoneUnderWay) => {}
                Err(error) => tracing::warn!(%error, ?line, "a run cannot begin or end"),
            }
            self.waiting.pop_front();
        }
        true
    }

    fn start(&mut self, second: u64) -> Result<(), RunError> {
        let started = Runs::read(self.events.folder()).map_err(RunError::Io).and_then(|runs| {
            if runs.current().is_some() {
                return Ok(false);
            }
            let at_ns = UnixNs::of_second(second);
            Runs::try_start_at(&self.events, &name(second), at_ns).map(|_| true)
        });
        // A run that did not begin has no end, and the next message may begin another run.
        if !matches!(started, Ok(true) | Err(RunError::Busy))
            && self.current.is_some_and(|(first, _)| first == second)
        {
            self.current = None;
        }
        started.map(drop)
    }

    fn stop(&self, first: u64, last: u64) -> Result<(), RunError> {
        // A person may have ended the run, or begun another.
        let runs = Runs::read(self.events.folder())?;
        if runs.current().is_some_and(|run| run.name == name(first)) {
            let at_ns = UnixNs::of_second(last.saturating_add(1));
            Runs::try_stop_at(&self.events, at_ns)?;
        }
        Ok(())
    }
}

impl Drop for IdleRuns {
    /// Ends the run, as sinkd stops.
    fn drop(&mut self) {
        self.end();
        let events = self.events.clone();
        events.try_until_the_end(|| self.write());
        if !self.waiting.is_empty() {
            let lines = self.waiting.len();
            tracing::warn!(lines, "events.jsonl stayed locked: runs that began or ended are lost");
        }
    }
}

/// Returns a run's name, from its first second.
fn name(second: u64) -> String {
    let at = i64::try_from(second).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    format!("auto-{}", at.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(folder: &std::path::Path, seconds: u64) -> IdleRuns {
        IdleRuns::new(Arc::new(EventsFile::new(folder)), Duration::from_secs(seconds))
    }

    #[test]
    fn runs_are_written_with_their_times_once_the_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        file.lock().unwrap();
        let mut idle = idle(dir.path(), 10);
        idle.messages_in(100);
        idle.messages_in(105);
        idle.tick(120);
        idle.messages_in(130);
        assert_eq!(Runs::read(dir.path()).unwrap().runs, []);
        drop(file);
        idle.tick(131);
        let runs = Runs::read(dir.path()).unwrap().runs;
        let s = UnixNs::second;
        let spans: Vec<_> = runs.iter().map(|r| (s(r.from_ns), r.until_ns.map(s))).collect();
        assert_eq!(spans, [(100, Some(106)), (130, None)]);
    }

    #[test]
    fn a_run_spans_the_seconds_between_two_pauses() {
        let dir = tempfile::tempdir().unwrap();
        let mut idle = idle(dir.path(), 10);
        let spans = || {
            let runs = Runs::read(dir.path()).unwrap().runs;
            let s = UnixNs::second;
            runs.iter().map(|run| (s(run.from_ns), run.until_ns.map(s))).collect::<Vec<_>>()
        };
        idle.tick(99);
        for second in [100, 105, 115] {
            idle.messages_in(second);
            idle.tick(second + 1);
        }
        assert_eq!(spans(), [(100, None)]);
        idle.tick(127);
        assert_eq!(spans(), [(100, None)]);
        idle.tick(128);
        assert_eq!(spans(), [(100, Some(116))]);
        idle.messages_in(130);
        // The messages are reported before the time is.
        idle.messages_in(141);
        drop(idle);
        assert_eq!(spans(), [(100, Some(116)), (130, Some(131)), (141, Some(142))]);
        assert_eq!(Runs::read(dir.path()).unwrap().runs[0].name, "auto-19700101T000140Z");
    }

    #[test]
    fn a_run_that_a_person_began_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        Runs::start_at(dir.path(), "mine", UnixNs::of_second(90)).unwrap();
        let mut idle = idle(dir.path(), 1);
        idle.messages_in(100);
        idle.tick(200);
        drop(idle);
        assert_eq!(Runs::read(dir.path()).unwrap().current().unwrap().name, "mine");
    }

    #[test]
    fn a_run_that_a_person_began_meanwhile_does_not_end_with_ours() {
        let dir = tempfile::tempdir().unwrap();
        let mut idle = idle(dir.path(), 1);
        idle.messages_in(100);
        Runs::start_at(dir.path(), "mine", UnixNs::of_second(102)).unwrap();
        idle.tick(200);
        let runs = Runs::read(dir.path()).unwrap();
        assert_eq!(runs.runs[0].until_ns, Some(UnixNs::of_second(102)));
        assert_eq!(runs.current().unwrap().name, "mine");
    }
}
