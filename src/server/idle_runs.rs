//! Runs that begin by themselves: with the first message after a time without any.
use std::path::PathBuf;
use std::time::Duration;

use crate::log::{RunError, Runs};

const SECOND_NS: u64 = 1_000_000_000;

/// A second's messages are told this long after its end.
const TOLD_WITHIN_S: u64 = 2;

/// Begins and ends them. A run that a person began is left alone.
pub(super) struct IdleRuns {
    folder: PathBuf,
    idle_s: u64,
    /// The run under way is ours: its first second, by which it is named, and its last one with
    /// messages.
    under_way: Option<(u64, u64)>,
}

impl IdleRuns {
    pub fn new(folder: PathBuf, idle: Duration) -> IdleRuns {
        IdleRuns { folder, idle_s: idle.as_secs().max(1), under_way: None }
    }

    /// Messages came in this second (Unix time).
    pub fn messages_in(&mut self, second: u64) {
        if self.under_way.is_some_and(|(_, last)| second > last + self.idle_s) {
            self.end();
        }
        if let Some((_, last)) = &mut self.under_way {
            *last = second.max(*last);
        } else if self.begin(second) {
            self.under_way = Some((second, second));
        }
    }

    /// It is this second.
    pub fn time_is(&mut self, now: u64) {
        let over = |last| now > last + self.idle_s + TOLD_WITHIN_S;
        if self.under_way.is_some_and(|(_, last)| over(last)) {
            self.end();
        }
    }

    fn begin(&self, second: u64) -> bool {
        let start = || {
            if Runs::read(&self.folder)?.current().is_some() {
                return Ok(false);
            }
            Runs::start_at(&self.folder, &name(second), second * SECOND_NS).map(|_| true)
        };
        start().unwrap_or_else(|error: RunError| {
            tracing::warn!(%error, "a run can't begin");
            false
        })
    }

    fn end(&mut self) {
        let Some((first, last)) = self.under_way.take() else { return };
        let stop = || {
            // A person may have ended it, or begun another.
            let runs = Runs::read(&self.folder)?;
            let is_ours = runs.current().is_some_and(|run| run.name == name(first));
            is_ours.then(|| Runs::stop_at(&self.folder, (last + 1) * SECOND_NS)).transpose()
        };
        match stop() {
            Ok(_) | Err(RunError::NoneUnderWay) => {}
            Err(error) => tracing::warn!(%error, "a run can't end"),
        }
    }
}

impl Drop for IdleRuns {
    /// sinkd stops: so does the run.
    fn drop(&mut self) {
        self.end();
    }
}

/// By its first second.
fn name(second: u64) -> String {
    let at = i64::try_from(second).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    format!("auto-{}", at.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_seconds_between_two_pauses() {
        let dir = tempfile::tempdir().unwrap();
        let mut idle = IdleRuns::new(dir.path().to_owned(), Duration::from_secs(10));
        let spans = || {
            let runs = Runs::read(dir.path()).unwrap().runs;
            let s = |ns: u64| ns / SECOND_NS;
            runs.iter().map(|run| (s(run.from_ns), run.until_ns.map(s))).collect::<Vec<_>>()
        };
        idle.time_is(99);
        for second in [100, 105, 115] {
            idle.messages_in(second);
            idle.time_is(second + 1);
        }
        assert_eq!(spans(), [(100, None)]);
        idle.time_is(127);
        assert_eq!(spans(), [(100, None)]);
        idle.time_is(128);
        assert_eq!(spans(), [(100, Some(116))]);
        idle.messages_in(130);
        // Told of before the time was.
        idle.messages_in(141);
        drop(idle);
        assert_eq!(spans(), [(100, Some(116)), (130, Some(131)), (141, Some(142))]);
        assert_eq!(Runs::read(dir.path()).unwrap().runs[0].name, "auto-19700101T000140Z");
    }

    #[test]
    fn a_run_that_a_person_began_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        Runs::start_at(dir.path(), "mine", 90 * SECOND_NS).unwrap();
        let mut idle = IdleRuns::new(dir.path().to_owned(), Duration::from_secs(1));
        idle.messages_in(100);
        idle.time_is(200);
        drop(idle);
        assert_eq!(Runs::read(dir.path()).unwrap().current().unwrap().name, "mine");
    }

    #[test]
    fn a_run_that_a_person_began_meanwhile_does_not_end_with_ours() {
        let dir = tempfile::tempdir().unwrap();
        let mut idle = IdleRuns::new(dir.path().to_owned(), Duration::from_secs(1));
        idle.messages_in(100);
        Runs::start_at(dir.path(), "mine", 102 * SECOND_NS).unwrap();
        idle.time_is(200);
        let runs = Runs::read(dir.path()).unwrap();
        assert_eq!(runs.runs[0].until_ns, Some(102 * SECOND_NS));
        assert_eq!(runs.current().unwrap().name, "mine");
    }
}
