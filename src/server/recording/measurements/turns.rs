//! Recording of turns: think times, commands and replies.
use crate::smtp::deviation::Deviations;
use crate::smtp::tally::{CommandTally, Verb};
use crate::stats::{Counter, Metric};
use crate::time::MonotonicUs;

use super::{Measurements, ROUNDS_KNOWN};
use crate::server::connection::{Conn, Flow, Replied, TurnEnd, Waits};
use crate::server::recording::expected_octets::ExpectedOctets;
use crate::server::recording::state_after::state_after;
use crate::server::time_spent::ConnectionState;

/// The shortest pause between a client's octets that is recorded. Shorter ones have many causes,
/// and would cost an update of a histogram with each read.
const PAUSE_MIN_MS: u64 = 20;

impl Measurements {
    /// Begins the turn of another connection.
    pub fn begin_turn(&mut self) {
        (self.think_us, self.has_read) = (None, false);
    }

    /// Records that octets were read from a client.
    pub fn octets_read(&mut self, conn: &mut Conn, expected: ExpectedOctets) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        self.has_read = true;
        if !conn.statistics.replied.answer() {
            // The client had answered already, so neither side waited for the other.
            let pause_ms = self.wake_us.ms().ms_since(conn.times.last_active_ms);
            if pause_ms >= PAUSE_MIN_MS && conn.waits == Waits::Octets {
                recorder.record(Metric::Pause, pause_ms * 1000);
            }
            return;
        }
        let age = conn.statistics.replied.age(self.round);
        if age == 0 {
            // The client didn't wait for that reply: these octets had arrived before it. So this is
            // not a round trip.
            return self.answered(conn, expected, 0);
        }
        let is_known = age < ROUNDS_KNOWN as u32;
        let end_us = self.ends[self.round.wrapping_sub(age) as usize % ROUNDS_KNOWN];
        let since_us = if is_known { end_us } else { conn.times.last_active_ms.us() };
        if expected == ExpectedOctets::Rest {
            // Until then the payload waited for us.
            if let Some(transfer) = conn.transfer_mut() {
                transfer.first_us = transfer.first_us.max(since_us);
            }
            return;
        }
        let think_us = self.wake_us.us_since(since_us);
        recorder.add(Counter::Exchanges, 1);
        conn.statistics.spending.answered(think_us);
        self.answered(conn, expected, think_us);
    }

    fn answered(&mut self, conn: &mut Conn, expected: ExpectedOctets, think_us: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        match (expected, conn.transfer_mut()) {
            (ExpectedOctets::Rest, _) => {}
            (ExpectedOctets::Payload, transfer) => {
                recorder.record(Metric::ThinkPayload, think_us);
                if let Some(transfer) = transfer {
                    transfer.first_us = self.wake_us;
                }
            }
            (ExpectedOctets::Command, transfer) => {
                self.think_us = Some(think_us);
                if let Some(transfer) = transfer {
                    // Between two chunks no octet of the payload was in transit.
                    transfer.first_us = transfer.first_us.saturating_add_us(think_us);
                }
            }
        }
    }

    /// Records the commands that were consumed.
    pub fn consumed(&mut self, conn: &Conn, tally: &mut CommandTally) {
        if tally.commands == 0 {
            return;
        }
        let Some(recorder) = &mut self.recorder else { return };
        let commands = u64::from(tally.commands);
        tally.commands = 0;
        if !conn.is_session {
            tally.first = None;
            return;
        }
        self.commands += commands;
        if self.has_read {
            self.has_read = false;
            recorder.commands(commands);
        }
        let (think_us, verb) = (self.think_us.take(), tally.first.take());
        let (Some(think_us), Some(verb)) = (think_us, verb) else { return };
        // After the final reply to a message, MAIL begins the next one.
        let is_next = conn.session.messages() > 0;
        let metric = match verb {
            Verb::Hello => Metric::ThinkEhlo,
            Verb::Mail if is_next => Metric::ThinkNext,
            Verb::Mail => Metric::ThinkMail,
            Verb::Rcpt => Metric::ThinkRcpt,
            Verb::Data => Metric::ThinkData,
            Verb::Quit => Metric::ThinkClose,
            Verb::Other => return,
        };
        recorder.record(metric, think_us);
    }

    /// Counts the rules that an accepted command broke.
    #[cold]
    pub fn tolerated(&mut self, kinds: Deviations) {
        let Some(recorder) = &mut self.recorder else { return };
        for kind in kinds.kinds() {
            recorder.add(Counter::from(kind), 1);
        }
    }

    /// Records that the replies of the turn were sent.
    pub fn replied(&mut self, conn: &mut Conn) {
        conn.statistics.replied = Replied::in_round(self.round);
        self.transactions.end_turn(self.wake_us);
    }

    /// Moves the transactions of the turn to `waiting`: they end once their replies are sent.
    #[cold]
    pub fn not_replied(&mut self, waiting: &mut Vec<MonotonicUs>) {
        self.transactions.set_aside(waiting);
    }

    /// Ends the transactions of `waiting`: their replies were sent, or their client has
    /// disconnected.
    #[cold]
    pub fn replied_late(&mut self, mut waiting: Vec<MonotonicUs>) {
        self.transactions.end_kept(&mut waiting);
    }

    /// Records the end of a turn of `conn`, which ended with `turn`.
    pub fn end_turn(&mut self, conn: &mut Conn, turn: TurnEnd) {
        if self.recorder.is_none() {
            return;
        }
        self.transactions.end_turn(self.wake_us);
        let to = state_after(conn, turn);
        self.lateness.turn();
        if !matches!(to, ConnectionState::Away | ConnectionState::Opening) {
            self.time.record_first_transaction(&mut conn.statistics.spending);
        }
        if conn.statistics.replied.is_in(self.round) {
            self.time.served(&mut conn.statistics.spending, to)
        } else {
            self.time.move_to(&mut conn.statistics.spending, to)
        }
    }

    /// Records that the client closed the connection without QUIT.
    pub fn hung_up(&mut self, conn: &mut Conn) {
        self.octets_read(conn, ExpectedOctets::Command);
        let think_us = self.think_us.take();
        if let Some(recorder) = &mut self.recorder
            && matches!(conn.flow, Flow::Commands { .. })
            && let Some(think_us) = think_us
        {
            recorder.record(Metric::ThinkClose, think_us);
        }
    }

    /// Records that a transfer waits for room in the log.
    pub fn parked(&mut self, conn: &mut Conn) {
        // The octets that wait have arrived, so the client has answered.
        self.octets_read(conn, ExpectedOctets::for_flow(&conn.flow));
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::StorageWaits, 1);
        if let Some(transfer) = conn.transfer_mut() {
            transfer.parked_since_us = Some(self.wake_us);
        }
    }

    /// Records that a parked transfer continues.
    pub fn unparked(&mut self, conn: &mut Conn) {
        // Without a recorder no start time is set.
        let Some(transfer) = conn.transfer_mut() else { return };
        let Some(since_us) = transfer.parked_since_us.take() else { return };
        let wait_us = self.wake_us.us_since(since_us);
        // Meanwhile no octets were in transit.
        transfer.first_us = transfer.first_us.saturating_add_us(wait_us);
    }
}
