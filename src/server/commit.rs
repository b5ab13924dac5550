//! From the first octet of a payload to its final reply: transfers begun, committed, given up.
use crate::config::storage::Store;
use crate::log::{Commit, Facts, Kind, MessageId, NoRoom};
use crate::smtp::data::EndOfData;
use crate::smtp::session::{Receipt, Refusal};

use super::bench::{Bench, Orphan};
use super::conn::{Conn, Flow};
use super::consume::{Consumed, Next};
use super::send::note;
use super::storage;
use super::transfer::Transfer;

/// Boxes of ended transfers kept for the next.
const TRANSFERS_KEPT_MAX: usize = 4096;

const _: () = assert!(size_of::<EndOfData>() <= 16, "copied before each scan");

pub(super) enum Framing {
    Data,
    Chunks { first: u64 },
}

pub(super) fn begin_transfer(conn: &mut Conn, bench: &mut Bench, framing: Framing) {
    let mut transfer = bench.transfers.pop().unwrap_or_else(|| Box::new(Transfer::new()));
    let chunk = match framing {
        Framing::Data => 0,
        Framing::Chunks { first } => first,
    };
    transfer.chunked = matches!(framing, Framing::Chunks { .. });
    let (declared, guess) = (conn.session.envelope().declared_size(), conn.last_payload_bytes);
    transfer.expect(declared, chunk, u64::from(guess), bench.message_bytes_max);
    transfer.heard_ms = bench.clock.now_ms();
    transfer.first_us = bench.clock.now_us();
    storage::choose(conn, bench, &mut transfer);
    assert!(conn.transfer.is_none(), "the transfer before ended with its transaction");
    conn.transfer = Some(transfer);
}

/// The transfer is over; its box waits for the next one.
pub(super) fn end_transfer(conn: &mut Conn, bench: &mut Bench) {
    if let Some(transfer) = conn.transfer.take() {
        if let Some(transcript) = &mut conn.transcript
            && !transfer.chunked
        {
            transcript.payload(transfer.payload_bytes(), "", bench.clock.now_ms());
        }
        keep_box(transfer, bench);
    }
    conn.began_us = 0;
    conn.flow = Flow::Command;
}

fn keep_box(mut transfer: Box<Transfer>, bench: &mut Bench) {
    if bench.transfers.len() < TRANSFERS_KEPT_MAX {
        *transfer = Transfer::new();
        bench.transfers.push(transfer);
    }
}

pub(super) fn give_up_transfer(conn: &mut Conn, bench: &mut Bench) {
    let Some(mut transfer) = conn.transfer.take() else { return };
    match std::mem::replace(&mut conn.flow, Flow::Command) {
        // It becomes a message whatever we do: the worker sees it through.
        Flow::Committing(pending) => {
            let (bytes, recipients) = (transfer.message_bytes(), conn.session.recipients());
            bench.orphans.push(Orphan { pending, bytes, recipients });
        }
        flow => {
            conn.flow = flow;
            transfer.let_go(&mut bench.pool, &mut bench.writer);
            if let Some(transcript) = &mut conn.transcript
                && !transfer.chunked
            {
                let octets = transfer.wire_bytes;
                transcript.payload(octets, ", without its end", bench.clock.now_ms());
            }
            if transfer.ticket {
                bench.stop.give_ticket_back();
            }
            storage::undraw(&mut transfer, bench);
        }
    }
    keep_box(transfer, bench);
}

/// Commits whose connection has gone: what becomes a message is noted as not acknowledged.
pub(super) fn see_orphans_through(bench: &mut Bench) {
    for mut orphan in std::mem::take(&mut bench.orphans) {
        match bench.writer.poll_commit(&mut orphan.pending) {
            Ok(committed) => {
                note(bench, committed.id());
                bench.counters.message(orphan.bytes);
                bench.recording.counted(orphan.bytes, orphan.recipients);
                bench.stop.committed();
            }
            Err(NoRoom::Wait) => bench.orphans.push(orphan),
            Err(NoRoom::Budget | NoRoom::Full) => bench.stop.give_ticket_back(),
        }
    }
}

/// From here on what comes is thrown away, and the final reply is `why`.
pub(super) fn give_up_payload(conn: &mut Conn, bench: &mut Bench, why: Refusal) {
    let Some(transfer) = conn.transfer.as_mut() else { return };
    transfer.let_go(&mut bench.pool, &mut bench.writer);
    (transfer.refusal, transfer.direct) = (Some(why), false);
}

pub(super) fn give_up_if_too_large(conn: &mut Conn, bench: &mut Bench) {
    let max = bench.message_bytes_max;
    if conn.transfer.as_ref().is_some_and(|t| t.refusal.is_none() && t.is_beyond(max)) {
        give_up_payload(conn, bench, Refusal::TooLarge);
    }
}

pub(super) fn no_room(conn: &mut Conn, bench: &mut Bench, why: NoRoom) -> Next {
    match why {
        NoRoom::Wait => Next::Stop(Consumed::Parked),
        NoRoom::Budget => {
            bench.starved = true;
            give_up_payload(conn, bench, Refusal::NoStorage);
            Next::Again
        }
        NoRoom::Full => {
            give_up_payload(conn, bench, Refusal::NoStorage);
            Next::Again
        }
    }
}

pub(super) fn take_ticket(conn: &mut Conn, bench: &mut Bench) -> bool {
    let transfer = conn.transfer.as_mut().expect("only transfers commit");
    transfer.ticket = transfer.ticket || bench.stop.take_ticket();
    transfer.ticket
}

/// The payload is whole: commits it where it lies.
pub(super) fn commit(conn: &mut Conn, bench: &mut Bench) -> Next {
    let transfer = conn.transfer.as_ref().expect("Flow::Commit has a transfer");
    if transfer.refusal.is_some() {
        return refuse(conn, bench);
    }
    if transfer.message_bytes() > bench.message_bytes_max {
        give_up_payload(conn, bench, Refusal::TooLarge);
        return refuse(conn, bench);
    }
    if !take_ticket(conn, bench) {
        give_up_payload(conn, bench, Refusal::Stopping);
        return refuse(conn, bench);
    }
    let facts = facts(conn, bench);
    let transfer = conn.transfer.as_mut().expect("Flow::Commit has a transfer");
    if transfer.store == Store::Nothing {
        let counted = bench.writer.count_only();
        accept(conn, bench, &counted, None);
        return Next::Again;
    }
    let envelope = conn.session.envelope().as_bytes();
    match transfer.commit(envelope, &facts, &mut bench.pool, &mut bench.writer) {
        Ok(commit) => conclude(conn, bench, commit),
        Err(NoRoom::Wait) => return Next::Stop(Consumed::Parked),
        Err(NoRoom::Budget | NoRoom::Full) => {
            give_up_payload(conn, bench, Refusal::NoStorage);
            return refuse(conn, bench);
        }
    }
    Next::Again
}

pub(super) fn committing(conn: &mut Conn, bench: &mut Bench) -> Next {
    let Flow::Committing(pending) = &mut conn.flow else { return Next::Again };
    match bench.writer.poll_commit(pending) {
        Ok(committed) => accept(conn, bench, &committed, Some(committed.id())),
        Err(NoRoom::Wait) => return Next::Stop(Consumed::Parked),
        Err(NoRoom::Budget | NoRoom::Full) => {
            give_up_payload(conn, bench, Refusal::StorageFailed);
            return refuse(conn, bench);
        }
    }
    Next::Again
}

/// The whole payload lies at the tail, nothing has touched the writer since.
pub(super) fn commit_received(conn: &mut Conn, bench: &mut Bench) {
    let transfer = conn.transfer.as_ref().expect("Flow::Data has a transfer");
    let octets = transfer.payload_bytes() as usize;
    if transfer.message_bytes() > bench.message_bytes_max {
        give_up_payload(conn, bench, Refusal::TooLarge);
        refuse(conn, bench);
    } else if !take_ticket(conn, bench) {
        give_up_payload(conn, bench, Refusal::Stopping);
        refuse(conn, bench);
    } else {
        let facts = facts(conn, bench);
        let commit = bench.writer.commit_received(octets, &facts);
        conclude(conn, bench, commit);
    }
}

/// Accepts what is committed; what must wait for storage first is looked at when that reports.
pub(super) fn conclude(conn: &mut Conn, bench: &mut Bench, commit: Commit) {
    match commit {
        Commit::Done(committed) => accept(conn, bench, &committed, Some(committed.id())),
        Commit::Later(pending) => {
            if let Some(transfer) = &mut conn.transfer {
                transfer.pending_since_us = Some(bench.clock.now_us());
            }
            conn.flow = Flow::Committing(pending);
        }
    }
}

/// `id`: its name, unless it was only counted.
pub(super) fn accept<R: Receipt>(
    conn: &mut Conn,
    bench: &mut Bench,
    receipt: &R,
    id: Option<MessageId>,
) {
    id.into_iter().for_each(|id| bench.begun.committed_to(id.segment));
    let transfer = conn.transfer.as_ref().expect("only transfers commit");
    let octets = u32::try_from(transfer.wire_bytes).unwrap_or(u32::MAX);
    conn.last_payload_bytes = octets;
    bench.counters.message(transfer.message_bytes());
    let transaction_us = bench.clock.now_us().saturating_sub(conn.began_us);
    bench.recording.message(conn, transaction_us);
    conn.session.accept(receipt, &mut bench.desk);
    if conn.session.owes_replies() {
        conn.owing = id;
    } else if let Some(id) = id {
        bench.acknowledged.push((bench.desk.replies.len(), id));
    }
    bench.stop.committed();
    end_transfer(conn, bench);
}

/// The payload is read to its end and not kept.
pub(super) fn refuse(conn: &mut Conn, bench: &mut Bench) -> Next {
    let transfer = conn.transfer.as_mut().expect("only transfers are refused");
    storage::undraw(transfer, bench);
    let why = transfer.refusal.expect("callers latch one first");
    if transfer.ticket {
        bench.stop.give_ticket_back();
    }
    bench.counters.refused();
    bench.recording.refused();
    conn.session.refuse(why, &mut bench.desk);
    end_transfer(conn, bench);
    if why == Refusal::Stopping {
        conn.flow = Flow::Closing;
    }
    Next::Again
}

/// What the slot says of the transfer of `conn`.
pub(super) fn facts(conn: &Conn, bench: &Bench) -> Facts {
    let transfer = conn.transfer.as_ref().expect("only transfers commit");
    let took_us = bench.clock.now_us().saturating_sub(conn.began_us);
    Facts {
        kind: Kind::Message,
        mode: storage::mode(transfer.store),
        received_at_ns: bench.clock.unix_ns(),
        transaction_us: u32::try_from(took_us).unwrap_or(u32::MAX),
        session: conn.session_id,
        dots: transfer.stored_dots(),
        message_bytes: u32::try_from(transfer.message_bytes()).unwrap_or(u32::MAX),
        reply_code: 250,
        enhanced: [2, 0, 0],
        chunked: transfer.chunked,
    }
}

/// Gives back what `conn` holds of the budget for buffers; its transfer is over.
pub(super) fn give_up_buffers(conn: &mut Conn, bench: &mut Bench) {
    give_up_transfer(conn, bench);
    if let Some(held) = conn.held.take() {
        bench.pool.give(held);
    }
}
