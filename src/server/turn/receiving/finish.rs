//! The end of a payload: committed, counted, refused, or abandoned.
use std::ops::ControlFlow;

use crate::log::{Commit, NoRoom, PendingCommit, SlotFacts, SlotKind};
use crate::smtp::session::Refusal;

use crate::server::connection::{Conn, Consumed, Flow};
use crate::server::payload::{Fate, Orphan, Proof, Transfer};
use crate::server::turn::worker_context::WorkerContext;

/// The outcome for a complete payload.
enum PayloadOutcome {
    Accepted(Proof),
    Refused(Refusal),
    /// The log has no room yet, or the commit waits for a flush or for an own segment.
    Waits,
}

/// Accepts or refuses the complete `transfer`, or lets it wait, or wait again.
pub fn finish(
    conn: &mut Conn,
    shared: &mut WorkerContext,
    mut transfer: Box<Transfer>,
) -> ControlFlow<Consumed> {
    let outcome = try_commit(conn, shared, &mut transfer);
    apply_outcome(conn, shared, transfer, outcome)
}

/// Commits `wire`, all octets of `transfer`, straight from the input: one copy, no staging. `None`:
/// the tail has no room, or no ticket is left; a ticket that was taken is kept for `finish`.
pub fn commit_from_input(
    conn: &Conn,
    shared: &mut WorkerContext,
    transfer: &mut Transfer,
    wire: &[u8],
) -> Option<Commit> {
    transfer.wire_bytes = wire.len() as u64;
    let fits = transfer.message_bytes() <= conn.session.message_bytes_max();
    let commit = if fits && shared.ledger.take_ticket(transfer) {
        let payload = &wire[..transfer.payload_bytes() as usize];
        let facts = facts(conn, shared, transfer);
        shared.storage.writer.append(conn.session.envelope(), &[payload], &facts).ok()
    } else {
        None
    };
    if commit.is_none() {
        transfer.wire_bytes = 0;
    }
    commit
}

/// Finishes `transfer`, which [`commit_from_input`] has turned into `commit`.
pub fn finish_committed(
    conn: &mut Conn,
    shared: &mut WorkerContext,
    mut transfer: Box<Transfer>,
    commit: Commit,
) -> ControlFlow<Consumed> {
    let outcome = outcome_of_commit(shared, &mut transfer, commit);
    apply_outcome(conn, shared, transfer, outcome)
}

/// Abandons the payload in progress, if any: its client is gone or dismissed, or its
/// transaction was reset. A commit that has begun continues without the connection.
pub fn abandon(conn: &mut Conn, shared: &mut WorkerContext) {
    shared.ledger.recording.unparked(conn);
    let Some(mut transfer) = conn.take_transfer() else { return };
    if let Some(pending) = transfer.pending.take() {
        let (bytes, recipients) = (transfer.message_bytes(), conn.session.recipients());
        let session = conn.key();
        let draw = transfer.draw.take();
        let received_ns = transfer.pending_received_ns.unwrap_or_default();
        let listener = conn.session.listener_index();
        shared.orphans.push(Orphan {
            pending,
            received_ns,
            session,
            listener,
            bytes,
            recipients,
            draw,
        });
    } else {
        transfer.place.release(&mut shared.storage);
        let octets = transfer.wire_bytes;
        transcribe(conn, shared, &transfer, octets, ", without its end");
        shared.ledger.not_accepted(&mut transfer);
    }
    shared.return_box(transfer);
}

fn try_commit(conn: &Conn, shared: &mut WorkerContext, transfer: &mut Transfer) -> PayloadOutcome {
    if let Some(pending) = &mut transfer.pending {
        return poll(pending, shared);
    }
    if let Fate::Refused(why) = transfer.fate {
        return PayloadOutcome::Refused(why);
    }
    if transfer.message_bytes() > conn.session.message_bytes_max() {
        return PayloadOutcome::Refused(Refusal::TooLarge);
    }
    if !shared.ledger.take_ticket(transfer) {
        return PayloadOutcome::Refused(Refusal::Stopping);
    }
    if transfer.fate == Fate::Count {
        return PayloadOutcome::Accepted(Proof::Counted(shared.storage.writer.count_only()));
    }
    let facts = facts(conn, shared, transfer);
    let (stored_bytes, envelope) = (transfer.stored_bytes(), conn.session.envelope());
    match transfer.place.commit(stored_bytes, envelope, &facts, &mut shared.storage) {
        Ok(commit) => outcome_of_commit(shared, transfer, commit),
        Err(NoRoom::Wait) => PayloadOutcome::Waits,
        Err(NoRoom::Budget | NoRoom::Full) => PayloadOutcome::Refused(Refusal::NoStorage),
    }
}

fn outcome_of_commit(
    shared: &mut WorkerContext,
    transfer: &mut Transfer,
    commit: Commit,
) -> PayloadOutcome {
    match commit {
        Commit::Done(committed) => PayloadOutcome::Accepted(Proof::Committed(committed)),
        Commit::Later(pending) => {
            transfer.pending_since_us = Some(shared.clock.now_us());
            transfer.pending_received_ns = Some(shared.clock.unix_ns());
            // Polling registers this worker for a wake-up.
            poll(transfer.pending.insert(pending), shared)
        }
    }
}

/// Polls a commit in progress.
fn poll(pending: &mut PendingCommit, shared: &mut WorkerContext) -> PayloadOutcome {
    match shared.storage.writer.poll_commit(pending) {
        Ok(committed) => PayloadOutcome::Accepted(Proof::Committed(committed)),
        Err(NoRoom::Wait) => PayloadOutcome::Waits,
        Err(NoRoom::Budget | NoRoom::Full) => PayloadOutcome::Refused(Refusal::StorageFailed),
    }
}

fn apply_outcome(
    conn: &mut Conn,
    shared: &mut WorkerContext,
    mut transfer: Box<Transfer>,
    outcome: PayloadOutcome,
) -> ControlFlow<Consumed> {
    match outcome {
        PayloadOutcome::Waits => {
            conn.flow = Flow::Waiting(transfer);
            return ControlFlow::Break(Consumed::Parked);
        }
        PayloadOutcome::Accepted(proof) => accept(conn, shared, &transfer, &proof),
        PayloadOutcome::Refused(why) => refuse(conn, shared, &mut transfer, why),
    }
    transcribe(conn, shared, &transfer, transfer.payload_bytes(), "");
    shared.return_box(transfer);
    ControlFlow::Continue(())
}

#[inline]
fn accept(conn: &mut Conn, shared: &mut WorkerContext, transfer: &Transfer, proof: &Proof) {
    conn.last_payload_bytes = u32::try_from(transfer.wire_bytes).unwrap_or(u32::MAX);
    shared.ledger.accepted(conn, transfer, proof.id());
    conn.session.accept(proof, &mut shared.workspace);
    shared.ledger.answered(conn, proof.id(), shared.workspace.replies.len());
}

/// Refuses a payload that was read to its end.
fn refuse(conn: &mut Conn, shared: &mut WorkerContext, transfer: &mut Transfer, why: Refusal) {
    transfer.place.release(&mut shared.storage);
    shared.ledger.not_accepted(transfer);
    shared.ledger.refused(conn);
    conn.session.refuse(why, &mut shared.workspace);
    if why == Refusal::Stopping {
        conn.flow = Flow::Closing;
    }
}

/// Returns the facts for the slot of `transfer`.
fn facts(conn: &Conn, shared: &WorkerContext, transfer: &Transfer) -> SlotFacts {
    let took_us = shared.clock.now_us().saturating_sub(conn.began_us);
    SlotFacts {
        kind: SlotKind::Message,
        mode: transfer.fate.mode(),
        received_at_ns: shared.clock.unix_ns(),
        transaction_us: u32::try_from(took_us).unwrap_or(u32::MAX),
        session: conn.session_id,
        dots: transfer.stored_dots(),
        message_bytes: u32::try_from(transfer.message_bytes()).unwrap_or(u32::MAX),
        reply_code: 250,
        enhanced: [2, 0, 0],
        chunked: transfer.framing.is_chunked(),
    }
}

/// Notes the size of a payload in the transcript, except for chunks, which were noted one by one.
fn transcribe(
    conn: &mut Conn,
    shared: &WorkerContext,
    transfer: &Transfer,
    octets: u64,
    note: &str,
) {
    if let Some(transcript) = &mut conn.transcript
        && !transfer.framing.is_chunked()
    {
        transcript.payload(octets, note, shared.clock.now_ms());
    }
}
