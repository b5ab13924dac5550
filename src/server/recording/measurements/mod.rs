//! What a worker measures of its rounds, sessions and turns, and passes to its recorder.
//!
//! Clocks are read twice a round, on waking and at its end, so the resolution is the round. Service
//! time runs from waking to the end of the round in which the reply was sent, so it includes the
//! time the client spent in the queue. Think time runs from that end to the waking that brought the
//! next octets. A transaction ends with the round in which its final reply was sent, so it is never
//! shorter than the service time within it.
mod messages;
mod rounds;
mod sessions;
mod turns;

use std::sync::Arc;

use crate::server::recording::transaction_times::TransactionTimes;
use crate::server::time_spent::{Lateness, Presence, TimeSpent};
use crate::stats::Recorder;
use crate::time::MonotonicUs;

/// Number of rounds whose end times are kept. If a client thinks for longer, its think time is
/// measured from its last input, to a millisecond.
const ROUNDS_KNOWN: usize = 1024;

/// What a worker measures. Without a recorder nothing is recorded.
pub(crate) struct Measurements {
    recorder: Option<Recorder>,
    /// End times of the last rounds.
    ends: Box<[MonotonicUs; ROUNDS_KNOWN]>,
    round: u32,
    wake_us: MonotonicUs,
    /// Whether a second began during the last round.
    is_new_second: bool,
    /// Commands and messages answered in this round.
    commands: u64,
    messages: u64,
    time: TimeSpent,
    /// Shared by all workers.
    presence: Arc<Presence>,
    /// Whether `presence` counts this worker at the moment: it has a connection in use.
    is_present: bool,
    lateness: Lateness,
    transactions: TransactionTimes,
    /// Think time of the client that has its turn; `None` if it is unknown, or recorded already.
    think_us: Option<u64>,
    /// Whether the turn has read octets since commands were last counted.
    has_read: bool,
}

impl Measurements {
    pub fn new(recorder: Option<Recorder>, presence: Arc<Presence>) -> Measurements {
        Measurements {
            recorder,
            ends: Box::new([MonotonicUs::START; ROUNDS_KNOWN]),
            round: 1,
            wake_us: MonotonicUs::START,
            is_new_second: false,
            commands: 0,
            messages: 0,
            time: TimeSpent::default(),
            presence,
            is_present: false,
            lateness: Lateness::default(),
            transactions: TransactionTimes::default(),
            think_us: None,
            has_read: false,
        }
    }

    /// Starts to measure how long the calling thread waits for a processor.
    pub fn watch_run_queue(&mut self) {
        self.lateness.watch_run_queue();
    }

    /// Returns whether a connection of this worker is in use.
    pub fn has_active_connections(&self) -> bool {
        self.is_present
    }

    /// Records the number of connections that wait to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.accept_queue(length);
    }
}
