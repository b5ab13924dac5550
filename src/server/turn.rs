//! A connection's turn: receive, run the session, put payload into the log, send once.
//!
//! Per message of 2 KB in one round trip a command: five `recv`, five `send`, one copy of the
//! envelope (about 150 octets) and none of the payload; no lock, no allocation, no clock.
use std::io::{ErrorKind, IoSliceMut, Read, Write};
use std::sync::Arc;

use crate::log::{Commit, Committed, Facts, Kind, MessageId, NoRoom, StorageMode, Writer};
use crate::smtp::data::EndOfData;
use crate::smtp::session::{Desk, Farewell, Refusal, State, Step};

use super::clock::Clock;
use super::conn::{Conn, Flow, Unsent};
use super::pool::Pool;
use super::shutdown::{Stage, Stop};
use super::transfer::{Acknowledged, STAGED_BYTES_MAX, Transfer, Way};
use super::worker::Counters;

/// Octets a connection may receive in one round before the others have their turn.
const ROUND_BYTES_MAX: usize = 256 << 10;
/// Octets of input taken up at once; what can't be consumed at the moment is held in a buffer.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// The worker's input buffer: unread commands, and what one read of payload may bring behind the
/// end of data.
const SCRATCH_BYTES: usize = 256 << 10;
/// Boxes of ended transfers kept for the next.
const TRANSFERS_KEPT_MAX: usize = 4096;

/// What all connections of a worker share, lent to whichever has its turn.
pub struct Bench {
    pub clock: Clock,
    pub desk: Desk,
    pub writer: Writer,
    pub pool: Pool,
    pub stop: Arc<Stop>,
    pub counters: Arc<Counters>,
    pub message_bytes_max: u64,
    /// A transfer found the budget for buffers used up: the worker should make room.
    pub starved: bool,
    /// Wire octets of the last payload of any session: the guess for a session's first.
    last_payload_bytes: u32,
    transfers: Vec<Box<Transfer>>,
    acknowledged: Vec<Acknowledged>,
    scratch: Vec<u8>,
}

impl Bench {
    pub fn new(
        desk: Desk,
        writer: Writer,
        pool: Pool,
        stop: Arc<Stop>,
        counters: Arc<Counters>,
        message_bytes_max: u64,
    ) -> Bench {
        Bench {
            clock: Clock::start(),
            desk,
            writer,
            pool,
            stop,
            counters,
            message_bytes_max,
            starved: false,
            last_payload_bytes: 0,
            transfers: Vec::new(),
            acknowledged: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
        }
    }
}

/// What a connection waits for after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// More octets.
    Idle,
    /// Nothing: it gave way to the others and goes on in this round.
    Again,
    /// Room in the log.
    Parked,
    /// Room in the socket.
    Blocked,
    /// Nothing any more.
    Closed,
}

/// Input not yet consumed, in the worker's scratch buffer.
struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn consume(&mut self, octets: usize) {
        assert!(octets <= self.end - self.start, "consumed more than there is");
        self.start += octets;
    }

    /// Free space behind the rest, which moves to the front.
    fn free(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = INPUT_BYTES_MAX.max(self.end + 1).min(self.bytes.len());
        &mut self.bytes[self.end..limit]
    }

    /// What came behind the end of a payload; nothing else may be unconsumed.
    fn fill(&mut self, octets: &[u8]) {
        assert!(self.is_empty(), "payload is received only when all input is consumed");
        self.bytes[..octets.len()].copy_from_slice(octets);
        (self.start, self.end) = (0, octets.len());
    }
}

/// How far the input could be consumed.
enum Consumed {
    /// As far as it goes: more is needed.
    All,
    /// Replies must leave first.
    Full,
    Parked,
    Closing,
}

/// What a step of consuming says to the loop around it.
enum Next {
    Again,
    Stop(Consumed),
}

enum Received {
    Octets {
        count: usize,
        short: bool,
    },
    Nothing,
    End,
    Parked,
    /// Nothing was read; the transfer was given up, its octets are read as input from now on.
    GivenUp,
}

enum Sent {
    All,
    Blocked,
    Lost,
}

/// Runs `conn` until it has to wait for something.
pub fn turn(conn: &mut Conn, bench: &mut Bench) -> Turn {
    match send_unsent(conn, bench) {
        Sent::All => {}
        Sent::Blocked => return Turn::Blocked,
        Sent::Lost => return Turn::Closed,
    }
    let mut input = Input { bytes: std::mem::take(&mut bench.scratch), start: 0, end: 0 };
    if let Some(held) = conn.held.take() {
        input.fill(held.filled());
        bench.pool.give(held);
    }
    let mut turn = run(conn, bench, &mut input);
    if turn != Turn::Closed {
        turn = settle(conn, bench, &input, turn);
    }
    bench.desk.replies.clear();
    bench.scratch = input.bytes;
    if matches!(conn.flow, Flow::Lingering) || turn == Turn::Parked {
        conn.waiting_ms.get_or_insert(bench.clock.now_ms());
    } else {
        conn.waiting_ms = None;
    }
    turn
}

fn run(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Turn {
    let mut taken = 0;
    let mut drained = false;
    loop {
        match consume(conn, bench, input) {
            Consumed::All => {}
            Consumed::Full => match flush(conn, bench) {
                Sent::All => continue,
                Sent::Blocked => return Turn::Blocked,
                Sent::Lost => return Turn::Closed,
            },
            Consumed::Parked => return Turn::Parked,
            Consumed::Closing => {
                return close_politely(conn, bench, drained && input.is_empty());
            }
        }
        if drained {
            return Turn::Idle;
        }
        if taken >= ROUND_BYTES_MAX {
            return Turn::Again;
        }
        match receive(conn, bench, input) {
            Ok(Received::Octets { count, short }) => {
                taken += count;
                // A stream that gave less than asked for has nothing more (epoll(7)); only the
                // peer's end of stream must still be fetched.
                drained = short && cfg!(target_os = "linux") && !conn.read_closed;
                conn.heard_ms = bench.clock.now_ms();
            }
            Ok(Received::Nothing) => return Turn::Idle,
            Ok(Received::Parked) => return Turn::Parked,
            Ok(Received::GivenUp) => {}
            Ok(Received::End) => return end_of_stream(conn, bench),
            Err(error) => {
                tracing::debug!(client = %conn.client, %error, "connection lost");
                note_unsent(conn, bench);
                return Turn::Closed;
            }
        }
    }
}

/// After the turn: sends what was said, keeps what can't be consumed yet.
fn settle(conn: &mut Conn, bench: &mut Bench, input: &Input, turn: Turn) -> Turn {
    let stopping = bench.stop.stage() != Stage::Running;
    let idle = matches!(conn.flow, Flow::Command) && !conn.session.in_transaction();
    if stopping && idle && turn != Turn::Blocked {
        conn.session.farewell(Farewell::Stopping, &mut bench.desk);
        return close_politely(conn, bench, input.is_empty());
    }
    if !input.is_empty() && !matches!(conn.flow, Flow::Closing | Flow::Lingering) {
        let Some(mut held) = bench.pool.take(input.rest().len()) else {
            bench.starved = true;
            conn.session.farewell(Farewell::OutOfBuffers, &mut bench.desk);
            return close_politely(conn, bench, false);
        };
        held.push(input.rest());
        conn.held = Some(held);
    }
    match flush(conn, bench) {
        Sent::All => turn,
        Sent::Blocked => Turn::Blocked,
        Sent::Lost => Turn::Closed,
    }
}

/// Says why, sends and closes, from outside a turn.
pub fn dismiss(conn: &mut Conn, bench: &mut Bench, why: Farewell) -> Turn {
    bench.desk.replies.clear();
    give_up_buffers(conn, bench);
    conn.session.farewell(why, &mut bench.desk);
    if conn.unsent.is_some() {
        note_unsent(conn, bench);
        return Turn::Closed;
    }
    let turn = close_politely(conn, bench, false);
    bench.desk.replies.clear();
    turn
}

/// Sends the greeting.
pub fn greet(conn: &mut Conn, bench: &mut Bench) -> Turn {
    conn.session.greet(&mut bench.desk);
    let turn = match flush(conn, bench) {
        Sent::All => Turn::Idle,
        Sent::Blocked => Turn::Blocked,
        Sent::Lost => Turn::Closed,
    };
    bench.desk.replies.clear();
    turn
}

/// Gives back all that a connection holds.
pub fn drop_everything(conn: &mut Conn, bench: &mut Bench) {
    note_unsent(conn, bench);
    give_up_buffers(conn, bench);
    conn.session.abandon(&mut bench.desk);
}

/// The last replies leave; `clean`: nothing unread is left, so that closing sends no reset.
fn close_politely(conn: &mut Conn, bench: &mut Bench, clean: bool) -> Turn {
    conn.flow = Flow::Closing;
    match flush(conn, bench) {
        Sent::Lost => Turn::Closed,
        Sent::Blocked => Turn::Blocked,
        Sent::All if clean => Turn::Closed,
        Sent::All => linger(conn),
    }
}

fn linger(conn: &mut Conn) -> Turn {
    conn.flow = Flow::Lingering;
    match conn.socket.shutdown(std::net::Shutdown::Write) {
        Ok(()) => Turn::Again,
        Err(_) => Turn::Closed,
    }
}

/// The client sends no more. What it had sent is answered; what was not whole is forgotten.
fn end_of_stream(conn: &mut Conn, bench: &mut Bench) -> Turn {
    give_up_transfer(conn, bench);
    conn.flow = Flow::Closing;
    match flush(conn, bench) {
        Sent::Blocked => Turn::Blocked,
        Sent::All | Sent::Lost => Turn::Closed,
    }
}

// ---------------------------------------------------------------- consuming

fn consume(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Consumed {
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

fn command(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    if input.is_empty() && conn.session.state() != State::Closed {
        return Next::Stop(Consumed::All);
    }
    let (octets, step) = conn.session.feed(input.rest(), &mut bench.desk);
    input.consume(octets);
    if !conn.session.in_transaction() {
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
        Step::Data => {
            give_up_transfer(conn, bench);
            begin_transfer(conn, bench, Framing::Data);
            conn.flow = Flow::Data;
            Next::Again
        }
        Step::Chunk { bytes, last, first } => {
            if first {
                give_up_transfer(conn, bench);
                begin_transfer(conn, bench, Framing::Chunks { first: bytes });
            }
            conn.flow = Flow::Chunk { left: bytes, last };
            Next::Again
        }
        Step::DiscardChunk { bytes } => {
            give_up_transfer(conn, bench);
            conn.flow = Flow::Discard { left: bytes };
            Next::Again
        }
    }
}

enum Framing {
    Data,
    Chunks { first: u64 },
}

fn begin_transfer(conn: &mut Conn, bench: &mut Bench, framing: Framing) {
    let mut transfer = bench.transfers.pop().unwrap_or_else(|| Box::new(Transfer::new()));
    let guess = match conn.last_payload_bytes {
        0 => bench.last_payload_bytes,
        octets => octets,
    };
    transfer.expect(conn.session.envelope().declared_size(), u64::from(guess));
    if let Framing::Chunks { first } = framing {
        transfer.chunked = true;
        transfer.expected_bytes = transfer.expected_bytes.max(first);
    }
    transfer.expected_bytes = transfer.expected_bytes.min(bench.message_bytes_max);
    transfer.heard_ms = bench.clock.now_ms();
    conn.transfer = Some(transfer);
}

/// The transfer is over; its box waits for the next one.
fn end_transfer(conn: &mut Conn, bench: &mut Bench) {
    if let Some(mut transfer) = conn.transfer.take()
        && bench.transfers.len() < TRANSFERS_KEPT_MAX
    {
        *transfer = Transfer::new();
        bench.transfers.push(transfer);
    }
    conn.began_us = 0;
    conn.flow = Flow::Command;
}

fn give_up_transfer(conn: &mut Conn, bench: &mut Bench) {
    let Some(transfer) = conn.transfer.as_mut() else { return };
    transfer.let_go(&mut bench.pool, &mut bench.writer);
    if transfer.ticket {
        bench.stop.give_ticket_back();
    }
    let (began, flow) = (conn.began_us, std::mem::replace(&mut conn.flow, Flow::Command));
    end_transfer(conn, bench);
    (conn.began_us, conn.flow) = (began, flow);
}

/// From here on what comes is thrown away, and the final reply is `why`.
fn give_up_payload(conn: &mut Conn, bench: &mut Bench, why: Refusal) {
    let Some(transfer) = conn.transfer.as_mut() else { return };
    transfer.let_go(&mut bench.pool, &mut bench.writer);
    transfer.refusal = Some(why);
}

fn no_room(conn: &mut Conn, bench: &mut Bench, why: NoRoom) -> Next {
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

/// Mail data that came along with commands.
fn data(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    if input.is_empty() {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    let before = (transfer.end, transfer.dots);
    let found = transfer.end.scan(input.rest(), &mut transfer.dots);
    let octets = found.unwrap_or(input.rest().len());
    if transfer.refusal.is_some() {
        transfer.wire_bytes += octets as u64;
        input.consume(octets);
        return if found.is_some() { refuse(conn, bench) } else { Next::Again };
    }
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

fn give_up_if_too_large(conn: &mut Conn, bench: &mut Bench) {
    let max = bench.message_bytes_max;
    if conn.transfer.as_ref().is_some_and(|t| t.refusal.is_none() && t.is_beyond(max)) {
        give_up_payload(conn, bench, Refusal::TooLarge);
    }
}

/// Octets of a chunk that came along with commands.
fn chunk(conn: &mut Conn, bench: &mut Bench, input: &mut Input, left: u64, last: bool) -> Next {
    if left == 0 {
        return end_of_chunk(conn, bench, last);
    }
    if input.is_empty() {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    let octets = input.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let piece = &input.rest()[..octets];
    let mut stored = octets;
    let mut result = Ok(());
    if transfer.refusal.is_none() {
        let whole = last && octets as u64 == left && transfer.wire_bytes == 0;
        if whole && let Next::Again = append_whole(conn, bench, input, octets) {
            return Next::Again;
        }
        let transfer = conn.transfer.as_mut().expect("append_whole leaves it, if it fails");
        let envelope = conn.session.envelope().as_bytes();
        (stored, result) =
            transfer.store(envelope, &input.rest()[..octets], &mut bench.pool, &mut bench.writer);
        transfer.wire_bytes += stored as u64;
    } else {
        transfer.wire_bytes += piece.len() as u64;
    }
    input.consume(stored);
    conn.flow = Flow::Chunk { left: left - stored as u64, last };
    match result {
        Ok(()) => Next::Again,
        Err(why) => no_room(conn, bench, why),
    }
}

/// A chunk that is the whole message and lies in the input: one copy, no staging.
fn append_whole(conn: &mut Conn, bench: &mut Bench, input: &mut Input, octets: usize) -> Next {
    if !take_ticket(conn, bench) {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    transfer.wire_bytes = octets as u64;
    let facts = facts(conn, bench);
    let envelope = conn.session.envelope().as_bytes();
    match bench.writer.append(envelope, &[&input.rest()[..octets]], &facts) {
        Ok(committed) => {
            input.consume(octets);
            accept(conn, bench, committed);
            Next::Again
        }
        Err(_) => {
            // The staged way finds the same obstacle and deals with it.
            conn.transfer.as_mut().expect("it was there above").wire_bytes = 0;
            Next::Stop(Consumed::All)
        }
    }
}

fn end_of_chunk(conn: &mut Conn, bench: &mut Bench, last: bool) -> Next {
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

fn discard(conn: &mut Conn, bench: &mut Bench, input: &mut Input, left: u64) -> Next {
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

// ---------------------------------------------------------------- committing

fn take_ticket(conn: &mut Conn, bench: &mut Bench) -> bool {
    let transfer = conn.transfer.as_mut().expect("only transfers commit");
    transfer.ticket = transfer.ticket || bench.stop.take_ticket();
    transfer.ticket
}

/// The payload is whole: commits it where it lies.
fn commit(conn: &mut Conn, bench: &mut Bench) -> Next {
    let transfer = conn.transfer.as_ref().expect("Flow::Commit has a transfer");
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
    let envelope = conn.session.envelope().as_bytes();
    match transfer.commit(envelope, &facts, &mut bench.pool, &mut bench.writer) {
        Ok(Commit::Done(committed)) => accept(conn, bench, committed),
        Ok(Commit::Later(pending)) => conn.flow = Flow::Committing(pending),
        Err(NoRoom::Wait) => return Next::Stop(Consumed::Parked),
        Err(NoRoom::Budget | NoRoom::Full) => {
            give_up_payload(conn, bench, Refusal::NoStorage);
            return refuse(conn, bench);
        }
    }
    Next::Again
}

fn committing(conn: &mut Conn, bench: &mut Bench) -> Next {
    let Flow::Committing(pending) = &mut conn.flow else { return Next::Again };
    match bench.writer.poll_commit(pending) {
        Ok(committed) => accept(conn, bench, committed),
        Err(NoRoom::Wait) => return Next::Stop(Consumed::Parked),
        Err(NoRoom::Budget | NoRoom::Full) => {
            give_up_payload(conn, bench, Refusal::StorageFailed);
            return refuse(conn, bench);
        }
    }
    Next::Again
}

fn accept(conn: &mut Conn, bench: &mut Bench, committed: Committed) {
    let transfer = conn.transfer.as_ref().expect("only transfers commit");
    let octets = u32::try_from(transfer.wire_bytes).unwrap_or(u32::MAX);
    conn.last_payload_bytes = octets;
    bench.last_payload_bytes = octets;
    bench.counters.message(transfer.message_bytes());
    conn.session.accept(&committed, &mut bench.desk);
    bench.acknowledged.push((bench.desk.replies.len(), committed.id()));
    bench.stop.committed();
    end_transfer(conn, bench);
}

/// The payload is read to its end and not kept.
fn refuse(conn: &mut Conn, bench: &mut Bench) -> Next {
    let transfer = conn.transfer.as_ref().expect("only transfers are refused");
    let why = transfer.refusal.expect("callers latch one first");
    if transfer.ticket {
        bench.stop.give_ticket_back();
    }
    bench.counters.refused();
    conn.session.refuse(why, &mut bench.desk);
    end_transfer(conn, bench);
    if why == Refusal::Stopping {
        conn.flow = Flow::Closing;
    }
    Next::Again
}

/// What the slot says of the transfer of `conn`.
fn facts(conn: &Conn, bench: &Bench) -> Facts {
    let transfer = conn.transfer.as_ref().expect("only transfers commit");
    let took_us = bench.clock.now_us().saturating_sub(conn.began_us);
    Facts {
        kind: Kind::Message,
        mode: StorageMode::Full,
        received_at_ns: bench.clock.unix_ns(),
        transaction_us: u32::try_from(took_us).unwrap_or(u32::MAX),
        session: conn.session_id,
        dots: transfer.dots,
        message_bytes: u32::try_from(transfer.message_bytes()).unwrap_or(u32::MAX),
        reply_code: 250,
        enhanced: [2, 0, 0],
        chunked: transfer.chunked,
    }
}

// ---------------------------------------------------------------- receiving

fn receive(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> std::io::Result<Received> {
    let kept = conn.transfer.as_ref().is_some_and(|t| t.refusal.is_none());
    let received = match conn.flow {
        Flow::Data if kept => receive_data(conn, bench, input),
        Flow::Chunk { left, .. } if kept => receive_chunk(conn, bench, input, left),
        _ => receive_input(conn, input),
    };
    match received {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
        other => other,
    }
}

/// Reads once, over interruptions.
fn read(socket: &mut impl Read, space: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match socket.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn receive_input(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    let free = input.free();
    let asked = free.len();
    let count = read(&mut conn.socket, free)?;
    if count == 0 {
        return Ok(Received::End);
    }
    input.end += count;
    Ok(Received::Octets { count, short: count < asked })
}

/// Mail data, from the socket into the log or its staging buffer.
fn receive_data(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    if matches!(transfer.way, Way::Nothing) && transfer.expected_bytes <= STAGED_BYTES_MAX as u64 {
        return receive_whole(conn, bench, input);
    }
    let envelope = conn.session.envelope().as_bytes();
    let way = transfer.make_way(envelope, 1, &mut bench.pool, &mut bench.writer);
    let space = way.and_then(|()| match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => Ok(buffer.free()),
        Way::Reserved(reservation) => bench.writer.space(reservation),
    });
    let space = match space {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let asked = space.len();
    let count = read(&mut conn.socket, space)?;
    if count == 0 {
        return Ok(Received::End);
    }
    let found = transfer.end.scan(&space[..count], &mut transfer.dots);
    let octets = found.unwrap_or(count);
    input.fill(&space[octets..count]);
    match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => buffer.advance(octets),
        Way::Reserved(reservation) => bench.writer.filled(reservation, octets),
    }
    transfer.wire_bytes += octets as u64;
    transfer.heard_ms = bench.clock.now_ms();
    if found.is_some() {
        conn.flow = Flow::Commit;
    } else {
        give_up_if_too_large(conn, bench);
    }
    Ok(Received::Octets { count, short: count < asked })
}

fn given_up(conn: &mut Conn, bench: &mut Bench, why: NoRoom) -> Received {
    match no_room(conn, bench, why) {
        Next::Stop(_) => Received::Parked,
        Next::Again => Received::GivenUp,
    }
}

/// The first octets of a payload that may come in one read: received at the tail of the log, and
/// if they are all, committed where they lie.
fn receive_whole(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    let envelope = conn.session.envelope().as_bytes();
    let space = match bench.writer.receive_here(envelope, STAGED_BYTES_MAX) {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let asked = space.len();
    let count = read(&mut conn.socket, space)?;
    if count == 0 {
        return Ok(Received::End);
    }
    let found = transfer.end.scan(&space[..count], &mut transfer.dots);
    transfer.wire_bytes = found.unwrap_or(count) as u64;
    transfer.heard_ms = bench.clock.now_ms();
    match found {
        Some(octets) => {
            input.fill(&space[octets..count]);
            commit_received(conn, bench);
        }
        None => {
            let wanted = transfer.expected_bytes.max(count as u64) as usize;
            match bench.pool.take(wanted) {
                Some(mut buffer) => {
                    buffer.push(&space[..count]);
                    transfer.way = Way::Staged(buffer);
                    give_up_if_too_large(conn, bench);
                }
                None => drop(no_room(conn, bench, NoRoom::Budget)),
            }
        }
    }
    Ok(Received::Octets { count, short: count < asked })
}

/// The whole payload lies at the tail, nothing has touched the writer since.
fn commit_received(conn: &mut Conn, bench: &mut Bench) {
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
        let committed = bench.writer.commit_received(octets, &facts);
        accept(conn, bench, committed);
    }
}

/// The rest of a chunk: exactly its octets into the log, what follows into the input buffer.
fn receive_chunk(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
    left: u64,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    let left_here = usize::try_from(left).unwrap_or(usize::MAX);
    let envelope = conn.session.envelope().as_bytes();
    let way = transfer.make_way(envelope, left_here, &mut bench.pool, &mut bench.writer);
    let space = way.and_then(|()| match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => Ok(buffer.free()),
        Way::Reserved(reservation) => bench.writer.space(reservation),
    });
    let space = match space {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let for_payload = space.len().min(left_here);
    let space = &mut space[..for_payload];
    let (count, asked) = if for_payload == left_here {
        let free = input.free();
        let asked = for_payload + free.len();
        (read_both(&mut conn.socket, space, free)?, asked)
    } else {
        (read(&mut conn.socket, space)?, for_payload)
    };
    if count == 0 {
        return Ok(Received::End);
    }
    let octets = count.min(for_payload);
    input.end += count - octets;
    match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => buffer.advance(octets),
        Way::Reserved(reservation) => bench.writer.filled(reservation, octets),
    }
    transfer.wire_bytes += octets as u64;
    transfer.heard_ms = bench.clock.now_ms();
    if let Flow::Chunk { left, .. } = &mut conn.flow {
        *left -= octets as u64;
    }
    Ok(Received::Octets { count, short: count < asked })
}

fn read_both(
    socket: &mut impl Read,
    payload: &mut [u8],
    behind: &mut [u8],
) -> std::io::Result<usize> {
    loop {
        let mut both = [IoSliceMut::new(payload), IoSliceMut::new(behind)];
        match socket.read_vectored(&mut both) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

// ---------------------------------------------------------------- sending

/// Sends all replies of this turn with one call; what the socket does not take is kept.
fn flush(conn: &mut Conn, bench: &mut Bench) -> Sent {
    if bench.desk.replies.is_empty() {
        return Sent::All;
    }
    let sent = match write(&mut conn.socket, &bench.desk.replies) {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            note_lost(bench);
            return Sent::Lost;
        }
    };
    if sent < bench.desk.replies.len() {
        keep_unsent(conn, bench, sent);
        return Sent::Blocked;
    }
    bench.desk.replies.clear();
    bench.acknowledged.clear();
    Sent::All
}

#[cold]
fn keep_unsent(conn: &mut Conn, bench: &mut Bench, sent: usize) {
    let bytes = bench.desk.replies.split_off(sent);
    let acknowledged = bench
        .acknowledged
        .drain(..)
        .filter(|(end, _)| *end > sent)
        .map(|(end, id)| (end - sent, id))
        .collect();
    bench.desk.replies.clear();
    conn.unsent = Some(Box::new(Unsent { bytes, sent: 0, acknowledged }));
}

/// Octets the socket took; 0 if it takes none now.
fn write(socket: &mut impl Write, bytes: &[u8]) -> std::io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}

fn send_unsent(conn: &mut Conn, bench: &mut Bench) -> Sent {
    let Some(unsent) = conn.unsent.as_mut() else { return Sent::All };
    match write(&mut conn.socket, &unsent.bytes[unsent.sent..]) {
        Ok(sent) => {
            unsent.sent += sent;
            if sent > 0 {
                conn.heard_ms = bench.clock.now_ms();
            }
            if unsent.sent < unsent.bytes.len() {
                return Sent::Blocked;
            }
            conn.unsent = None;
            Sent::All
        }
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            note_unsent(conn, bench);
            Sent::Lost
        }
    }
}

/// The connection ends with acknowledgements of this turn unsent.
#[cold]
fn note_lost(bench: &mut Bench) {
    for index in 0..bench.acknowledged.len() {
        let (_, id) = bench.acknowledged[index];
        note(bench, id);
    }
    bench.acknowledged.clear();
}

/// Likewise those of earlier turns.
fn note_unsent(conn: &mut Conn, bench: &mut Bench) {
    note_lost(bench);
    let Some(unsent) = conn.unsent.take() else { return };
    for (end, id) in unsent.acknowledged {
        if end > unsent.sent {
            note(bench, id);
        }
    }
}

/// Writes into the log that the 250 for `id` was not sent; with no room, this is forgotten.
#[cold]
fn note(bench: &mut Bench, id: MessageId) {
    let facts = Facts {
        kind: Kind::Note,
        received_at_ns: bench.clock.unix_ns(),
        reply_code: 250,
        enhanced: [2, 0, 0],
        ..Facts::default()
    };
    if bench.writer.append(&[], &[&id.to_bytes()], &facts).is_err() {
        tracing::warn!(%id, "its 250 could not be sent, and there was no room to note that");
    }
}

/// Gives back what `conn` holds of the budget for buffers; its transfer is over.
pub fn give_up_buffers(conn: &mut Conn, bench: &mut Bench) {
    give_up_transfer(conn, bench);
    if let Some(held) = conn.held.take() {
        bench.pool.give(held);
    }
}

/// A transfer parked for too long: its payload is refused, the rest of it read and thrown away.
pub fn give_up_waiting(conn: &mut Conn, bench: &mut Bench) {
    give_up_payload(conn, bench, Refusal::NoStorage);
    if matches!(conn.flow, Flow::Commit) {
        refuse(conn, bench);
    }
}

/// Nothing of an old scanner must live on in a recycled transfer.
const _: () = assert!(size_of::<EndOfData>() <= 16, "copied before each scan");
