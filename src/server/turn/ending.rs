//! How a connection ends: farewells, the last replies, lingering.
use super::send::{Sent, flush};
use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Flow, TurnEnd};
use crate::server::turn::receiving::abandon;
use crate::smtp::session::Farewell;

/// Sends the replies. If all were sent, the turn ends with `turn`.
pub(super) fn leave(conn: &mut Conn, worker: &mut WorkerContext, turn: TurnEnd) -> TurnEnd {
    match flush(conn, worker) {
        Sent::All => turn,
        Sent::Blocked => TurnEnd::Blocked,
        Sent::Lost => TurnEnd::Closed,
    }
}

/// Writes the reply that says why the session ends. There is none for a client that has not read
/// earlier replies. Nor is there one while the client's message is being committed: the message
/// will be stored, and the client would take 421 for the reply to it.
pub(super) fn farewell(conn: &mut Conn, worker: &mut WorkerContext, why: Farewell) -> TurnEnd {
    let is_committing = conn.is_committing();
    release_buffers(conn, worker);
    // sinkd sends nothing before a PROXY header, and no reply during a handshake.
    let is_silent =
        matches!(conn.flow, Flow::Lingering { .. } | Flow::Preamble | Flow::Handshake(_));
    if conn.outgoing.unsent.is_some() || is_silent {
        return TurnEnd::Closed;
    }
    if is_committing {
        // The replies of this turn are for earlier messages. Acknowledgements that can't be sent
        // are noted, here or when the connection is dropped.
        let _ = flush(conn, worker);
        return TurnEnd::Closed;
    }
    conn.session.farewell(why, &mut worker.workspace);
    worker.ledger.measurements.dismissed();
    close_politely(conn, worker, UnreadInput::Perhaps)
}

/// Releases all buffers that `conn` holds.
pub(super) fn release_buffers(conn: &mut Conn, worker: &mut WorkerContext) {
    abandon(conn, worker);
    if let Some(held) = conn.incoming.held.take() {
        worker.storage.pool.put_back(held);
    }
    if let Some(tls) = &mut conn.tls {
        tls.release(&mut worker.storage.pool);
    }
    if let Flow::Handshake(handshaking) = &mut conn.flow {
        handshaking.release(&mut worker.storage.pool);
    }
}

/// Whether the socket may hold unread octets: closing it then sends a reset.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnreadInput {
    Nothing,
    Perhaps,
}

/// Sends the last replies and closes. If closing would send a reset, which could overtake them, the
/// connection lingers instead.
pub(super) fn close_politely(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    unread: UnreadInput,
) -> TurnEnd {
    conn.flow = Flow::Closing;
    match flush(conn, worker) {
        Sent::Lost => TurnEnd::Closed,
        Sent::Blocked => TurnEnd::Blocked,
        Sent::All if unread == UnreadInput::Nothing => TurnEnd::Closed,
        Sent::All => linger(conn, worker),
    }
}

/// Shuts down our side, and lets the connection discard input for a while.
fn linger(conn: &mut Conn, worker: &WorkerContext) -> TurnEnd {
    conn.flow = Flow::Lingering { since_ms: worker.clock.now_ms() };
    match conn.socket.shutdown(std::net::Shutdown::Write) {
        Ok(()) => TurnEnd::Again,
        Err(_) => TurnEnd::Closed,
    }
}

/// Ends a connection whose client has shut down its side. Complete commands and messages have been
/// answered; an incomplete one is dropped.
pub(super) fn end_of_stream(conn: &mut Conn, worker: &mut WorkerContext) -> TurnEnd {
    abandon(conn, worker);
    conn.flow = Flow::Closing;
    match flush(conn, worker) {
        Sent::Blocked => TurnEnd::Blocked,
        Sent::All | Sent::Lost => TurnEnd::Closed,
    }
}
