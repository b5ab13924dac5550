//! XCLIENT: the named client replaces the one that sent the command. All of this is cold.
use crate::config::Denied;
use crate::smtp::envelope::Client;
use crate::smtp::session::Farewell;

use super::{Interests, Table};
use crate::server::connection::{Conn, Flow, TurnEnd};
use crate::server::settings::generation::Generation;
use crate::server::turn::is_trusted;
use crate::server::worker::place::TablePlace;

impl<I: Interests> Table<I> {
    /// Lets a client send XCLIENT if it is trusted.
    pub(super) fn allow_xclient_if_trusted(&self, conn: &mut Conn) {
        if may_name_clients(self.settings.get(), conn) {
            conn.session.allow_xclient();
        }
    }

    /// Applies new settings: clients that are no longer trusted can't send XCLIENT. Newly trusted
    /// clients must reconnect first.
    pub(super) fn revoke_xclient(&mut self) {
        for conn in self.connections.iter_mut().filter(|conn| conn.session.may_xclient()) {
            if !may_name_clients(self.settings.get(), conn) {
                conn.session.deny_xclient();
            }
        }
    }

    /// Handles a client that XCLIENT named for `conn`, at `place`: it is served as if it had
    /// connected itself.
    #[cold]
    pub(super) fn serve_named(&mut self, place: TablePlace, mut conn: Conn) {
        conn.flow = Flow::COMMANDS;
        let client = conn.session.client();
        let turn = match self.admit_named(&mut conn, client) {
            Ok(()) => {
                self.change_client(&mut conn, client);
                self.state.start_over(&mut conn)
            }
            Err(Denial::Reply(why)) => self.state.refuse(&mut conn, why),
            Err(Denial::Silent) => TurnEnd::Closed,
        };
        self.connections.put_back(place, conn);
        // Input after the command may have arrived already.
        let turn = if turn == TurnEnd::Idle { TurnEnd::Again } else { turn };
        self.after_turn(place, turn);
    }

    /// Checks the lists of the listener, and the limit of connections per client.
    fn admit_named(&mut self, conn: &mut Conn, client: Client) -> Result<(), Denial> {
        let listener = conn.session.listener_index();
        let rules = self.rules(listener);
        if !rules.serves(client) {
            let denied = rules.denied;
            self.state.measurements().denied(listener);
            return Err(match denied {
                Denied::Reply => Denial::Reply(Farewell::Denied),
                Denied::Close => Denial::Silent,
            });
        }
        let before = conn.counted_by();
        if before.is_some() && before == client.ip() {
            return Ok(());
        }
        if let Some(address) = before {
            self.interests.release_address(address);
            conn.is_counted = false;
        }
        if let Some(address) = client.ip() {
            conn.is_counted = self.interests.count_address(address).map_err(Denial::Reply)?;
        }
        Ok(())
    }

    /// Changes the client of the connection to `client`. If nothing was submitted in the session,
    /// it counts as that client's session; else another session begins.
    fn change_client(&mut self, conn: &mut Conn, client: Client) {
        let is_another = client.ip() != conn.client.ip();
        let has_submitted =
            conn.session.messages() > 0 || conn.incoming.last_payload_bytes.is_some();
        if is_another && has_submitted {
            self.state.measurements().session_over(conn);
        }
        conn.client = client;
        if conn.session.is_xclient_undecided() {
            self.allow_xclient_if_trusted(conn);
        }
        if !conn.is_session {
            self.state.becomes_session(conn);
        } else if is_another && has_submitted {
            conn.id.session = self.session_ids.next_id();
            conn.incoming.last_payload_bytes = None;
            conn.times.opened_us = self.state.clock().now_us();
            self.state.measurements().opened(conn);
        } else if is_another {
            self.state.measurements().renamed(conn);
        }
    }
}

/// Returns whether the listener of a connection offers XCLIENT, and its client's network is
/// trusted.
fn may_name_clients(generation: &Generation, conn: &Conn) -> bool {
    let trusted = &generation.xclient_trusted;
    if trusted.is_empty() {
        return false;
    }
    // Clients of our own Unix sockets are trusted, as the owner of a socket decides who can
    // connect. Nothing is known about a proxy's Unix sockets.
    let is_ours = conn.client.ip().is_some() || conn.session.peer().is_none();
    let listener = &generation.listeners[conn.session.listener_index()];
    listener.policy.options().has_xclient && is_ours && is_trusted(conn.client, trusted)
}

/// How a client is turned away.
enum Denial {
    Reply(Farewell),
    Silent,
}
