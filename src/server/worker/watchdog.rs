//! A thread that reports workers stuck in a loop round.
//!
//! A worker never waits, so a round takes milliseconds. A longer one means a bug, or a machine that
//! doesn't run the thread; either way every client of that worker waits.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::server::recording::Counters;

/// A round that takes longer is counted and logged. This is a thousand times as long as a busy
/// round, and a third of the shortest time after which senders give up.
pub(crate) const LONG_ROUND: Duration = Duration::from_secs(1);

/// Number of checks before a worker that seals its segments is reported, as it may wait for
/// storage.
const SEALING_CHECKS: u32 = 8;

/// The thread, which checks all workers once every [`LONG_ROUND`].
pub(crate) struct Watchdog {
    /// Dropped to end the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One worker, as it was at the last check.
struct WorkerSeen {
    worker: Arc<Counters>,
    rounds: u64,
    /// Consecutive checks that found it in the same round.
    checks: u32,
}

impl Watchdog {
    pub fn start(workers: &[Arc<Counters>]) -> std::io::Result<Watchdog> {
        let mut seen: Vec<WorkerSeen> = workers.iter().map(WorkerSeen::new).collect();
        let (running, ended) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LONG_ROUND) {
                for (index, seen) in seen.iter_mut().enumerate() {
                    if let Some(checks) = seen.check() {
                        report(index, checks, &seen.worker);
                    }
                }
            }
        })?;
        Ok(Watchdog { running: Some(running), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // The thread does nothing that could panic.
            let _ = thread.join();
        }
    }
}

impl WorkerSeen {
    fn new(worker: &Arc<Counters>) -> WorkerSeen {
        WorkerSeen { worker: worker.clone(), rounds: 0, checks: 0 }
    }

    /// Checks the worker. Returns the number of checks that found it in its current round, whenever
    /// that is worth a log line: at one, two, four, eight and so on.
    fn check(&mut self) -> Option<u32> {
        let rounds = self.worker.rounds.load(Ordering::Relaxed);
        if rounds != self.rounds || !self.worker.is_busy() {
            (self.rounds, self.checks) = (rounds, 0);
            return None;
        }
        self.checks += 1;
        let is_early = self.worker.is_sealing() && self.checks < SEALING_CHECKS;
        (self.checks.is_power_of_two() && !is_early).then_some(self.checks)
    }
}

#[cold]
fn report(index: usize, checks: u32, worker: &Counters) {
    tracing::error!(
        worker = index,
        at_least_s = u64::from(checks) * LONG_ROUND.as_secs(),
        doing = worker.activity(),
        "a worker is stuck: its clients are waiting"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::recording::Doing;

    #[test]
    fn a_worker_that_stays_in_one_round_is_noticed_and_one_that_sleeps_is_not() {
        let worker = Arc::new(Counters::default());
        let mut seen = WorkerSeen::new(&worker);
        let checks = |seen: &mut WorkerSeen, n: u32| -> Vec<Option<u32>> {
            (0..n).map(|_| seen.check()).collect()
        };
        assert_eq!(checks(&mut seen, 3), [None; 3], "it sleeps");
        worker.doing(Doing::Timers);
        worker.rounds.store(1, Ordering::Relaxed);
        let expected = [None, Some(1), Some(2), None, Some(4)];
        assert_eq!(checks(&mut seen, 5), expected, "the first check noted the round");
        worker.rounds.store(2, Ordering::Relaxed);
        assert_eq!(checks(&mut seen, 2), [None, Some(1)], "it came back, and began another");
        worker.doing(Doing::Sealing);
        worker.rounds.store(3, Ordering::Relaxed);
        let sealing = checks(&mut seen, 9);
        assert_eq!(sealing.iter().flatten().collect::<Vec<_>>(), [&8], "storage may take a while");
        worker.serving(7 << 48 | 3);
        assert!(worker.activity().contains("session 1970324836974595"), "{}", worker.activity());
    }
}
