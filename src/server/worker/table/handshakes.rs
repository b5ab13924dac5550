//! Cold: the handshakes of TLS among a worker's connections.
use crate::smtp::policy::TlsUse;

use super::{Interests, LINGER_MS, Table};
use crate::server::connection::{Flow, TurnEnd, Waits};
use crate::server::worker::handshakes::STEPS_PER_ROUND;
use crate::server::worker::timer::TimerKey;

impl<I: Interests> Table<I> {
    /// Whether another handshake may begin.
    pub fn has_room_for_handshake(&self) -> bool {
        self.handshakes.has_room()
    }

    /// Whether connections to `listener` begin with TLS.
    pub fn begins_with_tls(&self, listener: usize) -> bool {
        self.rules(listener).policy.tls == TlsUse::Implicit
    }

    /// The connection at `place` begins its handshake, and needs octets for it.
    #[cold]
    pub(super) fn handshake_begins(&mut self, place: usize) -> TurnEnd {
        let now_ms = self.now_ms();
        let Some(conn) = self.conns[place].as_mut() else { return TurnEnd::Idle };
        let Some(tls) = &mut conn.tls else { return TurnEnd::Idle };
        tls.is_in_flight = true;
        self.handshakes.begins(TimerKey { place, serial: conn.serial }, now_ms);
        *self.state.room_for_handshake() = self.handshakes.has_room();
        TurnEnd::Idle
    }

    /// STARTTLS was answered: the handshake of the connection at `place` begins, and what its
    /// socket holds already is looked at.
    #[cold]
    pub(super) fn secures(&mut self, place: usize) {
        self.handshake_begins(place);
        self.after_turn(place, TurnEnd::Again);
    }

    /// A handshake that counted as under way has ended.
    #[cold]
    pub(super) fn handshake_ended(&mut self) {
        self.handshakes.ended();
        *self.state.room_for_handshake() = self.handshakes.has_room();
    }

    /// There is something to read for the handshake at `place`: it waits for its turn.
    #[cold]
    pub(super) fn queue_handshake(&mut self, place: usize) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        conn.waits = Waits::Turn { after_log_since_ms: None };
        self.handshakes.is_ready(TimerKey { place, serial: conn.serial });
    }

    /// The connection at `place` has had a turn: it may have left its handshake.
    #[cold]
    pub(super) fn follow_handshake(&mut self, place: usize) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        let is_in_handshake = matches!(conn.flow, Flow::Handshake);
        let Some(tls) = conn.tls.as_mut().filter(|_| !is_in_handshake) else { return };
        if std::mem::take(&mut tls.is_in_flight) {
            self.handshake_ended();
        }
    }

    /// The work of a round on handshakes.
    #[cold]
    pub(super) fn serve_handshakes(&mut self) {
        self.end_overdue_handshakes(self.now_ms());
        self.run_handshakes();
    }

    /// Runs as many steps as a round may have.
    fn run_handshakes(&mut self) {
        let mut steps = 0;
        while steps < STEPS_PER_ROUND
            && let Some(key) = self.handshakes.next_ready()
        {
            let Some(conn) = self.conn_of(key).filter(|conn| conn.waits.is_for_turn()) else {
                continue;
            };
            conn.waits = conn.waits.turn_begins();
            self.run_turn(key.place);
            steps += 1;
        }
    }

    /// Ends the handshakes that have had their time.
    fn end_overdue_handshakes(&mut self, now_ms: u64) {
        while let Some(key) = self.handshakes.next_overdue(now_ms) {
            let Some(conn) = self.conns[key.place].as_mut() else { continue };
            if conn.serial != key.serial || !matches!(conn.flow, Flow::Handshake) {
                continue;
            }
            let turn = self.state.handshake_overdue(conn);
            self.after_turn(key.place, turn);
            self.wheel.insert(key, now_ms + LINGER_MS);
        }
    }
}
