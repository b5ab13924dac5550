//! Marks and runs that clients name by NOOP (setting `noop_marks`).
//!
//! In this file, a mark is whatever a client requests: a mark, or the start or the end of a run.
//! Writing a mark requires locking and reading `events.jsonl`, which can take a while, so a
//! separate thread does it. A worker decides from state in memory, and replies that a mark is
//! *taken*. As each mark carries its time, it can be written later.
//!
//! While another process holds the lock of the file, the thread keeps the marks and tries again.
//! If it can't write one at all, it logs that: when the disk is full, when sinkctl began a run of
//! the same name within the last second, or when the lock isn't free within a second of the stop.
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::log::{EventsFile, RunError, Runs};
use crate::smtp::mark_command::{MarkCommand, MarkOutcome};
use crate::time::UnixNs;

/// Limit on the marks taken in a second, from all clients.
const PER_SECOND_MAX: u32 = 10;
/// Limit on the marks taken since the start. With the longest texts, consisting only of quotes,
/// they take 6 MB of `events.jsonl`.
const TOTAL_MAX: u32 = 10_000;
/// Limit on the marks that wait to be written.
const QUEUE_MAX: usize = 64;
/// How often the file is read for changes by sinkctl.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How often writing is retried while another process holds the lock.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// The workers' handle.
#[derive(Debug)]
pub(crate) struct MarkSender {
    state: Arc<Mutex<RunsState>>,
    to_thread: Sender<Taken>,
}

/// A mark that was taken and will be written.
#[derive(Debug)]
struct Taken {
    what: MarkRequest,
    /// When it was received.
    at_ns: UnixNs,
}

#[derive(Debug, Clone)]
enum MarkRequest {
    Mark(String),
    RunStart(String),
    RunStop,
}

/// The folder's runs as they will be once everything that was taken is written.
#[derive(Debug, Default)]
struct RunsState {
    names: HashSet<String>,
    has_current_run: bool,
    /// Number of marks that were taken and not written yet.
    pending: usize,
    /// The last second (Unix) in which a mark was taken, and the number taken in it.
    second: u64,
    in_second: u32,
    /// Number taken since the start.
    total: u32,
}

impl MarkSender {
    /// Reads the existing runs and starts the thread, which ends when all handles are dropped.
    ///
    /// Errors: `events.jsonl` can't be read, or the thread can't be started.
    pub fn start(events: Arc<EventsFile>) -> std::io::Result<(Arc<MarkSender>, JoinHandle<()>)> {
        let state = Arc::new(Mutex::new(RunsState::default()));
        lock(&state).follow(&Runs::read(events.folder())?);
        let (to_thread, taken) = bounded(QUEUE_MAX);
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("marks".into())
            .spawn(move || run(&events, &taken, &shared))?;
        Ok((Arc::new(MarkSender { state, to_thread }), thread))
    }

    /// Takes a mark that a client named at `at_ns`, or returns why not. Holds a lock
    /// briefly, and never during file access.
    pub fn take(&self, mark_command: &MarkCommand, at_ns: UnixNs) -> MarkOutcome {
        let Some(what) = MarkRequest::parse(mark_command) else { return MarkOutcome::Malformed };
        let mut state = lock(&self.state);
        // The channel is filled only under this lock, so room found here still exists below. The
        // thread may hold as many marks as the channel, so the limit applies to pending marks,
        // not to the channel's length.
        if state.pending >= QUEUE_MAX {
            return MarkOutcome::TooFast;
        }
        let outcome = state.take(&what, at_ns.second());
        if outcome == MarkOutcome::Taken && self.to_thread.try_send(Taken { what, at_ns }).is_err()
        {
            tracing::error!("the thread for marks has ended");
        }
        outcome
    }
}

impl MarkRequest {
    /// Returns `None` if the text or the name is invalid.
    fn parse(mark_command: &MarkCommand) -> Option<MarkRequest> {
        let text = |octets: &[u8]| std::str::from_utf8(octets).ok().map(str::to_owned);
        match mark_command {
            MarkCommand::Mark(octets) => {
                text(octets).filter(|text| Runs::check_text(text).is_ok()).map(MarkRequest::Mark)
            }
            MarkCommand::RunStart(octets) => text(octets)
                .filter(|name| Runs::check_name(name).is_ok())
                .map(MarkRequest::RunStart),
            MarkCommand::RunStop => Some(MarkRequest::RunStop),
        }
    }
}

impl RunsState {
    fn take(&mut self, what: &MarkRequest, second: u64) -> MarkOutcome {
        match what {
            MarkRequest::RunStart(name) if self.names.contains(name) => {
                return MarkOutcome::NameTaken;
            }
            MarkRequest::RunStop if !self.has_current_run => return MarkOutcome::NoRun,
            _ => {}
        }
        // The clocks of two workers may differ: a second that is over doesn't start again.
        if second > self.second {
            (self.second, self.in_second) = (second, 0);
        }
        if self.in_second == PER_SECOND_MAX {
            return MarkOutcome::TooFast;
        }
        if self.total == TOTAL_MAX {
            return MarkOutcome::TooMany;
        }
        self.in_second += 1;
        self.total += 1;
        self.pending += 1;
        match what {
            MarkRequest::Mark(_) => {}
            MarkRequest::RunStart(name) => {
                self.names.insert(name.clone());
                self.has_current_run = true;
            }
            MarkRequest::RunStop => self.has_current_run = false,
        }
        MarkOutcome::Taken
    }

    /// Adopts the runs of the file, unless marks are waiting to be written.
    fn follow(&mut self, runs: &Runs) {
        if self.pending == 0 {
            self.names = runs.runs.iter().map(|run| run.name.clone()).collect();
            self.has_current_run = runs.current().is_some();
        }
    }
}

/// Runs the thread: writes marks until all handles are dropped.
fn run(events: &EventsFile, taken: &Receiver<Taken>, state: &Mutex<RunsState>) {
    let mut waiting = VecDeque::new();
    loop {
        let patience = if waiting.is_empty() { READ_EVERY } else { RETRY_EVERY };
        match taken.recv_timeout(patience) {
            Ok(one) => waiting.push_back(one),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        write_all(events, &mut waiting, state);
        // If marks were taken meanwhile, they are pending, and `follow` changes nothing.
        match Runs::read(events.folder()) {
            Ok(runs) => lock(state).follow(&runs),
            Err(error) => tracing::warn!(%error, "cannot read the runs"),
        }
    }
    events.try_until_the_end(|| write_all(events, &mut waiting, state));
    for one in waiting {
        tracing::warn!(
            moment = ?one.what,
            "a run or mark set by NOOP was lost, because events.jsonl stayed locked"
        );
    }
}

/// Writes the waiting marks, the oldest first; returns `false` if another process holds the lock.
fn write_all(events: &EventsFile, waiting: &mut VecDeque<Taken>, state: &Mutex<RunsState>) -> bool {
    while let Some(one) = waiting.front() {
        match write(events, one) {
            Err(RunError::Busy) => return false,
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    moment = ?one.what,
                    "a run or mark set by NOOP was lost: it could not be written to events.jsonl"
                );
            }
        }
        waiting.pop_front();
        lock(state).pending -= 1;
    }
    true
}

/// Writes one mark. A run includes the whole seconds in which it begins and ends, so that its
/// sender doesn't have to wait for the next second.
fn write(events: &EventsFile, Taken { what, at_ns }: &Taken) -> Result<(), RunError> {
    let second = at_ns.second();
    match what {
        MarkRequest::Mark(text) => Runs::try_mark_at(events, text, *at_ns).map(drop),
        MarkRequest::RunStart(name) => {
            Runs::try_start_at(events, name, UnixNs::of_second(second)).map(drop)
        }
        MarkRequest::RunStop => {
            Runs::try_stop_at(events, UnixNs::of_second(second.saturating_add(1))).map(drop)
        }
    }
}

fn lock(state: &Mutex<RunsState>) -> MutexGuard<'_, RunsState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_marks(folder: &std::path::Path) -> (Arc<MarkSender>, JoinHandle<()>) {
        MarkSender::start(Arc::new(EventsFile::new(folder))).unwrap()
    }

    fn mark(text: &str) -> MarkCommand {
        MarkCommand::Mark(text.as_bytes().into())
    }

    fn start(name: &str) -> MarkCommand {
        MarkCommand::RunStart(name.as_bytes().into())
    }

    #[test]
    fn marks_are_written_with_the_second_in_which_they_were_received() {
        let dir = tempfile::tempdir().unwrap();
        Runs::start_at(dir.path(), "old", UnixNs::of_second(90)).unwrap();
        let (marks, thread) = start_marks(dir.path());
        let take = |mark_command: &MarkCommand, tenths: u64| {
            marks.take(mark_command, UnixNs::of_tenth(tenths))
        };
        assert_eq!(take(&start("old"), 1000), MarkOutcome::NameTaken);
        assert_eq!(take(&start("one"), 1007), MarkOutcome::Taken);
        assert_eq!(take(&start("one"), 1008), MarkOutcome::NameTaken);
        assert_eq!(take(&mark("half way"), 1055), MarkOutcome::Taken);
        assert_eq!(take(&MarkCommand::RunStop, 1103), MarkOutcome::Taken);
        assert_eq!(take(&MarkCommand::RunStop, 1104), MarkOutcome::NoRun);
        // In the second in which the previous run ended.
        assert_eq!(take(&start("two"), 1105), MarkOutcome::Taken);
        drop(marks);
        thread.join().unwrap();
        let runs = Runs::read(dir.path()).unwrap();
        let s = UnixNs::second;
        let spans: Vec<_> =
            runs.runs.iter().map(|run| (&*run.name, s(run.from_ns), run.until_ns.map(s))).collect();
        let all = [("old", 90, Some(100)), ("one", 100, Some(111)), ("two", 111, None)];
        assert_eq!(spans, all);
        assert_eq!(runs.marks[0].at_ns, UnixNs::of_tenth(1055));
    }

    #[test]
    fn a_locked_file_keeps_marks_waiting_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        file.lock().unwrap();
        let (marks, thread) = start_marks(dir.path());
        let mut taken = 0;
        for second in 100..120 {
            for _ in 0..PER_SECOND_MAX {
                let outcome = marks.take(&mark("x"), UnixNs::of_second(second));
                taken += usize::from(outcome == MarkOutcome::Taken);
            }
        }
        assert_eq!(taken, QUEUE_MAX);
        drop(file);
        drop(marks);
        thread.join().unwrap();
        assert_eq!(Runs::read(dir.path()).unwrap().marks.len(), QUEUE_MAX);
    }

    #[test]
    fn marks_are_limited_per_second_and_in_total() {
        let (mut state, text) = (RunsState::default(), MarkRequest::Mark("x".into()));
        for second in 0..u64::from(TOTAL_MAX / PER_SECOND_MAX) {
            for _ in 0..PER_SECOND_MAX {
                assert_eq!(state.take(&text, 100 + second), MarkOutcome::Taken);
            }
            assert_eq!(state.take(&text, 100 + second), MarkOutcome::TooFast);
            assert_eq!(state.take(&text, 99 + second), MarkOutcome::TooFast);
        }
        assert_eq!(state.take(&text, 1 << 40), MarkOutcome::TooMany);
    }

    #[test]
    fn invalid_texts_and_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (marks, thread) = start_marks(dir.path());
        let long = "x".repeat(300);
        for mark_command in [mark(""), mark(&long), mark("\u{9b}2J"), start("a/b"), start(&long)] {
            assert_eq!(
                marks.take(&mark_command, UnixNs::EPOCH),
                MarkOutcome::Malformed,
                "{mark_command:?}"
            );
        }
        let octets = MarkCommand::Mark([0xff, b'x'].as_slice().into());
        assert_eq!(marks.take(&octets, UnixNs::EPOCH), MarkOutcome::Malformed);
        drop(marks);
        thread.join().unwrap();
        assert!(!dir.path().join("events.jsonl").exists());
    }
}
