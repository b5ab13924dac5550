//! Input into the session and into transfers, as far as it goes.
use crate::smtp::deviation::Deviations;
use crate::smtp::session::{State, Step};

use super::bench::{Bench, Input};
use super::commit::{
    Framing, begin_transfer, commit, committing, conclude, facts, give_up_if_too_large,
    give_up_transfer, no_room, refuse, take_ticket,
};
use super::conn::{Conn, Flow};
use super::storage;

/// How far the input could be consumed.
pub(super) enum Consumed {
    /// As far as it goes: more is needed.
    All,
    /// Replies must leave first.
    Full,
    Parked,
    Closing,
}

/// What a step of consuming says to the loop around it.
pub(super) enum Next {
    Again,
    Stop(Consumed),
}

pub(super) fn consume(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Consumed {
    loop {
        let next = match conn.flow {
            Flow::Command => command(conn, bench, input),
            Flow::Data => data(conn, bench, input),
            Flow::Chunk { left, last } => chunk(conn, bench, input, left, last),
            Flow::Discard { left } => discard(conn, bench, input, left),
            Flow::Commit => commit(conn, bench),
            Flow::Committing(_) => committing(conn, bench),
            Flow::Closing => Next::Stop(Consumed::Closing),
            Flow::Lingering => {
                input.consume(input.rest().len());
                Next::Stop(Consumed::All)
            }
        };
        if let Next::Stop(consumed) = next {
            return consumed;
        }
    }
}

pub(super) fn command(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    let has_more = conn.session.state() == State::Closed || conn.session.owes_replies();
    if input.is_empty() && !has_more {
        return Next::Stop(Consumed::All);
    }
    let ended_before = bench.desk.transactions_ended;
    let (octets, step) = conn.session.feed(input.rest(), &mut bench.desk);
    if conn.transfer.is_some() && bench.desk.transactions_ended != ended_before {
        // Chunks of a transaction that was reset: their room is free from now on.
        give_up_transfer(conn, bench);
    }
    if let Some(transcript) = &mut conn.transcript {
        let now_ms = bench.clock.now_ms();
        transcript.client(&input.rest()[..octets], now_ms);
        if let Step::Chunk { bytes, .. } | Step::DiscardChunk { bytes } = step {
            transcript.payload(bytes, "", now_ms);
        }
    }
    input.consume(octets);
    if conn.owing.is_some() && !conn.session.owes_replies() {
        bench.acknowledged.extend(conn.owing.take().map(|id| (bench.desk.replies.len(), id)));
    }
    if !conn.session.in_transaction() || conn.session.owes_replies() {
        conn.began_us = 0;
    } else if conn.began_us == 0 {
        conn.began_us = bench.clock.now_us();
    }
    match step {
        Step::NeedInput => Next::Stop(Consumed::All),
        Step::Drain => Next::Stop(Consumed::Full),
        Step::Close => {
            conn.flow = Flow::Closing;
            Next::Again
        }
        Step::Moment => {
            note_moment(conn, bench);
            Next::Again
        }
        Step::Tolerated(kinds) => {
            tolerated(conn, bench, kinds);
            Next::Again
        }
        Step::Data => {
            begin_transfer(conn, bench, Framing::Data);
            conn.flow = Flow::Data;
            Next::Again
        }
        Step::Chunk { bytes, last, first } => {
            if first {
                begin_transfer(conn, bench, Framing::Chunks { first: bytes });
            }
            conn.flow = Flow::Chunk { left: bytes, last };
            Next::Again
        }
        Step::DiscardChunk { bytes } => {
            conn.flow = Flow::Discard { left: bytes };
            Next::Again
        }
    }
}

/// The command that was consumed last broke these rules.
#[cold]
fn tolerated(conn: &mut Conn, bench: &mut Bench, kinds: Deviations) {
    bench.recording.tolerated(kinds);
    if let Some(transcript) = &mut conn.transcript {
        transcript.tolerated(kinds, bench.clock.now_ms());
    }
}

/// What a client has named by NOOP.
#[cold]
fn note_moment(conn: &mut Conn, bench: &mut Bench) {
    let moments = bench.moments.as_ref().expect("the policy asks for them where there are any");
    let Some(moment) = bench.desk.moment.take() else { return };
    let outcome = moments.take(&moment, bench.clock.unix_ns());
    conn.session.moment_answered(&moment, outcome, &mut bench.desk);
}

/// Mail data that came along with commands.
pub(super) fn data(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    if input.is_empty() {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    if !transfer.direct {
        return storage::data(conn, bench, input);
    }
    let before = (transfer.end, transfer.dots);
    let found = transfer.end.scan(input.rest(), &mut transfer.dots);
    let octets = found.unwrap_or(input.rest().len());
    let piece = &input.rest()[..octets];
    let envelope = conn.session.envelope().as_bytes();
    let (stored, result) = transfer.store(envelope, piece, &mut bench.pool, &mut bench.writer);
    if stored < octets {
        // Only what was stored counts as seen; the rest is scanned again when there is room.
        (transfer.end, transfer.dots) = before;
        let end = transfer.end.scan(&piece[..stored], &mut transfer.dots);
        assert!(end.is_none(), "the end of data lies in what was not stored");
    }
    transfer.wire_bytes += stored as u64;
    input.consume(stored);
    match result {
        Err(why) => return no_room(conn, bench, why),
        Ok(()) if found.is_some() => conn.flow = Flow::Commit,
        Ok(()) => give_up_if_too_large(conn, bench),
    }
    Next::Again
}

/// Octets of a chunk that came along with commands.
pub(super) fn chunk(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
    left: u64,
    last: bool,
) -> Next {
    if left == 0 {
        return end_of_chunk(conn, bench, last);
    }
    if input.is_empty() {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    if !transfer.direct {
        return storage::chunk(conn, bench, input, left, last);
    }
    let octets = input.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let whole = last && octets as u64 == left && transfer.wire_bytes == 0;
    if whole && let Next::Again = append_whole(conn, bench, input, octets) {
        return Next::Again;
    }
    let transfer = conn.transfer.as_mut().expect("append_whole leaves it, if it fails");
    let envelope = conn.session.envelope().as_bytes();
    let piece = &input.rest()[..octets];
    let (stored, result) = transfer.store(envelope, piece, &mut bench.pool, &mut bench.writer);
    transfer.wire_bytes += stored as u64;
    input.consume(stored);
    conn.flow = Flow::Chunk { left: left - stored as u64, last };
    match result {
        Ok(()) => Next::Again,
        Err(why) => no_room(conn, bench, why),
    }
}

/// A chunk that is the whole message and lies in the input: one copy, no staging.
pub(super) fn append_whole(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
    octets: usize,
) -> Next {
    if !take_ticket(conn, bench) {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    transfer.wire_bytes = octets as u64;
    let facts = facts(conn, bench);
    let envelope = conn.session.envelope().as_bytes();
    match bench.writer.append(envelope, &[&input.rest()[..octets]], &facts) {
        Ok(commit) => {
            input.consume(octets);
            conclude(conn, bench, commit);
            Next::Again
        }
        Err(_) => {
            // The staged way finds the same obstacle and deals with it.
            conn.transfer.as_mut().expect("it was there above").wire_bytes = 0;
            Next::Stop(Consumed::All)
        }
    }
}

pub(super) fn end_of_chunk(conn: &mut Conn, bench: &mut Bench, last: bool) -> Next {
    let transfer = conn.transfer.as_ref().expect("Flow::Chunk has a transfer");
    if transfer.refusal.is_some() {
        return refuse(conn, bench);
    }
    if last {
        conn.flow = Flow::Commit;
    } else {
        conn.session.chunk_received(&mut bench.desk);
        conn.flow = Flow::Command;
    }
    Next::Again
}

pub(super) fn discard(conn: &mut Conn, bench: &mut Bench, input: &mut Input, left: u64) -> Next {
    let octets = input.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
    input.consume(octets);
    let left = left - octets as u64;
    conn.flow = Flow::Discard { left };
    if left > 0 {
        return Next::Stop(Consumed::All);
    }
    conn.session.chunk_received(&mut bench.desk);
    conn.flow = Flow::Command;
    Next::Again
}
