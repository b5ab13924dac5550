//! What TLS adds to a turn: held input that is still encrypted, the steps of a handshake, failures.
use crate::server::connection::{Conn, Flow, Handshaking, Input, TurnEnd};
use crate::server::turn::ending::{UnreadInput, close_politely, farewell, release_buffers};
use crate::server::turn::send::{Sent, flush, send_raw};
use crate::server::turn::worker_context::WorkerContext;
use crate::smtp::session::Farewell;
use crate::tls::{Failure, Handshake};

use super::handshake::{StepOutcome, step};

/// Begins a turn under TLS with the encrypted octets that an earlier turn left.
#[inline(never)]
pub(crate) fn begin_sealed(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) {
    if let Some(tls) = &mut conn.tls
        && let Some(sealed) = tls.held.take()
    {
        input.put_sealed(sealed.filled());
        worker.storage.pool.put_back(sealed);
    }
}

/// Keeps octets that could not be decrypted yet. If there is no buffer for them, ends the
/// connection and returns how the turn ended.
#[inline(never)]
pub(crate) fn hold_sealed(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> Option<TurnEnd> {
    let is_over = matches!(conn.flow, Flow::Closing | Flow::Lingering { .. });
    if !input.has_sealed() || is_over {
        return None;
    }
    let held = worker.hold(input.sealed());
    let is_held = held.is_some();
    if let Some(tls) = &mut conn.tls {
        tls.held = held;
    }
    (!is_held).then(|| farewell(conn, worker, Farewell::OutOfBuffers))
}

/// Performs a step of the handshake. If that was the last step and the client has not been greeted,
/// greets it.
#[cold]
pub(crate) fn take_step(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) -> TurnEnd {
    let is_implicit = conn.session.begins_with_tls();
    match step(conn, worker, input) {
        StepOutcome::Waits(turn) => turn,
        // A reset must not overtake the alert.
        StepOutcome::Failed => close_politely(conn, worker, UnreadInput::Perhaps),
        StepOutcome::PlainText if is_implicit => {
            worker.tls_failed(conn.client, Failure::NotTls);
            answer_in_plain_text(conn, worker)
        }
        StepOutcome::PlainText => {
            worker.tls_failed(conn.client, Failure::NotTls);
            TurnEnd::Closed
        }
        StepOutcome::Secured => {
            if is_implicit {
                conn.session.greet(&mut worker.workspace);
            }
            // Octets after the handshake may have arrived already.
            TurnEnd::Again
        }
    }
}

/// Replies in plain text to a client that speaks it, or waits for a greeting, on a port that begins
/// with TLS.
#[cold]
pub(crate) fn answer_in_plain_text(conn: &mut Conn, worker: &mut WorkerContext) -> TurnEnd {
    release_buffers(conn, worker);
    conn.session.tls_expected(&mut worker.workspace);
    close_politely(conn, worker, UnreadInput::Perhaps)
}

/// Ends a connection whose TLS failed after the handshake. Earlier input is answered first; then an
/// alert says why the connection ends.
#[cold]
pub(crate) fn close_after_tls_failure(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    failure: Failure,
) -> TurnEnd {
    worker.tls_failed(conn.client, failure);
    if let Sent::Lost = flush(conn, worker) {
        return TurnEnd::Closed;
    }
    let mut alert = Vec::new();
    if let Some(mut records) = conn.tls.as_mut().and_then(|tls| tls.records.take()) {
        records.alert(failure, &mut alert);
    }
    release_buffers(conn, worker);
    match send_raw(conn, &alert) {
        Sent::Lost => TurnEnd::Closed,
        Sent::All | Sent::Blocked => close_politely(conn, worker, UnreadInput::Perhaps),
    }
}

/// Begins the handshake after STARTTLS. Unread input is discarded, as an attacker between client
/// and server may have injected it (RFC 3207 section 6).
#[cold]
pub(crate) fn begin_handshake_after_replies(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> TurnEnd {
    worker.ledger.measurements.discarded(input.unread().len());
    input.consume(input.unread().len());
    let sent = flush(conn, worker);
    match (begin_handshake(conn, worker), sent) {
        (_, Sent::Lost) => TurnEnd::Closed,
        (turn, Sent::All | Sent::Blocked) => turn,
    }
}

/// Begins the handshake of a connection.
#[cold]
pub(crate) fn begin_handshake(conn: &mut Conn, worker: &mut WorkerContext) -> TurnEnd {
    let acceptor = worker.tls.acceptors.get(conn.session.listener_index()).cloned().flatten();
    let Some(acceptor) = acceptor else { return TurnEnd::Closed };
    match Handshake::new(&acceptor) {
        Ok(handshake) => {
            let handshaking = Handshaking::new(handshake, worker.clock.now_us());
            conn.flow = Flow::Handshake(Box::new(handshaking));
            TurnEnd::StartsTls
        }
        Err(failure) => {
            worker.tls_failed(conn.client, failure);
            TurnEnd::Closed
        }
    }
}
