//! Feeds input to the session and to payloads until one of them has to wait.
use std::ops::ControlFlow;

use crate::smtp::deviation::Deviations;
use crate::smtp::session::{Question, Step};

use super::preamble::read_header;
use super::transactions::follow_transactions;
use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Consumed, Flow, Input};
use crate::server::payload::Framing;
use crate::server::turn::receiving::{begin, finish, next_chunk, take};

/// Consumes input until more is needed or something else must happen first.
pub(crate) fn consume(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) -> Consumed {
    loop {
        let next = match conn.flow {
            Flow::Commands { .. } => command(conn, worker, input),
            Flow::Payload(ref transfer) if input.is_empty() && transfer.framing.needs_octets() => {
                ControlFlow::Break(Consumed::All)
            }
            Flow::Payload(_) | Flow::Waiting(_) => payload(conn, worker, input),
            Flow::Discard { left } => discard(conn, worker, input, left),
            Flow::Closing => ControlFlow::Break(Consumed::Closing),
            Flow::Undecided => ControlFlow::Break(Consumed::Identified),
            Flow::Securing => ControlFlow::Break(Consumed::StartsTls),
            Flow::Handshake(_) => ControlFlow::Break(Consumed::Handshake),
            Flow::Preamble => read_header(conn, worker, input),
            Flow::Lingering { .. } => {
                input.consume(input.unread().len());
                ControlFlow::Break(Consumed::All)
            }
        };
        if let ControlFlow::Break(consumed) = next {
            return consumed;
        }
    }
}

/// Handles octets of the payload, or a complete payload that waits.
fn payload(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> ControlFlow<Consumed> {
    match std::mem::replace(&mut conn.flow, Flow::COMMANDS) {
        Flow::Payload(transfer) => take(conn, worker, input, transfer),
        Flow::Waiting(transfer) => finish(conn, worker, transfer),
        other => {
            conn.flow = other;
            ControlFlow::Continue(())
        }
    }
}

fn command(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> ControlFlow<Consumed> {
    let has_more = conn.session.is_ended() || conn.session.owes_replies();
    if input.is_empty() && !has_more {
        return ControlFlow::Break(Consumed::All);
    }
    let is_secret = conn.transcript.is_some() && conn.session.is_authenticating();
    let (octets, step) = conn.session.feed(input.unread(), &mut worker.workspace);
    follow_transactions(conn, worker);
    if conn.transcript.is_some() {
        let lines = &input.unread()[..octets];
        if is_secret {
            transcribe_secret(conn, worker, lines)
        } else {
            transcribe(conn, worker, lines, step)
        }
    }
    input.consume(octets);
    if conn.outgoing.owing.is_some() && !conn.session.owes_replies() {
        worker.ledger.answered_in_full(conn, worker.workspace.replies.len());
    }
    match step {
        Step::NeedInput => return ControlFlow::Break(Consumed::All),
        Step::Drain => return ControlFlow::Break(Consumed::Full),
        Step::Close => conn.flow = Flow::Closing,
        Step::MarkCommand => record_mark(conn, worker),
        Step::Decide(Question::Client) => conn.flow = Flow::Undecided,
        Step::Decide(Question::Tls) => starttls(conn, worker),
        Step::AuthLine => {}
        Step::Tolerated(kinds) => tolerated(conn, worker, kinds),
        Step::Data => begin(conn, worker, Framing::data()),
        Step::Chunk { bytes, last, first } => {
            let framing = Framing::Chunk { left: bytes, last };
            if first { begin(conn, worker, framing) } else { next_chunk(conn, framing) }
        }
        Step::DiscardChunk { bytes } => conn.flow = Flow::Discard { left: bytes },
    }
    ControlFlow::Continue(())
}

/// Answers a STARTTLS that the session allows: 220 if a handshake can begin, else 454.
#[cold]
fn starttls(conn: &mut Conn, worker: &mut WorkerContext) {
    let has_acceptor =
        matches!(worker.tls.acceptors.get(conn.session.listener_index()), Some(Some(_)));
    if !has_acceptor || worker.tls.handshakes_left == 0 {
        return conn.session.tls_is_unavailable(&mut worker.workspace);
    }
    conn.session.tls_begins(&mut worker.workspace);
    conn.flow = Flow::Securing;
}

#[cold]
fn transcribe(conn: &mut Conn, worker: &WorkerContext, lines: &[u8], step: Step) {
    let Some(transcript) = &mut conn.transcript else { return };
    let now_ms = worker.clock.now_ms();
    transcript.client(lines, now_ms);
    if let Step::Chunk { bytes, .. } | Step::DiscardChunk { bytes } = step {
        transcript.payload(bytes, "", now_ms);
    }
}

/// Notes an AUTH response in the transcript, once its last piece has arrived.
#[cold]
fn transcribe_secret(conn: &mut Conn, worker: &WorkerContext, octets: &[u8]) {
    let Some(transcript) = conn.transcript.as_mut().filter(|_| octets.ends_with(b"\r\n")) else {
        return;
    };
    transcript.secret(worker.clock.now_ms());
}

/// Records the rules that the last command broke.
#[cold]
fn tolerated(conn: &mut Conn, worker: &mut WorkerContext, kinds: Deviations) {
    worker.ledger.measurements.tolerated(kinds);
    if let Some(transcript) = &mut conn.transcript {
        transcript.tolerated(kinds, worker.clock.now_ms());
    }
}

/// Handles a run or mark that a client named by NOOP.
#[cold]
fn record_mark(conn: &mut Conn, worker: &mut WorkerContext) {
    let marks = worker.outputs.marks.as_ref().expect("the policy allows marks only with a sender");
    let Some(mark_command) = worker.workspace.mark_command.take() else { return };
    let outcome = marks.take(&mark_command, worker.clock.unix_ns());
    conn.session.mark_answered(&mark_command, outcome, &mut worker.workspace);
}

fn discard(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    left: u64,
) -> ControlFlow<Consumed> {
    let octets =
        usize::try_from(left).map_or(input.unread().len(), |n| n.min(input.unread().len()));
    input.consume(octets);
    let left = left - octets as u64;
    if left > 0 {
        conn.flow = Flow::Discard { left };
        return ControlFlow::Break(Consumed::All);
    }
    conn.session.chunk_received(&mut worker.workspace);
    conn.flow = Flow::COMMANDS;
    ControlFlow::Continue(())
}
