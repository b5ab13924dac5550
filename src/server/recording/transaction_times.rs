//! Durations of transactions. A transaction ends with the round in which its final reply is sent.
use crate::stats::{Metric, Recorder};
use crate::time::MonotonicUs;

/// Start times of transactions whose final reply is about to be sent.
/// Bounded, because each has a reply in a buffer or was sent one in this round.
#[derive(Debug, Default)]
pub(crate) struct TransactionTimes {
    /// Transactions whose reply is part of this turn and was not sent yet.
    of_turn: Vec<MonotonicUs>,
    /// Transactions whose reply was sent in this round.
    of_round: Vec<MonotonicUs>,
    /// The number of transactions that also began in this round, which are not in `of_round`.
    short: u64,
}

impl TransactionTimes {
    /// Adds the transaction of an accepted message, whose final reply is part of this turn.
    #[inline]
    pub fn accepted(&mut self, began_us: MonotonicUs) {
        self.of_turn.push(began_us);
    }

    /// Moves the transactions of this turn to `kept`, as their replies could not be sent yet.
    pub fn set_aside(&mut self, kept: &mut Vec<MonotonicUs>) {
        kept.append(&mut self.of_turn);
    }

    /// Ends the transactions in `kept`: their replies were sent, or their client has disconnected.
    pub fn end_kept(&mut self, kept: &mut Vec<MonotonicUs>) {
        self.of_round.append(kept);
    }

    /// Ends the transactions of this turn: their replies were sent, or the client has disconnected.
    /// The round began at `wake_us`.
    #[inline]
    pub fn end_turn(&mut self, wake_us: MonotonicUs) {
        for &began_us in &self.of_turn {
            if began_us == wake_us { self.short += 1 } else { self.of_round.push(began_us) }
        }
        self.of_turn.clear();
    }

    /// Records the transactions of a round that began at `wake_us` and ends at `now_us`.
    pub fn record(&mut self, recorder: &mut Recorder, wake_us: MonotonicUs, now_us: MonotonicUs) {
        recorder.record_n(
            Metric::Transaction,
            now_us.us_since(wake_us),
            std::mem::take(&mut self.short),
        );
        for began_us in &self.of_round {
            recorder.record(Metric::Transaction, now_us.us_since(*began_us));
        }
        self.of_round.clear();
    }
}
