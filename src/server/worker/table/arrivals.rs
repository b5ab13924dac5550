//! Connections that arrive: admitted or turned away, placed, greeted.
use std::net::IpAddr;

use crate::config::Denied;
use crate::smtp::policy::TlsUse;
use crate::smtp::session::{Farewell, Session};

use super::{Interests, Table};
use crate::server::connection::{Conn, Flow, TurnEnd};
use crate::server::in_force::times::Times;
use crate::server::listening::Arrival;
use crate::server::recording::Counters;
use crate::server::transcripts::SessionIdentity;
use crate::server::turn::{PREAMBLE_MS, is_trusted};
use crate::server::worker::timer::TimerKey;

impl<I: Interests> Table<I> {
    /// Greets with 421 and closes; where a PROXY header or TLS would come first, only closes.
    #[cold]
    pub fn turn_away(&mut self, mut arrival: Arrival, why: Farewell) {
        let policy = self.rules(arrival.listener).policy.clone();
        if policy.is_proxied || policy.tls == TlsUse::Implicit {
            return self.state.recording().turned_away();
        }
        let mut session = Session::new(arrival.client, policy);
        self.state.turn_away(&mut arrival.socket, &mut session, why);
    }

    /// The client's address, if it is known at accept; `None` on a PROXY listener, where the header
    /// has yet to arrive.
    pub fn known_by(&self, arrival: &Arrival) -> Option<IpAddr> {
        let is_proxied = self.rules(arrival.listener).policy.is_proxied;
        arrival.client.ip().filter(|_| !is_proxied)
    }

    /// Whether a connection may be served at all: it is not one to a proxied listener from a
    /// network that is not trusted, which would be believed whatever it says.
    pub fn is_wanted(&mut self, arrival: &Arrival) -> bool {
        let is_proxied = self.rules(arrival.listener).policy.is_proxied;
        if is_proxied && !is_trusted(arrival.client, &self.generation.trusted) {
            let why = "it is not in a network of --proxy-trusted";
            self.state.refuse_as_proxy(arrival.client, why);
            return false;
        }
        true
    }

    /// Whether the lists of its listener let a connection in. If not, it is answered as they say.
    /// Of a proxy the client is asked about later.
    pub fn is_served(&mut self, arrival: &mut Arrival) -> bool {
        let rules = self.rules(arrival.listener);
        if rules.policy.is_proxied || rules.serves(arrival.client) {
            return true;
        }
        let (denied, policy) = (rules.denied, rules.policy.clone());
        self.state.recording().denied(arrival.listener);
        if denied == Denied::Reply && policy.tls != TlsUse::Implicit {
            let mut session = Session::new(arrival.client, policy);
            self.state.turn_away(&mut arrival.socket, &mut session, Farewell::Denied);
        }
        false
    }

    /// Assigns a connection its place, and greets it, unless a PROXY header comes first.
    pub fn begin(&mut self, arrival: Arrival) {
        let counted_by = arrival.counted_by();
        let Arrival { mut socket, client, listener, is_counted } = arrival;
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        if let Err(error) = self.interests.register(&mut socket, place) {
            tracing::warn!(%error, %client, "the connection could not be registered");
            self.free_places.push(place);
            self.interests.left(counted_by);
            return;
        }
        self.serial = self.serial.wrapping_add(1);
        let policy = self.rules(listener).policy.clone();
        let is_proxied = policy.is_proxied;
        let session = Session::new(client, policy);
        let session_id = self.session_base | self.sessions;
        self.sessions += 1;
        let mut conn = Conn::new(socket, session, self.serial, client, session_id);
        conn.is_counted = is_counted;
        conn.heard_ms = self.now_ms();
        conn.opened_us = self.state.clock().now_us();
        let key = TimerKey { place, serial: conn.serial };
        let Times { command_ms, data_ms, .. } = self.generation.times;
        let mut wait_ms = command_ms.min(data_ms);
        self.open += 1;
        if is_proxied {
            wait_ms = wait_ms.min(PREAMBLE_MS);
            conn.flow = Flow::Preamble;
            conn.is_session = false;
        }
        self.wheel.insert(key, conn.heard_ms + wait_ms);
        let turn = match is_proxied {
            true => TurnEnd::Idle,
            false => self.greet(&mut conn),
        };
        self.conns[place] = Some(conn);
        // The kernel tells when the hello has come.
        let turn = if turn == TurnEnd::Secures { self.handshake_begins(place) } else { turn };
        self.after_turn(place, turn);
    }

    /// Begins the session of a connection.
    fn greet(&mut self, conn: &mut Conn) -> TurnEnd {
        self.look_whether_xclient_is_allowed(conn);
        if let Some(transcripts) = self.state.transcripts().filter(|_| conn.is_session) {
            conn.transcript = transcripts.begin(&SessionIdentity {
                session: conn.session_id,
                client: conn.client,
                peer: conn.session.peer(),
                listener: conn.session.listener(),
                started_unix_ns: self.state.clock().unix_ns(),
                now_ms: self.state.clock().now_ms(),
            });
        }
        if conn.is_session {
            Counters::add(&self.state.counters().sessions, 1);
        }
        match conn.session.begins_with_tls() {
            true => self.state.begin_with_tls(conn),
            false => self.state.greet(conn),
        }
    }

    /// PROXY or XCLIENT has named the client of the connection at `place`.
    #[cold]
    pub(super) fn identified(&mut self, place: usize) {
        let Some(mut conn) = self.conns[place].take() else { return };
        if matches!(conn.flow, Flow::Undecided) {
            return self.named(place, conn);
        }
        let rules = self.rules(conn.session.listener_index());
        if conn.is_session && !rules.serves(conn.client) {
            let denied = rules.denied;
            return self.deny(place, conn, denied);
        }
        let counted = match conn.client.ip().filter(|_| conn.is_session) {
            Some(address) => self.interests.identified(address),
            None => Ok(false),
        };
        let turn = match counted {
            Ok(is_counted) => {
                conn.is_counted = is_counted;
                self.state.recording().identified(&conn);
                self.greet(&mut conn)
            }
            Err(why) => {
                conn.is_session = false;
                self.refuse(&mut conn, why)
            }
        };
        self.conns[place] = Some(conn);
        // What follows the header may be here already.
        let turn = if turn == TurnEnd::Idle { TurnEnd::Again } else { turn };
        self.after_turn(place, turn);
    }

    /// The client that a PROXY header has named is not served.
    #[cold]
    fn deny(&mut self, place: usize, mut conn: Conn, denied: Denied) {
        self.state.recording().denied(conn.session.listener_index());
        conn.is_session = false;
        let turn = match denied {
            Denied::Reply => self.refuse(&mut conn, Farewell::Denied),
            Denied::Close => TurnEnd::Closed,
        };
        self.conns[place] = Some(conn);
        self.after_turn(place, turn);
    }

    /// Ends a connection that was identified, with a reply where a greeting would be in plain text.
    #[cold]
    fn refuse(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        match conn.session.begins_with_tls() {
            true => TurnEnd::Closed,
            false => self.state.refuse(conn, why),
        }
    }
}
