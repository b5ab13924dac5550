//! Notices a worker that does not come back from a loop round.
//!
//! A worker never waits, so a round takes milliseconds. One that takes longer means a bug or a
//! machine that is not giving the thread its time; either way every client of that worker waits.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::server::recording::Counters;

/// A round that takes longer is counted and logged. A thousand times what a busy round takes, and
/// a third of the shortest time after which senders give up.
pub(crate) const LONG_ROUND: Duration = Duration::from_secs(1);

/// Looks that a worker which seals its segments is left alone for: it waits for storage.
const SEALING_LOOKS: u32 = 8;

/// The thread that looks at all workers once in [`LONG_ROUND`].
pub(crate) struct Watchdog {
    /// Dropped to end the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One worker, as it was at the last look.
struct WorkerSeen {
    worker: Arc<Counters>,
    rounds: u64,
    /// Looks in a row that met it in the same round.
    looks: u32,
}

impl Watchdog {
    pub fn start(workers: &[Arc<Counters>]) -> std::io::Result<Watchdog> {
        let mut seen: Vec<WorkerSeen> = workers.iter().map(WorkerSeen::new).collect();
        let (running, ended) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LONG_ROUND) {
                for (index, seen) in seen.iter_mut().enumerate() {
                    if let Some(looks) = seen.look() {
                        say(index, looks, &seen.worker);
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
            // It does nothing that could panic; and if it did, sinkd would have ended.
            let _ = thread.join();
        }
    }
}

impl WorkerSeen {
    fn new(worker: &Arc<Counters>) -> WorkerSeen {
        WorkerSeen { worker: worker.clone(), rounds: 0, looks: 0 }
    }

    /// How many looks met the worker in the round it is in, whenever that is worth a line: at one,
    /// two, four, eight and so on.
    fn look(&mut self) -> Option<u32> {
        let rounds = self.worker.rounds.load(Ordering::Relaxed);
        if rounds != self.rounds || !self.worker.is_busy() {
            (self.rounds, self.looks) = (rounds, 0);
            return None;
        }
        self.looks += 1;
        let is_early = self.worker.is_sealing() && self.looks < SEALING_LOOKS;
        (self.looks.is_power_of_two() && !is_early).then_some(self.looks)
    }
}

#[cold]
fn say(index: usize, looks: u32, worker: &Counters) {
    tracing::error!(
        worker = index,
        at_least_s = u64::from(looks) * LONG_ROUND.as_secs(),
        doing = worker.doing_now(),
        "a worker is stuck in what it does: its clients wait"
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
        let looks = |seen: &mut WorkerSeen, n: u32| -> Vec<Option<u32>> {
            (0..n).map(|_| seen.look()).collect()
        };
        assert_eq!(looks(&mut seen, 3), [None; 3], "it sleeps");
        worker.doing(Doing::Timers);
        worker.rounds.store(1, Ordering::Relaxed);
        let said = [None, Some(1), Some(2), None, Some(4)];
        assert_eq!(looks(&mut seen, 5), said, "the first look has seen the round begin");
        worker.rounds.store(2, Ordering::Relaxed);
        assert_eq!(looks(&mut seen, 2), [None, Some(1)], "it came back, and began another");
        worker.doing(Doing::Sealing);
        worker.rounds.store(3, Ordering::Relaxed);
        let sealing = looks(&mut seen, 9);
        assert_eq!(sealing.iter().flatten().collect::<Vec<_>>(), [&8], "storage may take a while");
        worker.serving(7 << 48 | 3);
        assert!(worker.doing_now().contains("session 1970324836974595"), "{}", worker.doing_now());
    }
}
