//! Marks and runs that clients name by NOOP (setting `noop_marks`).
//!
//! `events.jsonl` is locked and read for each, which may take a while: a thread of its own does it.
//! A worker decides from what is known in memory, and says that a moment is *taken*. Since each
//! carries its time, nothing is lost by writing it later.
//!
//! While another process holds the lock of the file, the thread keeps what was taken, and tries
//! again. sinkd's own log names what the thread could not write in the end: the disk is full,
//! sinkctl began a run of the same name within the last second, or the lock is not free within a
//! second of the stop.
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::log::{EventsFile, RunError, Runs};
use crate::smtp::moment::{MarkCommand, MarkOutcome};

const SECOND_NS: u64 = 1_000_000_000;
/// Moments taken in a second, from all clients.
const PER_SECOND_MAX: u32 = 10;
/// Moments taken since the start: with the longest texts, all of it quotes, 6 MB of
/// `events.jsonl`.
const TOTAL_MAX: u32 = 10_000;
/// Moments on their way to the file.
const QUEUE_MAX: usize = 64;
/// How often to look at what sinkctl has written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often to try again while another process holds the lock.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The workers' side.
#[derive(Debug)]
pub(crate) struct MomentSender {
    state: Arc<Mutex<RunsState>>,
    to_thread: Sender<Taken>,
}

/// A moment that will be written down.
#[derive(Debug)]
struct Taken {
    what: MomentKind,
    /// Unix time, ns, when it was heard.
    at_ns: u64,
}

#[derive(Debug, Clone)]
enum MomentKind {
    Mark(String),
    RunStart(String),
    RunStop,
}

/// The folder's runs as they will be when everything that was taken is written down.
#[derive(Debug, Default)]
struct RunsState {
    names: HashSet<String>,
    is_run_under_way: bool,
    /// Taken, and not yet written down.
    pending: usize,
    /// The last second (Unix) in which one was taken, and how many in it.
    second: u64,
    in_second: u32,
    /// Since the start.
    total: u32,
}

impl MomentSender {
    /// Reads the runs there are and starts the thread, which ends when all handles are gone.
    ///
    /// Errors: `events.jsonl` can't be read, or no thread be had.
    pub fn start(events: Arc<EventsFile>) -> std::io::Result<(Arc<MomentSender>, JoinHandle<()>)> {
        let state = Arc::new(Mutex::new(RunsState::default()));
        lock(&state).follow(&Runs::read(events.folder())?);
        let (to_thread, taken) = bounded(QUEUE_MAX);
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("moments".into())
            .spawn(move || write_down(&events, &taken, &shared))?;
        Ok((Arc::new(MomentSender { state, to_thread }), thread))
    }

    /// Takes what a client named at `at_ns` (Unix time), or says why not. Costs a short lock, which
    /// is never held for a file.
    pub fn take(&self, moment: &MarkCommand, at_ns: u64) -> MarkOutcome {
        let Some(what) = MomentKind::of(moment) else { return MarkOutcome::Malformed };
        let mut state = lock(&self.state);
        // Only filled under the lock: what has room now has it below. The thread may hold as many
        // as the channel, so what is pending is counted, not what lies in there.
        if state.pending >= QUEUE_MAX {
            return MarkOutcome::TooFast;
        }
        let outcome = state.take(&what, at_ns / SECOND_NS);
        if outcome == MarkOutcome::Taken && self.to_thread.try_send(Taken { what, at_ns }).is_err()
        {
            tracing::error!("the thread for moments has ended");
        }
        outcome
    }
}

impl MomentKind {
    /// `None`: the text, or the name, is not one.
    fn of(moment: &MarkCommand) -> Option<MomentKind> {
        let text = |octets: &[u8]| std::str::from_utf8(octets).ok().map(str::to_owned);
        match moment {
            MarkCommand::Mark(octets) => {
                text(octets).filter(|text| Runs::check_text(text).is_ok()).map(MomentKind::Mark)
            }
            MarkCommand::RunStart(octets) => {
                text(octets).filter(|name| Runs::check_name(name).is_ok()).map(MomentKind::RunStart)
            }
            MarkCommand::RunStop => Some(MomentKind::RunStop),
        }
    }
}

impl RunsState {
    fn take(&mut self, what: &MomentKind, second: u64) -> MarkOutcome {
        match what {
            MomentKind::RunStart(name) if self.names.contains(name) => {
                return MarkOutcome::NameTaken;
            }
            MomentKind::RunStop if !self.is_run_under_way => return MarkOutcome::NoRun,
            _ => {}
        }
        // Clocks of two workers may differ: a second that is over does not begin again.
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
            MomentKind::Mark(_) => {}
            MomentKind::RunStart(name) => {
                self.names.insert(name.clone());
                self.is_run_under_way = true;
            }
            MomentKind::RunStop => self.is_run_under_way = false,
        }
        MarkOutcome::Taken
    }

    /// As the file has it, unless more is on its way there.
    fn follow(&mut self, runs: &Runs) {
        if self.pending == 0 {
            self.names = runs.runs.iter().map(|run| run.name.clone()).collect();
            self.is_run_under_way = runs.current().is_some();
        }
    }
}

/// The thread.
fn write_down(events: &EventsFile, taken: &Receiver<Taken>, state: &Mutex<RunsState>) {
    let mut waiting = VecDeque::new();
    loop {
        let patience = if waiting.is_empty() { LOOK_EVERY } else { TRY_EVERY };
        match taken.recv_timeout(patience) {
            Ok(one) => waiting.push_back(one),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        write_all(events, &mut waiting, state);
        // What is taken meanwhile is pending: then this is passed over.
        match Runs::read(events.folder()) {
            Ok(runs) => lock(state).follow(&runs),
            Err(error) => tracing::warn!(%error, "cannot read the runs"),
        }
    }
    events.try_until_the_end(|| write_all(events, &mut waiting, state));
    for one in waiting {
        tracing::warn!(
            moment = ?one.what,
            "a run or mark set by NOOP was lost: events.jsonl stayed locked"
        );
    }
}

/// Writes what waits, the oldest first; `false`: another process holds the lock.
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

/// A run has the whole seconds in which it begins and ends: its sender does not wait for the next.
fn write(events: &EventsFile, Taken { what, at_ns }: &Taken) -> Result<(), RunError> {
    let second_ns = at_ns / SECOND_NS * SECOND_NS;
    match what {
        MomentKind::Mark(text) => Runs::try_mark_at(events, text, *at_ns).map(drop),
        MomentKind::RunStart(name) => Runs::try_start_at(events, name, second_ns).map(drop),
        MomentKind::RunStop => {
            Runs::try_stop_at(events, second_ns.saturating_add(SECOND_NS)).map(drop)
        }
    }
}

fn lock(state: &Mutex<RunsState>) -> MutexGuard<'_, RunsState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_moments(folder: &std::path::Path) -> (Arc<MomentSender>, JoinHandle<()>) {
        MomentSender::start(Arc::new(EventsFile::new(folder))).unwrap()
    }

    fn mark(text: &str) -> MarkCommand {
        MarkCommand::Mark(text.as_bytes().into())
    }

    fn start(name: &str) -> MarkCommand {
        MarkCommand::RunStart(name.as_bytes().into())
    }

    #[test]
    fn what_is_taken_is_written_with_the_second_it_was_heard_in() {
        let dir = tempfile::tempdir().unwrap();
        Runs::start_at(dir.path(), "old", 90 * SECOND_NS).unwrap();
        let (moments, thread) = start_moments(dir.path());
        let take =
            |moment: &MarkCommand, tenths: u64| moments.take(moment, tenths * SECOND_NS / 10);
        assert_eq!(take(&start("old"), 1000), MarkOutcome::NameTaken);
        assert_eq!(take(&start("one"), 1007), MarkOutcome::Taken);
        assert_eq!(take(&start("one"), 1008), MarkOutcome::NameTaken);
        assert_eq!(take(&mark("half way"), 1055), MarkOutcome::Taken);
        assert_eq!(take(&MarkCommand::RunStop, 1103), MarkOutcome::Taken);
        assert_eq!(take(&MarkCommand::RunStop, 1104), MarkOutcome::NoRun);
        // In the second that belongs to the run before.
        assert_eq!(take(&start("two"), 1105), MarkOutcome::Taken);
        drop(moments);
        thread.join().unwrap();
        let runs = Runs::read(dir.path()).unwrap();
        let s = |ns: u64| ns / SECOND_NS;
        let spans: Vec<_> =
            runs.runs.iter().map(|run| (&*run.name, s(run.from_ns), run.until_ns.map(s))).collect();
        let all = [("old", 90, Some(100)), ("one", 100, Some(111)), ("two", 111, None)];
        assert_eq!(spans, all);
        assert_eq!(runs.marks[0].at_ns, 105_500_000_000);
    }

    #[test]
    fn a_lock_that_is_taken_keeps_moments_waiting_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        file.lock().unwrap();
        let (moments, thread) = start_moments(dir.path());
        let mut taken = 0;
        for second in 100..120 {
            for _ in 0..PER_SECOND_MAX {
                taken +=
                    usize::from(moments.take(&mark("x"), second * SECOND_NS) == MarkOutcome::Taken);
            }
        }
        assert_eq!(taken, QUEUE_MAX);
        drop(file);
        drop(moments);
        thread.join().unwrap();
        assert_eq!(Runs::read(dir.path()).unwrap().marks.len(), QUEUE_MAX);
    }

    #[test]
    fn moments_are_bounded_by_the_second_and_in_all() {
        let (mut state, text) = (RunsState::default(), MomentKind::Mark("x".into()));
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
        let (moments, thread) = start_moments(dir.path());
        let long = "x".repeat(300);
        for moment in [mark(""), mark(&long), mark("\u{9b}2J"), start("a/b"), start(&long)] {
            assert_eq!(moments.take(&moment, 0), MarkOutcome::Malformed, "{moment:?}");
        }
        let octets = MarkCommand::Mark([0xff, b'x'].as_slice().into());
        assert_eq!(moments.take(&octets, 0), MarkOutcome::Malformed);
        drop(moments);
        thread.join().unwrap();
        assert!(!dir.path().join("events.jsonl").exists());
    }
}
