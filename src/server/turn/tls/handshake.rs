//! One step of a TLS handshake, which is a turn of its connection.
use std::io::ErrorKind;
use std::time::Duration;

use crate::smtp::tls::SessionTls;
use crate::time::MonotonicUs;
use crate::tls::{Agreed, Established, Failure, HandshakeStep};

use super::receive::fill;
use crate::server::connection::{Conn, ConnTls, Flow, Handshaking, Input, TurnEnd};
use crate::server::turn::send::{Sent, send_raw};
use crate::server::turn::worker_context::WorkerContext;

/// Time limit for a handshake, ms.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Limit on the octets of incomplete messages. rustls allows messages of 64 KiB, and a client may
/// cut them into records of one octet, each with a header of five.
const HELD_BYTES_MAX: usize = 96 << 10;

/// The result of a step.
pub enum StepOutcome {
    /// The handshake continues or waits, as the turn says.
    Waits(TurnEnd),
    /// The handshake has failed, and its alert was sent or is queued.
    Failed,
    /// The session begins, or starts over.
    Secured,
    /// The client speaks in plain text.
    PlainText,
}

/// Reads once, and advances the handshake as far as possible. Afterwards the flow of `conn` is a
/// handshake only if that waits.
pub fn step(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) -> StepOutcome {
    let mut current = match std::mem::replace(&mut conn.flow, Flow::Closing) {
        Flow::Handshake(current) => current,
        other => {
            conn.flow = other;
            return StepOutcome::Waits(TurnEnd::Again);
        }
    };
    take_input(&mut current, worker, input);
    let mut is_over = false;
    match fill(conn, input) {
        Ok(0) => is_over = true,
        Ok(_) => {
            worker.reports.has_input |= conn.is_session;
            current.has_input = true;
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => input.is_drained = true,
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "connection lost");
            return fail(conn, worker, Failure::CutOff);
        }
    }
    match advance(conn, worker, input, *current) {
        StepOutcome::Waits(TurnEnd::Idle | TurnEnd::Again) if is_over => {
            fail(conn, worker, Failure::CutOff)
        }
        other => other,
    }
}

/// Takes the octets that earlier turns left.
fn take_input(current: &mut Handshaking, worker: &mut WorkerContext, input: &mut Input) {
    if let Some(sealed) = current.held.take() {
        input.put_sealed(sealed.filled());
        worker.storage.pool.put_back(sealed);
    }
    input.seal_unread();
}

/// Advances the handshake with the octets in `input`, and sends what it yields.
fn advance(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    current: Handshaking,
) -> StepOutcome {
    let Handshaking { handshake, started_us, has_input, .. } = current;
    let mut out = std::mem::take(&mut worker.tls.sealed);
    out.clear();
    let (used, result) = handshake.advance(input.sealed(), &mut out);
    input.skip_sealed(used);
    let stepped = match result {
        Err(Failure::NotTls) => StepOutcome::PlainText,
        Err(failure) => {
            worker.tls_failed(conn.client, failure);
            match send_raw(conn, &out) {
                Sent::Lost => StepOutcome::Waits(TurnEnd::Closed),
                Sent::All | Sent::Blocked => StepOutcome::Failed,
            }
        }
        Ok(HandshakeStep::Blocked(handshake)) => match send_raw(conn, &out) {
            Sent::Lost => fail(conn, worker, Failure::CutOff),
            sent => {
                let rest = Handshaking { handshake, held: None, started_us, has_input };
                wait(conn, worker, input, rest, sent)
            }
        },
        Ok(HandshakeStep::Done(established)) => {
            let Established { records, agreed, early } = *established;
            conn.tls = Some(Box::new(ConnTls::new(records, out.clone())));
            input.fill_before_sealed(&early);
            secured(conn, worker, started_us, &agreed);
            StepOutcome::Secured
        }
    };
    worker.tls.sealed = out;
    stepped
}

/// Lets a handshake wait for more octets of the client.
fn wait(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    mut rest: Handshaking,
    sent: Sent,
) -> StepOutcome {
    if input.sealed().len() > HELD_BYTES_MAX {
        return fail(conn, worker, Failure::TooLong);
    }
    if input.has_sealed() {
        rest.held = worker.hold(input.sealed());
        if rest.held.is_none() {
            return StepOutcome::Waits(TurnEnd::Closed);
        }
    }
    conn.flow = Flow::Handshake(Box::new(rest));
    StepOutcome::Waits(match sent {
        Sent::Blocked => TurnEnd::Blocked,
        _ if input.is_drained => TurnEnd::Idle,
        _ => TurnEnd::Again,
    })
}

/// Passes the parameters of the connection's TLS to the session. `started_us`: when the handshake
/// began.
fn secured(conn: &mut Conn, worker: &mut WorkerContext, started_us: MonotonicUs, agreed: &Agreed) {
    let us = worker.clock.now_us().us_since(started_us);
    conn.session.secured(&SessionTls {
        version: agreed.version.as_bytes(),
        cipher: agreed.cipher.as_bytes(),
        server_name: agreed.server_name.as_deref().unwrap_or_default().as_bytes(),
        client_subject: agreed.client_subject.as_deref().unwrap_or_default().as_bytes(),
        is_resumed: agreed.is_resumed,
        handshake_us: u32::try_from(us).unwrap_or(u32::MAX),
    });
    conn.flow = Flow::COMMANDS;
    conn.times.last_active_ms = worker.clock.now_ms();
    worker.ledger.measurements.secured(us, agreed);
    if let Some(transcript) = &mut conn.transcript {
        transcript.secured(agreed, worker.clock.now_ms());
    }
}

/// Ends the connection, because its handshake has failed.
#[cold]
pub fn fail(conn: &mut Conn, worker: &mut WorkerContext, failure: Failure) -> StepOutcome {
    worker.tls_failed(conn.client, failure);
    StepOutcome::Waits(TurnEnd::Closed)
}
