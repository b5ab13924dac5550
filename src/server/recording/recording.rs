//! What the event loop tells the statistics: whose time went where.
//!
//! Clocks are read twice a round, on waking and at its end, so the resolution is the round. Service
//! time runs from waking to the end of the round in which the reply left: it contains the queueing
//! the client felt. Think time runs from that end to the waking that brought the next octet. A
//! transaction ends where the round ends in which its final reply left, so it is never shorter than
//! the service time that it contains.
use std::sync::Arc;

use crate::stats::Recorder;

use super::transaction_times::TransactionTimes;
use crate::server::time_spent::{Lateness, Presence, TimeSpent};

/// Number of rounds whose ends are known exactly; a client that thinks for longer is measured from
/// when it was last heard, to a millisecond.
pub(super) const ROUNDS_KNOWN: usize = 1024;

/// A worker's statistics; without a recorder nothing is kept.
pub(crate) struct Recording {
    pub(super) recorder: Option<Recorder>,
    /// End of each of the last rounds, us of the worker's clock.
    pub(super) ends: Box<[u64; ROUNDS_KNOWN]>,
    pub(super) round: u32,
    pub(super) woke_us: u64,
    /// A second began while the loop was at work.
    pub(super) is_new_second: bool,
    /// Answered in this round.
    pub(super) commands: u64,
    pub(super) messages: u64,
    pub(super) time: TimeSpent,
    /// Shared by all workers.
    pub(super) presence: Arc<Presence>,
    /// A connection of this worker counts in `presence`.
    pub(super) is_present: bool,
    pub(super) lateness: Lateness,
    pub(super) transactions: TransactionTimes,
    /// How long the client whose turn it is has thought, or [`NOT_KNOWN`].
    pub(super) think_us: u64,
    /// The turn has read octets since commands were last counted.
    pub(super) has_read: bool,
}

pub(super) const NOT_KNOWN: u64 = u64::MAX;

impl Recording {
    pub fn new(recorder: Option<Recorder>, presence: Arc<Presence>) -> Recording {
        Recording {
            recorder,
            ends: Box::new([0; ROUNDS_KNOWN]),
            round: 1,
            woke_us: 0,
            is_new_second: false,
            commands: 0,
            messages: 0,
            time: TimeSpent::default(),
            presence,
            is_present: false,
            lateness: Lateness::default(),
            transactions: TransactionTimes::default(),
            think_us: NOT_KNOWN,
            has_read: false,
        }
    }

    /// From now on the thread that calls is asked how long it waited for a processor.
    pub fn watch_run_queue(&mut self) {
        self.lateness.watch_run_queue();
    }

    /// Whether a connection of this worker waits for anything, or is waited for.
    pub fn is_anybody_waiting(&self) -> bool {
        self.is_present
    }

    /// Connections that wait to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.accept_queue(length);
    }
}
