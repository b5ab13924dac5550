//! When transactions end: where the round ends in which their final reply leaves.
use crate::stats::{Metric, Recorder};

/// Transactions that are over but for their final reply: when they began, us of the worker's clock.
/// No more than have their replies in the buffers of a round.
#[derive(Debug, Default)]
pub(crate) struct TransactionTimes {
    /// The turn has the reply, which is not sent yet.
    of_turn: Vec<u64>,
    /// The reply has left in this round.
    of_round: Vec<u64>,
    /// Those of them that began in this round.
    short: u64,
}

impl TransactionTimes {
    /// A message was accepted; the turn has its final reply.
    #[inline]
    pub fn accepted(&mut self, began_us: u64) {
        self.of_turn.push(began_us);
    }

    /// The client does not take the replies of the turn yet: `kept` holds what waits for that.
    pub fn keep(&mut self, kept: &mut Vec<u64>) {
        kept.append(&mut self.of_turn);
    }

    /// The replies for which `kept` was kept have left, or their client has.
    pub fn end_kept(&mut self, kept: &mut Vec<u64>) {
        self.of_round.append(kept);
    }

    /// The replies of the turn have left, or their client has. The round began at `woke_us`.
    #[inline]
    pub fn end_turn(&mut self, woke_us: u64) {
        for &began_us in &self.of_turn {
            match began_us == woke_us {
                true => self.short += 1,
                false => self.of_round.push(began_us),
            }
        }
        self.of_turn.clear();
    }

    /// The round ends at `now_us`.
    pub fn record(&mut self, recorder: &mut Recorder, woke_us: u64, now_us: u64) {
        recorder.record_n(Metric::Transaction, now_us - woke_us, std::mem::take(&mut self.short));
        for began_us in &self.of_round {
            recorder.record(Metric::Transaction, now_us.saturating_sub(*began_us));
        }
        self.of_round.clear();
    }
}
