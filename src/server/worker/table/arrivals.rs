//! New connections: turned away, or placed in the table and greeted.
use std::net::IpAddr;

use crate::config::Denied;
use crate::smtp::policy::TlsUse;
use crate::smtp::session::{Farewell, Session};

use super::{Interests, Table};
use crate::server::connection::{Conn, ConnId, Flow, TurnEnd};
use crate::server::listening::Arrival;
use crate::server::recording::Counters;
use crate::server::settings::times::Times;
use crate::server::transcripts::SessionIdentity;
use crate::server::turn::{PREAMBLE_TIME, is_trusted};
use crate::server::worker::place::TablePlace;

impl<I: Interests> Table<I> {
    /// Greets a connection with the reply for `why` and closes it. If a PROXY header or TLS would
    /// come first, only closes it.
    #[cold]
    pub fn turn_away(&mut self, mut arrival: Arrival, why: Farewell) {
        let policy = self.rules(arrival.listener).policy.clone();
        if policy.options().is_proxied || policy.options().tls == TlsUse::Implicit {
            return self.state.measurements().turned_away();
        }
        let mut session = Session::new(arrival.client, policy);
        self.state.turn_away(&mut arrival.socket, &mut session, why);
    }

    /// Returns the client's address if it is known when the connection is accepted. `None` on a
    /// proxied listener, where the header has yet to arrive.
    pub fn known_address(&self, arrival: &Arrival) -> Option<IpAddr> {
        let is_proxied = self.rules(arrival.listener).policy.options().is_proxied;
        arrival.client.ip().filter(|_| !is_proxied)
    }

    /// Admits the peer of a connection. On a proxied listener, only peers in trusted networks are
    /// admitted, as their headers are believed; others are logged. Returns whether it was admitted.
    pub fn admit_peer(&mut self, arrival: &Arrival) -> bool {
        let is_proxied = self.rules(arrival.listener).policy.options().is_proxied;
        if is_proxied && !is_trusted(arrival.client, &self.settings.get().trusted) {
            let why = "it is not in a network of proxy_trusted";
            self.state.refuse_as_proxy(arrival.client, why);
            return false;
        }
        true
    }

    /// Admits a connection if the lists of its listener do; otherwise answers it as the listener's
    /// rules say. For a proxied connection, the client is checked later, when it is known. Returns
    /// whether the connection was admitted.
    pub fn admit_by_lists(&mut self, arrival: &mut Arrival) -> bool {
        let rules = self.rules(arrival.listener);
        if rules.policy.options().is_proxied || rules.serves(arrival.client) {
            return true;
        }
        let (denied, policy) = (rules.denied, rules.policy.clone());
        self.state.measurements().denied(arrival.listener);
        if denied == Denied::Reply && policy.options().tls != TlsUse::Implicit {
            let mut session = Session::new(arrival.client, policy);
            self.state.turn_away(&mut arrival.socket, &mut session, Farewell::Denied);
        }
        false
    }

    /// Puts a connection into the table and greets it, unless a PROXY header comes first.
    pub fn begin(&mut self, arrival: Arrival) {
        let counted_by = arrival.counted_by();
        let Arrival { mut socket, client, listener, is_counted } = arrival;
        let key = self.connections.reserve();
        if let Err(error) = self.interests.register(&mut socket, key.place) {
            tracing::warn!(%error, %client, "the connection could not be registered");
            self.connections.cancel(key);
            self.interests.leave(counted_by);
            return;
        }
        let policy = self.rules(listener).policy.clone();
        let is_proxied = policy.options().is_proxied;
        let session = Session::new(client, policy);
        let id = ConnId { serial: key.serial, session: self.session_ids.next_id() };
        let mut conn = Conn::new(socket, session, id, client, self.state.clock().now_us());
        conn.is_counted = is_counted;
        let Times { command, data, .. } = self.settings.get().times;
        let mut wait = command.min(data);
        if is_proxied {
            wait = wait.min(PREAMBLE_TIME);
            conn.flow = Flow::Preamble;
            conn.is_session = false;
        }
        self.wheel.insert(key, conn.times.last_active_ms.saturating_add(wait));
        let turn = if is_proxied { TurnEnd::Idle } else { self.greet(&mut conn) };
        let place = key.place;
        self.connections.add(place, conn);
        // An event will report that the client's hello has arrived.
        let turn = if turn == TurnEnd::StartsTls { self.begin_handshake(place) } else { turn };
        self.after_turn(place, turn);
    }

    /// Begins the session of a connection: sends the greeting, or begins TLS.
    fn greet(&mut self, conn: &mut Conn) -> TurnEnd {
        self.allow_xclient_if_trusted(conn);
        if let Some(transcripts) = self.state.transcripts().filter(|_| conn.is_session) {
            conn.transcript = transcripts.begin(&SessionIdentity {
                session: conn.id.session,
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
        if conn.session.begins_with_tls() {
            self.state.begin_with_tls(conn)
        } else {
            self.state.greet(conn)
        }
    }

    /// Admits and greets the client that PROXY or XCLIENT named for the connection at `place`.
    #[cold]
    pub(super) fn admit_identified(&mut self, place: TablePlace) {
        let Some(mut conn) = self.connections.take_out(place) else { return };
        if matches!(conn.flow, Flow::Undecided) {
            return self.serve_named(place, conn);
        }
        let rules = self.rules(conn.session.listener_index());
        if conn.is_session && !rules.serves(conn.client) {
            let denied = rules.denied;
            return self.deny(place, conn, denied);
        }
        let counted = match conn.client.ip().filter(|_| conn.is_session) {
            Some(address) => self.interests.count_address(address),
            None => Ok(false),
        };
        let turn = match counted {
            Ok(is_counted) => {
                conn.is_counted = is_counted;
                self.state.measurements().identified(&conn);
                self.greet(&mut conn)
            }
            Err(why) => {
                conn.is_session = false;
                self.refuse(&mut conn, why)
            }
        };
        self.connections.put_back(place, conn);
        // Input after the header may have arrived already.
        let turn = if turn == TurnEnd::Idle { TurnEnd::Again } else { turn };
        self.after_turn(place, turn);
    }

    /// Ends the connection of a client that a PROXY header named and that is not served.
    #[cold]
    fn deny(&mut self, place: TablePlace, mut conn: Conn, denied: Denied) {
        self.state.measurements().denied(conn.session.listener_index());
        conn.is_session = false;
        let turn = match denied {
            Denied::Reply => self.refuse(&mut conn, Farewell::Denied),
            Denied::Close => TurnEnd::Closed,
        };
        self.connections.put_back(place, conn);
        self.after_turn(place, turn);
    }

    /// Ends a connection whose client was identified. Unless the greeting would be under TLS, the
    /// client gets a reply.
    #[cold]
    fn refuse(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        if conn.session.begins_with_tls() { TurnEnd::Closed } else { self.state.refuse(conn, why) }
    }
}
