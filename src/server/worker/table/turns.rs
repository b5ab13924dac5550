//! Turns of connections, and what each connection waits for afterwards.
use super::{Interests, LINGER_TIME, Table};
use crate::server::connection::{Flow, TurnEnd};
use crate::server::listening::SocketInterest;
use crate::server::recording::Counters;
use crate::server::worker::place::{ConnKey, TablePlace};

impl<I: Interests> Table<I> {
    pub(super) fn run_turn(&mut self, place: TablePlace) {
        let Some(conn) = self.connections.at_mut(place) else { return };
        self.state.counters().serving(conn.id.session);
        let turn = self.state.turn(conn);
        self.after_turn(place, turn);
    }

    /// Acts on the end of a turn at `place`: puts the connection into the list for what it waits
    /// for, or closes it.
    pub(super) fn after_turn(&mut self, place: TablePlace, turn: TurnEnd) {
        match turn {
            TurnEnd::Closed => return self.close(place),
            TurnEnd::Identified => return self.admit_identified(place),
            TurnEnd::StartsTls => return self.begin_handshake_after_reply(place),
            _ => {}
        }
        let Some(conn) = self.connections.at_mut(place) else { return };
        let key = ConnKey { place, serial: conn.id.serial };
        let waits = conn.waits.after(turn, self.state.clock().now_ms());
        let before = std::mem::replace(&mut conn.waits, waits);
        if waits.is_for_turn() && !before.is_for_turn() {
            match conn.flow {
                Flow::Handshake(_) => self.handshakes.queue(key),
                _ => self.yielded.push(key),
            }
            if let Flow::Lingering { since_ms } = conn.flow {
                self.wheel.insert(key, since_ms.saturating_add(LINGER_TIME));
            }
        }
        if waits.is_for_log() && !before.is_for_log() {
            self.parked.push(key);
        }
        // Waiting for a commit is not a lack of room.
        if turn == TurnEnd::Parked && !conn.is_committing() {
            Counters::add(&self.state.counters().parked, 1);
            self.state.measurements().parked(conn);
        }
        let wanted = if waits.is_for_replies() {
            SocketInterest::ReadsAndWrites
        } else {
            SocketInterest::Reads
        };
        if wanted != conn.interest {
            self.change_interest(place, wanted);
        }
    }

    #[cold]
    fn change_interest(&mut self, place: TablePlace, wanted: SocketInterest) {
        let Some(conn) = self.connections.at_mut(place) else { return };
        conn.interest = wanted;
        if let Err(error) = self.interests.change(&mut conn.socket, place, wanted) {
            tracing::warn!(%error, client = %conn.client, "socket events could not be changed");
            self.close(place);
        }
    }

    /// Runs the connections that yielded.
    pub(super) fn run_yielded(&mut self) {
        let mut yielded = std::mem::take(&mut self.yielded);
        for key in yielded.drain(..) {
            // A connection that was dismissed meanwhile may wait for something else.
            let Some(conn) = self.connections.of(key).filter(|conn| conn.waits.is_for_turn())
            else {
                continue;
            };
            conn.waits = conn.waits.turn_begins();
            self.run_turn(key.place);
        }
        // Connections that yielded again in the meantime are in the new list.
        yielded.append(&mut self.yielded);
        self.yielded = yielded;
    }

    /// Lets every connection that waits for the log try again: there may be room.
    pub fn unpark(&mut self) {
        for key in std::mem::take(&mut self.parked) {
            self.retry(key);
        }
    }

    /// Lets the connection of `key` try again, if it still waits for the log.
    pub(super) fn retry(&mut self, key: ConnKey) {
        let Some(conn) = self.connections.of(key).filter(|conn| conn.waits.is_for_log()) else {
            return;
        };
        conn.waits = conn.waits.log_may_have_room();
        self.state.measurements().unparked(conn);
        self.yielded.push(key);
    }

    /// Closes the connection at `place`, and frees the place.
    pub(super) fn close(&mut self, place: TablePlace) {
        let Some(mut conn) = self.connections.remove(place) else { return };
        self.state.end(&mut conn);
        if self.handshakes.has_any() {
            self.handshake_ended(ConnKey { place, serial: conn.id.serial });
        }
        self.interests.leave(conn.counted_by());
        if conn.is_session {
            Counters::add(&self.state.counters().sessions_ended, 1);
            self.state.stop().session_ended();
        }
    }
}
