//! Turns of connections: how long clients think, and which commands and replies a turn had.
use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::tally::{CommandTally, Verb};
use crate::stats::{Counter, Metric};

use super::recording::{NOT_KNOWN, ROUNDS_KNOWN, Recording};
use super::spends::spends;
use crate::server::connection::{Conn, Flow, Replied, TurnEnd, Waits};
use crate::server::payload::Framing;
use crate::server::time_spent::Spends;

/// A client's pauses between octets are recorded from this length on: what is shorter has many
/// causes, and would cost a histogram's update with each read.
const PAUSE_MIN_MS: u64 = 20;

/// What the next octets of a client are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedOctets {
    /// Its answer to what we said.
    Command,
    /// The first of a payload, its answer to 354.
    Payload,
    /// More of a chunk: they were due whatever we said.
    Rest,
}

impl ExpectedOctets {
    pub fn of(flow: &Flow) -> ExpectedOctets {
        match flow {
            Flow::Payload(transfer) if matches!(transfer.framing, Framing::Data(_)) => {
                ExpectedOctets::Payload
            }
            Flow::Payload(_) | Flow::Discard { .. } => ExpectedOctets::Rest,
            _ => ExpectedOctets::Command,
        }
    }
}

impl Recording {
    /// The turn of another connection begins.
    pub fn begin_turn(&mut self) {
        (self.think_us, self.has_read) = (NOT_KNOWN, false);
    }

    /// Octets have come from a client.
    pub fn heard(&mut self, conn: &mut Conn, expected: ExpectedOctets) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        self.has_read = true;
        if !conn.replied.answer() {
            // It had answered already, so it did not wait for us; nor did we make it wait.
            let pause_ms = (self.woke_us / 1000).saturating_sub(conn.heard_ms);
            if pause_ms >= PAUSE_MIN_MS && conn.waits == Waits::Octets {
                recorder.record(Metric::Pause, pause_ms * 1000);
            }
            return;
        }
        let age = conn.replied.age(self.round);
        if age == 0 {
            // It didn't wait for that reply: what comes now was there before. No round trip.
            return self.answered(conn, expected, 0);
        }
        let is_known = age < ROUNDS_KNOWN as u32;
        let end_us = self.ends[self.round.wrapping_sub(age) as usize % ROUNDS_KNOWN];
        let since_us = if is_known { end_us } else { conn.heard_ms * 1000 };
        if expected == ExpectedOctets::Rest {
            // Until then it waited for us.
            if let Some(transfer) = conn.transfer_mut() {
                transfer.first_us = transfer.first_us.max(since_us);
            }
            return;
        }
        let think_us = self.woke_us.saturating_sub(since_us);
        recorder.add(Counter::Exchanges, 1);
        conn.spending.answered(think_us);
        self.answered(conn, expected, think_us);
    }

    fn answered(&mut self, conn: &mut Conn, expected: ExpectedOctets, think_us: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        match (expected, conn.transfer_mut()) {
            (ExpectedOctets::Rest, _) => {}
            (ExpectedOctets::Payload, transfer) => {
                recorder.record(Metric::ThinkPayload, think_us);
                if let Some(transfer) = transfer {
                    transfer.first_us = self.woke_us;
                }
            }
            (ExpectedOctets::Command, transfer) => {
                self.think_us = think_us;
                if let Some(transfer) = transfer {
                    // Between two chunks: no octet of it was on its way meanwhile.
                    transfer.first_us += think_us;
                }
            }
        }
    }

    /// Commands were consumed.
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
        let (think_us, verb) = (self.think_us, tally.first);
        (self.think_us, tally.first) = (NOT_KNOWN, None);
        let Some(verb) = verb.filter(|_| think_us != NOT_KNOWN) else { return };
        // What follows a final reply is the next message, however it begins.
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

    /// A command was accepted although it broke these rules.
    #[cold]
    pub fn tolerated(&mut self, kinds: Deviations) {
        let Some(recorder) = &mut self.recorder else { return };
        for kind in kinds.kinds() {
            recorder.add(counter_of(kind), 1);
        }
    }

    /// The replies of the turn have left.
    pub fn replied(&mut self, conn: &mut Conn) {
        conn.replied = Replied::in_round(self.round);
        self.transactions.end_turn(self.woke_us);
    }

    /// The client did not take all replies of the turn; `waiting` keeps which transactions end
    /// when it has.
    #[cold]
    pub fn not_replied(&mut self, waiting: &mut Vec<u64>) {
        self.transactions.keep(waiting);
    }

    /// The replies for which the transactions of `waiting` waited have left, or their client has
    /// gone.
    #[cold]
    pub fn replied_late(&mut self, mut waiting: Vec<u64>) {
        self.transactions.end_kept(&mut waiting);
    }

    /// The turn of `conn` ended with `turn`.
    pub fn end_turn(&mut self, conn: &mut Conn, turn: TurnEnd) {
        if self.recorder.is_none() {
            return;
        }
        self.transactions.end_turn(self.woke_us);
        let to = spends(conn, turn);
        self.lateness.turn();
        if !matches!(to, Spends::Away | Spends::Opening) {
            self.time.begun(&mut conn.spending);
        }
        match conn.replied.is_in(self.round) {
            true => self.time.served(&mut conn.spending, to),
            false => self.time.moves(&mut conn.spending, to),
        }
    }

    /// The client has closed without QUIT.
    pub fn hung_up(&mut self, conn: &mut Conn) {
        self.heard(conn, ExpectedOctets::Command);
        let think_us = std::mem::replace(&mut self.think_us, NOT_KNOWN);
        if let Some(recorder) = &mut self.recorder
            && matches!(conn.flow, Flow::Commands { .. })
            && think_us != NOT_KNOWN
        {
            recorder.record(Metric::ThinkClose, think_us);
        }
    }

    /// A transfer is parked: the log has no room for it yet.
    pub fn parked(&mut self, conn: &mut Conn) {
        // What it waits with is there: the client has answered.
        self.heard(conn, ExpectedOctets::of(&conn.flow));
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::StorageWaits, 1);
        if let Some(transfer) = conn.transfer_mut() {
            transfer.parked_since_us = Some(self.woke_us);
        }
    }

    /// A parked transfer continues.
    pub fn unparked(&mut self, conn: &mut Conn) {
        // Without a recorder none has a beginning.
        let Some(transfer) = conn.transfer_mut() else { return };
        let Some(since) = transfer.parked_since_us.take() else { return };
        let wait_us = self.woke_us.saturating_sub(since);
        // Meanwhile nothing was on its way.
        transfer.first_us += wait_us;
    }
}

fn counter_of(kind: Deviation) -> Counter {
    Counter::TOLERATED[kind as usize - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_deviation_has_the_counter_of_its_name() {
        assert_eq!(Counter::TOLERATED.len(), Deviation::ALL.len());
        for kind in Deviation::ALL {
            assert_eq!(counter_of(kind).deviation().as_deref(), Some(kind.name()));
        }
    }
}
