//! TLS handshakes of a worker's connections; all of this is cold.
use crate::smtp::policy::TlsUse;
use crate::time::MonotonicMs;

use super::{Interests, LINGER_TIME, Table};
use crate::server::connection::{Flow, TurnEnd, Waits};
use crate::server::worker::handshakes::STEPS_PER_ROUND;
use crate::server::worker::place::{ConnKey, TablePlace};

impl<I: Interests> Table<I> {
    /// Returns whether another handshake may begin.
    pub fn has_room_for_handshake(&self) -> bool {
        self.handshakes.has_room()
    }

    /// Returns whether connections to `listener` begin with TLS.
    pub fn begins_with_tls(&self, listener: usize) -> bool {
        self.rules(listener).policy.options().tls == TlsUse::Implicit
    }

    /// Begins the handshake of the connection at `place`, which needs octets for it.
    #[cold]
    pub(super) fn begin_handshake(&mut self, place: TablePlace) -> TurnEnd {
        let now_ms = self.now_ms();
        let Some(conn) = self.connections.at(place) else { return TurnEnd::Idle };
        self.handshakes.add(ConnKey { place, serial: conn.id.serial }, now_ms);
        self.state.set_handshakes_left(self.handshakes.left());
        TurnEnd::Idle
    }

    /// Begins the handshake of the connection at `place` after the reply to STARTTLS. Its socket
    /// may hold octets already, so it gets another turn.
    #[cold]
    pub(super) fn begin_handshake_after_reply(&mut self, place: TablePlace) {
        self.begin_handshake(place);
        self.after_turn(place, TurnEnd::Again);
    }

    /// Notes the end of the handshake of `key`, if there was one.
    #[cold]
    pub(super) fn handshake_ended(&mut self, key: ConnKey) {
        self.handshakes.remove(key);
        self.state.set_handshakes_left(self.handshakes.left());
    }

    /// Queues the connection at `place`, whose handshake has something to read.
    #[cold]
    pub(super) fn queue_handshake(&mut self, place: TablePlace) {
        let Some(conn) = self.connections.at_mut(place) else { return };
        conn.waits = Waits::Turn;
        self.handshakes.queue(ConnKey { place, serial: conn.id.serial });
    }

    /// Returns whether the connection of `key` is in a handshake.
    fn is_handshaking(&mut self, key: ConnKey) -> bool {
        self.connections.of(key).is_some_and(|conn| matches!(conn.flow, Flow::Handshake(_)))
    }

    /// Does a round's work on handshakes.
    #[cold]
    pub(super) fn serve_handshakes(&mut self) {
        self.end_overdue_handshakes(self.now_ms());
        self.run_handshakes();
    }

    /// Runs handshake steps, up to the limit per round.
    fn run_handshakes(&mut self) {
        let mut steps = 0;
        while steps < STEPS_PER_ROUND
            && let Some(key) = self.handshakes.next_ready()
        {
            let Some(conn) = self.connections.of(key).filter(|conn| conn.waits.is_for_turn())
            else {
                continue;
            };
            conn.waits = conn.waits.turn_begins();
            self.run_turn(key.place);
            if !self.is_handshaking(key) {
                self.handshake_ended(key);
            }
            steps += 1;
        }
    }

    /// Ends handshakes whose deadline has passed.
    fn end_overdue_handshakes(&mut self, now_ms: MonotonicMs) {
        while let Some(key) = self.handshakes.next_overdue(now_ms) {
            let Some(conn) = self.connections.of(key) else { continue };
            if !matches!(conn.flow, Flow::Handshake(_)) {
                continue;
            }
            let turn = self.state.handshake_overdue(conn);
            self.after_turn(key.place, turn);
            self.handshake_ended(key);
            self.wheel.insert(key, now_ms.saturating_add(LINGER_TIME));
        }
    }
}
