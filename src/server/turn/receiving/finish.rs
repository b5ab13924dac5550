//! The end of a payload: committed, counted, refused, or abandoned.
use std::num::NonZero;
use std::ops::ControlFlow;

use crate::log::{Commit, CommitProgress, NoRoom, PendingCommit, SlotFacts, SlotKind, StoredPart};
use crate::smtp::session::Refusal;

use crate::server::connection::{Conn, Consumed, Flow};
use crate::server::payload::{CommitInProgress, Fate, Orphan, Proof, Transfer};
use crate::server::turn::worker_context::WorkerContext;

/// The outcome for a complete payload.
enum PayloadOutcome {
    Accepted(Proof),
    Refused(Refusal),
    /// The log has no room yet, or the commit waits for a flush or for a dedicated segment.
    Waits,
}

/// Accepts or refuses the complete `transfer`, or lets it wait, or wait again.
pub fn finish(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    mut transfer: Box<Transfer>,
) -> ControlFlow<Consumed> {
    let outcome = try_commit(conn, worker, &mut transfer);
    apply_outcome(conn, worker, transfer, outcome)
}

/// Commits `wire`, all octets of `transfer`, straight from the input and in full: one copy, no
/// staging. `None`: the message is too large, the log has no room, or no ticket is left; a ticket
/// that was taken is kept for `finish`.
pub fn commit_from_input(
    conn: &Conn,
    worker: &mut WorkerContext,
    transfer: &mut Transfer,
    wire: &[u8],
) -> Option<Commit> {
    transfer.wire_bytes = wire.len() as u64;
    let fits = transfer.message_bytes() <= conn.session.message_bytes_max();
    let commit = if fits && worker.ledger.take_ticket(transfer) {
        let payload = &wire[..transfer.payload_bytes() as usize];
        let facts = facts(conn, worker, transfer, StoredPart::Full);
        worker.storage.writer.append(conn.session.envelope(), &[payload], &facts).ok()
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
    worker: &mut WorkerContext,
    mut transfer: Box<Transfer>,
    commit: Commit,
) -> ControlFlow<Consumed> {
    let outcome = outcome_of_commit(worker, &mut transfer, commit);
    apply_outcome(conn, worker, transfer, outcome)
}

/// Abandons the payload in progress, if any: its client is gone or dismissed, or its
/// transaction was reset. A commit that has begun continues without the connection.
pub fn abandon(conn: &mut Conn, worker: &mut WorkerContext) {
    worker.ledger.measurements.unparked(conn);
    let Some(mut transfer) = conn.take_transfer() else { return };
    if let Some(CommitInProgress { pending, received_at_ns, .. }) = transfer.commit.take() {
        let (bytes, recipients) = (transfer.message_bytes(), conn.session.recipients());
        let session = conn.key();
        let draw = transfer.draw.take();
        let listener = conn.session.listener_index();
        worker.orphans.push(Orphan {
            pending,
            received_at_ns,
            session,
            listener,
            bytes,
            recipients,
            draw,
        });
    } else {
        transfer.octets.release(&mut worker.storage);
        let octets = transfer.wire_bytes;
        transcribe(conn, worker, &transfer, octets, ", without its end");
        worker.ledger.not_accepted(&mut transfer);
    }
    worker.return_box(transfer);
}

fn try_commit(conn: &Conn, worker: &mut WorkerContext, transfer: &mut Transfer) -> PayloadOutcome {
    if let Some(commit) = &mut transfer.commit {
        return poll(&mut commit.pending, worker);
    }
    if let Fate::Refused(why) = transfer.fate {
        return PayloadOutcome::Refused(why);
    }
    if transfer.message_bytes() > conn.session.message_bytes_max() {
        return PayloadOutcome::Refused(Refusal::TooLarge);
    }
    if !worker.ledger.take_ticket(transfer) {
        return PayloadOutcome::Refused(Refusal::Stopping);
    }
    let Some(mode) = transfer.fate.mode() else {
        return PayloadOutcome::Accepted(Proof::Counted(worker.storage.writer.count_only()));
    };
    let facts = facts(conn, worker, transfer, mode);
    let (stored_bytes, envelope) = (transfer.stored_bytes(), conn.session.envelope());
    match transfer.octets.commit(stored_bytes, envelope, &facts, &mut worker.storage) {
        Ok(commit) => outcome_of_commit(worker, transfer, commit),
        Err(NoRoom::Wait) => PayloadOutcome::Waits,
        Err(NoRoom::Budget | NoRoom::Full) => PayloadOutcome::Refused(Refusal::NoStorage),
    }
}

fn outcome_of_commit(
    worker: &mut WorkerContext,
    transfer: &mut Transfer,
    commit: Commit,
) -> PayloadOutcome {
    match commit {
        Commit::Done(committed) => PayloadOutcome::Accepted(Proof::Committed(committed)),
        Commit::Later(pending) => {
            let (since_us, received_at_ns) = (worker.clock.now_us(), worker.clock.unix_ns());
            let commit = CommitInProgress { pending, since_us, received_at_ns };
            // Polling registers this worker for a wake-up.
            poll(&mut transfer.commit.insert(commit).pending, worker)
        }
    }
}

/// Polls a commit in progress.
fn poll(pending: &mut PendingCommit, worker: &mut WorkerContext) -> PayloadOutcome {
    match worker.storage.writer.poll_commit(pending) {
        CommitProgress::Done(done) => PayloadOutcome::Accepted(Proof::Committed(done)),
        CommitProgress::Waiting => PayloadOutcome::Waits,
        CommitProgress::Failed => PayloadOutcome::Refused(Refusal::StorageFailed),
    }
}

fn apply_outcome(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    mut transfer: Box<Transfer>,
    outcome: PayloadOutcome,
) -> ControlFlow<Consumed> {
    match outcome {
        PayloadOutcome::Waits => {
            conn.flow = Flow::Waiting(transfer);
            return ControlFlow::Break(Consumed::Parked);
        }
        PayloadOutcome::Accepted(proof) => accept(conn, worker, &transfer, &proof),
        PayloadOutcome::Refused(why) => refuse(conn, worker, &mut transfer, why),
    }
    transcribe(conn, worker, &transfer, transfer.payload_bytes(), "");
    worker.return_box(transfer);
    ControlFlow::Continue(())
}

#[inline]
fn accept(conn: &mut Conn, worker: &mut WorkerContext, transfer: &Transfer, proof: &Proof) {
    conn.incoming.last_payload_bytes =
        NonZero::new(u32::try_from(transfer.wire_bytes).unwrap_or(u32::MAX));
    worker.ledger.accepted(conn, transfer, proof.id());
    conn.session.accept(proof, &mut worker.workspace);
    worker.ledger.answered(conn, proof.id(), worker.workspace.replies.len());
}

/// Refuses a payload that was read to its end.
fn refuse(conn: &mut Conn, worker: &mut WorkerContext, transfer: &mut Transfer, why: Refusal) {
    transfer.octets.release(&mut worker.storage);
    worker.ledger.not_accepted(transfer);
    worker.ledger.refused(conn);
    conn.session.refuse(why, &mut worker.workspace);
    if why == Refusal::Stopping {
        conn.flow = Flow::Closing;
    }
}

/// Returns the facts for the slot of `transfer`.
fn facts(conn: &Conn, worker: &WorkerContext, transfer: &Transfer, mode: StoredPart) -> SlotFacts {
    let took_us = worker.clock.now_us().us_since(conn.times.transaction_us);
    SlotFacts {
        kind: SlotKind::Message,
        mode,
        received_at_ns: worker.clock.unix_ns(),
        transaction_us: u32::try_from(took_us).unwrap_or(u32::MAX),
        session: conn.id.session,
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
    worker: &WorkerContext,
    transfer: &Transfer,
    octets: u64,
    note: &str,
) {
    if let Some(transcript) = &mut conn.transcript
        && !transfer.framing.is_chunked()
    {
        transcript.payload(octets, note, worker.clock.now_ms());
    }
}
