//! Runs and marks: named moments of a data folder, kept in `events.jsonl`.
//!
//! Runs begin and end at whole seconds, because statistics are kept by the second. Messages sent
//! after the moment that [`Runs::start`] returns belong to the run.
use std::io;
use std::path::Path;
use std::time::Duration;

use super::event_lines::{Event, Moved};
use super::events;
use super::events_file::EventsFile;
use super::lock::HeldLock;
use crate::time::{Span, UnixNs};

/// Maximum length of a run's name, in octets.
const NAME_BYTES_MAX: usize = 64;
/// Maximum length of a mark's text, in octets.
const TEXT_BYTES_MAX: usize = 256;

/// A named span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Unique in the folder.
    pub name: String,
    /// Start: a whole second.
    pub from_ns: UnixNs,
    /// The first moment after the run. `None`: the run has not ended.
    pub until_ns: Option<UnixNs>,
}

impl Run {
    /// Returns the span of the run; without an upper bound if it has not ended.
    pub fn span(&self) -> Span {
        Span { since_ns: Some(self.from_ns), until_ns: self.until_ns }
    }
}

/// A moment with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When it was set.
    pub at_ns: UnixNs,
    /// The text of the mark, as the user wrote it.
    pub text: String,
}

/// Why a run or mark can't be found, started or set.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The name is blank, too long, contains '/', or can't be printed.
    #[error(
        "expected a run name of 1 to {NAME_BYTES_MAX} bytes without control characters or '/', \
         found '{}'",
        .0.escape_debug()
    )]
    Name(String),
    /// The text is blank, too long, or can't be printed.
    #[error("expected a mark of 1 to {TEXT_BYTES_MAX} bytes without control characters")]
    Text,
    /// Another run has this name.
    #[error("run '{0}' already exists; choose another name")]
    Taken(String),
    /// No run is in progress.
    #[error("no run is in progress")]
    NoneUnderWay,
    /// No run has this name.
    #[error("no run '{0}'")]
    Unknown(String),
    /// Another process holds the lock. Only sinkd, which does not wait for it, gets this error; it
    /// tries again later.
    #[error("another process holds the lock of events.jsonl")]
    Busy,
    /// `events.jsonl` can't be read or written.
    #[error("events.jsonl: {0}")]
    Io(io::Error),
}

/// Not derived by `#[from]`: the message already contains the cause, so it must not also be the
/// source.
impl From<io::Error> for RunError {
    fn from(cause: io::Error) -> RunError {
        RunError::Io(cause)
    }
}

/// The runs and marks of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// Ordered by start.
    pub runs: Vec<Run>,
    /// In the order they were set.
    pub marks: Vec<Mark>,
}

impl Runs {
    /// Reads all runs and marks. Costs one read of `events.jsonl`. A folder without that file has
    /// none.
    pub fn read(folder: &Path) -> io::Result<Runs> {
        Ok(Runs::of_events(events::all(folder)?))
    }

    /// Returns the runs and marks that these events, in the order written, make.
    pub(crate) fn of_events(events: impl IntoIterator<Item = Event>) -> Runs {
        let mut all = Runs::default();
        events.into_iter().for_each(|event| all.take(event));
        all
    }

    /// Returns a sentence if lines of `events.jsonl` are damaged: runs, marks, or entries about
    /// pruned segments may be missing.
    pub fn damage(folder: &Path) -> io::Result<Option<String>> {
        let lines = events::damaged_lines(folder)?;
        let Some(first) = lines.first() else { return Ok(None) };
        let others = match lines.len() - 1 {
            0 => String::new(),
            1 => " and 1 other line".to_owned(),
            n => format!(" and {n} other lines"),
        };
        Ok(Some(format!(
            "{}/events.jsonl:{first}{others}: damaged, or cut by a crash; a run, a mark or a note \
             of what was pruned is missing",
            folder.display()
        )))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::RunStarted { at_ns, name } => {
                self.end(at_ns);
                self.runs.push(Run { name, from_ns: at_ns, until_ns: None });
            }
            Event::RunStopped { at_ns } => self.end(at_ns),
            Event::Mark { at_ns, text, .. } => self.marks.push(Mark { at_ns, text }),
            Event::Pruned { .. } => {}
        }
    }

    /// Ends the run in progress, if there is one. If the clock was set back, it ends where it
    /// began, not earlier.
    fn end(&mut self, at_ns: UnixNs) {
        if let Some(run) = self.runs.last_mut().filter(|run| run.until_ns.is_none()) {
            run.until_ns = Some(at_ns.max(run.from_ns));
        }
    }

    /// Returns the run with this name.
    pub fn find(&self, name: &str) -> Result<&Run, RunError> {
        let found = self.runs.iter().find(|run| run.name == name);
        found.ok_or_else(|| RunError::Unknown(name.to_owned()))
    }

    /// Returns the run in progress.
    pub fn current(&self) -> Option<&Run> {
        self.runs.last().filter(|run| run.until_ns.is_none())
    }

    /// Begins a run at the next whole second, and ends the current one. Returns the moment, which
    /// the caller should wait for.
    pub fn start(folder: &Path, name: &str) -> Result<UnixNs, RunError> {
        Runs::start_at(folder, name, next_second_ns())
    }

    /// Begins a run at a given whole second.
    pub fn start_at(folder: &Path, name: &str, at_ns: UnixNs) -> Result<UnixNs, RunError> {
        Runs::check_name(name)?;
        start_in(events::locked(folder)?, folder, name, at_ns)
    }

    /// Begins a run without waiting for the lock, for sinkd.
    pub fn try_start_at(file: &EventsFile, name: &str, at_ns: UnixNs) -> Result<UnixNs, RunError> {
        Runs::check_name(name)?;
        start_in(locked(file)?, file.folder(), name, at_ns)
    }

    /// Ends the current run at the next whole second, and returns it. The caller should wait for
    /// that moment: messages before it belong to the run.
    pub fn stop(folder: &Path) -> Result<Run, RunError> {
        Runs::stop_at(folder, next_second_ns())
    }

    /// Ends the current run at a given whole second.
    pub fn stop_at(folder: &Path, at_ns: UnixNs) -> Result<Run, RunError> {
        stop_in(events::locked(folder)?, folder, at_ns)
    }

    /// Ends the current run without waiting for the lock, for sinkd.
    pub fn try_stop_at(file: &EventsFile, at_ns: UnixNs) -> Result<Run, RunError> {
        stop_in(locked(file)?, file.folder(), at_ns)
    }

    /// Sets a mark at this moment.
    pub fn mark(folder: &Path, text: &str) -> Result<Mark, RunError> {
        Runs::mark_at(folder, text, events::now_ns())
    }

    /// Sets a mark at a given moment.
    pub fn mark_at(folder: &Path, text: &str, at_ns: UnixNs) -> Result<Mark, RunError> {
        Runs::check_text(text)?;
        mark_in(events::locked(folder)?, text, at_ns, None)
    }

    /// Sets a mark without waiting for the lock, for sinkd.
    pub fn try_mark_at(file: &EventsFile, text: &str, at_ns: UnixNs) -> Result<Mark, RunError> {
        Runs::check_text(text)?;
        mark_in(locked(file)?, text, at_ns, None)
    }

    /// Records that the system clock has moved: since `at_ns` it has been ahead of the clock of
    /// this sinkd (start number `start` of the folder) by `ahead_ns`. Appears as a mark.
    pub fn try_mark_clock(
        file: &EventsFile,
        start: u32,
        at_ns: UnixNs,
        ahead_ns: i64,
    ) -> Result<Mark, RunError> {
        let moved = Moved { start, ahead_ns };
        mark_in(locked(file)?, &clock_text(ahead_ns), at_ns, Some(moved))
    }

    /// Returns an error if `name` can't be the name of a run.
    pub fn check_name(name: &str) -> Result<(), RunError> {
        let is_name = is_good(name, NAME_BYTES_MAX) && !name.contains('/');
        is_name.then_some(()).ok_or_else(|| RunError::Name(name.to_owned()))
    }

    /// Returns an error if `text` can't be the text of a mark.
    pub fn check_text(text: &str) -> Result<(), RunError> {
        is_good(text, TEXT_BYTES_MAX).then_some(()).ok_or(RunError::Text)
    }

    /// Returns `at_ns`, or the last start or end of a run if that is later, so that runs never
    /// overlap, even if the clock was set back.
    fn not_before(&self, at_ns: UnixNs) -> UnixNs {
        let last =
            self.runs.last().map_or(UnixNs::EPOCH, |run| run.until_ns.unwrap_or(run.from_ns));
        at_ns.max(last)
    }
}

fn locked(file: &EventsFile) -> Result<HeldLock, RunError> {
    file.try_lock()?.ok_or(RunError::Busy)
}

/// Begins a run. `file` is `events.jsonl` of `folder`, and must be locked.
fn start_in(
    mut file: HeldLock,
    folder: &Path,
    name: &str,
    at_ns: UnixNs,
) -> Result<UnixNs, RunError> {
    let before = Runs::read(folder)?;
    if before.find(name).is_ok() {
        return Err(RunError::Taken(name.to_owned()));
    }
    let at_ns = before.not_before(at_ns);
    let event = Event::RunStarted { at_ns, name: name.to_owned() };
    events::append_event(&mut file, &event)?;
    Ok(at_ns)
}

fn stop_in(mut file: HeldLock, folder: &Path, at_ns: UnixNs) -> Result<Run, RunError> {
    let before = Runs::read(folder)?;
    let run = before.current().ok_or(RunError::NoneUnderWay)?.clone();
    let at_ns = before.not_before(at_ns);
    events::append_event(&mut file, &Event::RunStopped { at_ns })?;
    Ok(Run { until_ns: Some(at_ns), ..run })
}

fn mark_in(
    mut file: HeldLock,
    text: &str,
    at_ns: UnixNs,
    clock: Option<Moved>,
) -> Result<Mark, RunError> {
    let mark = Mark { at_ns, text: text.to_owned() };
    let event = Event::Mark { at_ns, text: mark.text.clone(), clock };
    events::append_event(&mut file, &event)?;
    Ok(mark)
}

/// Returns the text of a mark about a moved clock.
fn clock_text(ahead_ns: i64) -> String {
    let by = Duration::from_nanos(ahead_ns.unsigned_abs());
    let by_s = by.as_secs_f64();
    if ahead_ns < 0 {
        format!("the system clock moved: it is {by_s:.3} s behind sinkd's")
    } else {
        format!("the system clock moved: it is {by_s:.3} s ahead of sinkd's")
    }
}

fn is_good(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

fn next_second_ns() -> UnixNs {
    UnixNs::of_second(events::now_ns().second().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_and_end_with_whole_seconds_and_never_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert!(matches!(Runs::stop(folder), Err(RunError::NoneUnderWay)));
        let s = UnixNs::of_second;
        Runs::start_at(folder, "one", s(100)).unwrap();
        assert!(matches!(Runs::start_at(folder, "one", s(101)), Err(RunError::Taken(_))));
        Runs::start_at(folder, "two", s(110)).unwrap();
        Runs::mark(folder, "half way").unwrap();
        // The clock was set back.
        assert_eq!(Runs::stop_at(folder, s(50)).unwrap().until_ns, Some(s(110)));
        Runs::start_at(folder, "three", s(60)).unwrap();
        let runs = Runs::read(folder).unwrap();
        let spans: Vec<_> = runs.runs.iter().map(|r| (r.from_ns, r.until_ns)).collect();
        assert_eq!(spans, [(s(100), Some(s(110))), (s(110), Some(s(110))), (s(110), None)]);
        assert_eq!(runs.current().unwrap().name, "three");
        assert_eq!(runs.marks[0].text, "half way");
        let run = Runs::stop(folder).unwrap();
        let until = run.until_ns.unwrap();
        assert_eq!(UnixNs::of_second(until.second()), until);
        assert!(runs.find("four").is_err() && runs.find("two").is_ok());
    }

    #[test]
    fn invalid_names_of_runs_and_marks_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", " ", "a\nb", "a/b", &"x".repeat(65)] {
            assert!(matches!(Runs::start(dir.path(), name), Err(RunError::Name(_))), "{name:?}");
        }
        assert!(matches!(Runs::mark(dir.path(), "\u{1b}[2J"), Err(RunError::Text)));
        assert_eq!(Runs::read(dir.path()).unwrap(), Runs::default());
    }
}
