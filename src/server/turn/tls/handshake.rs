//! One step of a TLS handshake, which is a turn of its connection.
use std::io::ErrorKind;

use crate::smtp::tls::SessionTls;
use crate::tls::{Agreed, Established, Failure, Handshake, HandshakeStep};

use super::receive::fill;
use crate::server::connection::{Conn, Flow, Input, Layer, TurnEnd};
use crate::server::turn::send::{Sent, send_raw};
use crate::server::turn::worker_context::WorkerContext;

/// Time limit for a handshake, ms.
pub const HANDSHAKE_MS: u64 = 10_000;

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

/// Reads once, and advances the handshake as far as possible.
pub fn step(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) -> StepOutcome {
    let mut is_over = false;
    match fill(conn, input) {
        Ok(0) => is_over = true,
        Ok(_) => {
            worker.reports.has_input |= conn.is_session;
            if let Some(tls) = &mut conn.tls {
                tls.has_input = true;
            }
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => input.is_drained = true,
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "connection lost");
            return fail(conn, worker, Failure::CutOff);
        }
    }
    let Some(tls) = &mut conn.tls else { return StepOutcome::Waits(TurnEnd::Closed) };
    let layer = std::mem::replace(&mut tls.layer, Layer::Over);
    let Layer::Handshake(handshake) = layer else { return StepOutcome::Waits(TurnEnd::Closed) };
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
            sent => continue_handshake(conn, worker, input, handshake, sent),
        },
        Ok(HandshakeStep::Done(established)) => {
            done(conn, worker, input, *established, &out);
            StepOutcome::Secured
        }
    };
    worker.tls.sealed = out;
    match stepped {
        StepOutcome::Waits(TurnEnd::Idle | TurnEnd::Again) if is_over => {
            fail(conn, worker, Failure::CutOff)
        }
        other => other,
    }
}

/// Continues a handshake that needs more octets of the client.
fn continue_handshake(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    handshake: Handshake,
    sent: Sent,
) -> StepOutcome {
    let Some(tls) = &mut conn.tls else { return StepOutcome::Waits(TurnEnd::Closed) };
    if input.sealed().len() > HELD_BYTES_MAX {
        return fail(conn, worker, Failure::TooLong);
    }
    tls.layer = Layer::Handshake(handshake);
    StepOutcome::Waits(match sent {
        Sent::Blocked => TurnEnd::Blocked,
        _ if input.is_drained => TurnEnd::Idle,
        _ => TurnEnd::Again,
    })
}

/// Ends the handshake: from now on there are records. `out`: the last octets of the handshake.
fn done(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    established: Established,
    out: &[u8],
) {
    let Established { records, agreed, early } = established;
    if let Some(tls) = &mut conn.tls {
        tls.layer = Layer::Records(Box::new(records));
        tls.before.extend_from_slice(out);
    }
    input.fill_before_sealed(&early);
    secured(conn, worker, &agreed);
}

/// Passes the parameters of the connection's TLS to the session.
fn secured(conn: &mut Conn, worker: &mut WorkerContext, agreed: &Agreed) {
    let Some(tls) = &conn.tls else { return };
    let us = worker.clock.now_us().saturating_sub(tls.started_us);
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
