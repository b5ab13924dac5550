//! A connection's turn: receive, run the session, put payload into the log, send once.
//!
//! Per message of 2 KB in one round trip a command: four `recv`, four `send`, one copy of the
//! envelope (about 150 octets) and none of the payload; no lock, no allocation, no clock.
use std::sync::Arc;
use std::time::Duration;

use crate::log::Writer;
use crate::smtp::session::{Farewell, Refusal, Session};

use super::bench::{Bench, Input};
use super::clock::Clock;
use super::commit::{give_up_buffers, give_up_payload, give_up_transfer, see_orphans_through};
use super::conn::{Conn, Flow};
use super::consume::{Consumed, consume};
use super::counters::{Counters, Doing};
use super::receive::{Received, receive};
use super::record::{Expected, Recording};
use super::send::{Sent, flush, note_lost, note_unsent, send_unsent, write};
use super::shutdown::{Stage, Stop};
use super::stream::Stream;
use super::transcript::Transcripts;

/// Octets a connection may receive in one round before the others have their turn.
const ROUND_BYTES_MAX: usize = 256 << 10;

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

/// What all connections of a worker share, while none of them has its turn.
///
/// Replies lie in a buffer that connections share. It can be reached only within a turn: from here
/// nobody can say anything to a client, so no reply goes to another client than the one it is for.
pub(super) struct Resting {
    bench: Bench,
}

impl Resting {
    pub fn new(bench: Bench) -> Resting {
        Resting { bench }
    }

    /// Runs `conn` until it has to wait for something.
    pub fn turn(&mut self, conn: &mut Conn) -> Turn {
        self.lend(conn, |conn, bench| match send_unsent(conn, bench) {
            Sent::All => take_turn(conn, bench),
            Sent::Blocked => Turn::Blocked,
            Sent::Lost => Turn::Closed,
        })
    }

    /// Sends the greeting.
    pub fn greet(&mut self, conn: &mut Conn) -> Turn {
        self.lend(conn, |conn, bench| {
            conn.session.greet(&mut bench.desk);
            bench.recording.opened();
            leave(conn, bench, Turn::Idle)
        })
    }

    /// Says why, sends and closes. A client that does not read what it was sent before is told
    /// nothing more.
    pub fn dismiss(&mut self, conn: &mut Conn, why: Farewell) -> Turn {
        self.lend(conn, |conn, bench| farewell(conn, bench, why))
    }

    /// The payload of `conn` has waited for room for too long. The refusal is latched; `conn` says
    /// it in its next turn, when the payload has come to its end.
    pub fn give_up_payload(&mut self, conn: &mut Conn) {
        self.lend(conn, |conn, bench| {
            give_up_payload(conn, bench, Refusal::NoStorage);
            Turn::Idle
        });
    }

    /// Moves the payload of `conn` out of the segment `pinned`. Without room it stays for now.
    pub fn leave_segment(&mut self, conn: &mut Conn, pinned: u32) {
        if let Some(transfer) = &mut conn.transfer {
            transfer.leave_segment(pinned, &mut self.bench.writer);
        }
    }

    /// Gives back all that `conn` holds; it is about to be dropped.
    pub fn end(&mut self, conn: &mut Conn) {
        self.bench.recording.closed(conn);
        self.lend(conn, |conn, bench| {
            note_unsent(conn, bench);
            give_up_buffers(conn, bench);
            conn.session.abandon(&mut bench.desk);
            if let Some(transcript) = conn.transcript.take() {
                transcript.end(bench.clock.now_ms());
            }
            Turn::Closed
        });
    }

    /// Greets with 421 whoever has just connected; nothing is unread yet, so nothing is reset. A
    /// socket that can't take the first line at once is not worth waiting for.
    #[cold]
    pub fn turn_away(&mut self, socket: &mut Stream, session: &mut Session, why: Farewell) {
        assert!(self.bench.is_silent(), "{UNSAID}");
        session.farewell(why, &mut self.bench.desk);
        let _ = write(socket, &self.bench.desk.replies);
        self.bench.desk.replies.clear();
    }

    /// The one door to what is said: whatever `run` says has left, is kept for `conn`, or is noted
    /// as lost with it, when this returns.
    fn lend(&mut self, conn: &mut Conn, run: impl FnOnce(&mut Conn, &mut Bench) -> Turn) -> Turn {
        let bench = &mut self.bench;
        assert!(bench.is_silent(), "{UNSAID}");
        let turn = run(conn, bench);
        if turn == Turn::Closed {
            note_lost(bench);
            bench.desk.replies.clear();
        }
        assert!(bench.is_silent(), "{UNSAID}");
        turn
    }

    pub fn clock(&self) -> &Clock {
        &self.bench.clock
    }

    pub fn tick(&mut self, now: Duration) {
        self.bench.clock.tick(now);
    }

    pub fn writer(&mut self) -> &mut Writer {
        &mut self.bench.writer
    }

    pub fn recording(&mut self) -> &mut Recording {
        &mut self.bench.recording
    }

    pub fn counters(&self) -> &Counters {
        &self.bench.counters
    }

    pub fn stop(&self) -> &Stop {
        &self.bench.stop
    }

    pub fn transcripts(&self) -> Option<&Arc<Transcripts>> {
        self.bench.transcripts.as_ref()
    }

    /// Whether a transfer found the budget for buffers used up since this was last asked.
    pub fn was_starved(&mut self) -> bool {
        std::mem::take(&mut self.bench.starved)
    }

    /// Whether commits are under way whose connection has gone.
    pub fn has_orphans(&self) -> bool {
        !self.bench.orphans.is_empty()
    }

    pub fn see_orphans_through(&mut self) {
        see_orphans_through(&mut self.bench);
    }

    /// The loop has woken. True if queues should be looked at: once a second, for statistics.
    pub fn begin_round(&mut self) -> bool {
        self.bench.begin_round()
    }

    /// The loop goes to sleep.
    pub fn end_round(&mut self) {
        self.bench.end_round();
    }

    /// How long the loop may sleep before a second's statistics must be handed over.
    pub fn statistics_due_ms(&self) -> Option<u64> {
        self.bench.statistics_due_ms()
    }

    /// While no connection is open: everything that they borrowed has come back.
    pub fn check_nothing_is_lent(&self) {
        assert_eq!(self.bench.pool.lent_bytes(), 0, "every buffer has come back");
        assert_eq!(self.bench.desk.envelope_bytes_lent(), 0, "every envelope has come back");
    }

    /// Seals what the worker has open. All connections must have ended.
    pub fn close(mut self) {
        self.bench.end_round();
        self.check_nothing_is_lent();
        self.bench.writer.close();
        self.bench.recording.close(&mut self.bench.desk.tally);
        self.bench.counters.doing(Doing::Nothing);
    }
}

/// What it would mean if replies were left where another connection's are written next.
const UNSAID: &str = "replies belong to the turn of one connection";

/// What came is consumed, what is said is sent.
fn take_turn(conn: &mut Conn, bench: &mut Bench) -> Turn {
    let mut input = Input::new(std::mem::take(&mut bench.scratch));
    if let Some(held) = conn.held.take() {
        input.fill(held.filled());
        bench.pool.give(held);
    }
    let mut turn = run(conn, bench, &mut input);
    if turn != Turn::Closed {
        turn = settle(conn, bench, &input, turn);
    }
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
        let consumed = consume(conn, bench, input);
        bench.recording.consumed(conn, &mut bench.desk.tally);
        match consumed {
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
        let expected = Expected::of(&conn.flow);
        match receive(conn, bench, input) {
            Ok(Received::Octets { count, short }) => {
                bench.recording.heard(conn, expected);
                taken += count;
                // A stream that gave less than asked for has nothing more (epoll(7)), with the
                // exceptions that `reads_until_empty` names.
                drained = short
                    && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    && !conn.reads_until_empty;
                conn.heard_ms = bench.clock.now_ms();
            }
            Ok(Received::Nothing) => return Turn::Idle,
            Ok(Received::Parked) => return Turn::Parked,
            Ok(Received::GivenUp) => {}
            Ok(Received::End) => {
                bench.recording.hung_up(conn);
                return end_of_stream(conn, bench);
            }
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
            return farewell(conn, bench, Farewell::OutOfBuffers);
        };
        held.push(input.rest());
        conn.held = Some(held);
    }
    leave(conn, bench, turn)
}

/// Sends what was said; then the connection waits for what `turn` says.
fn leave(conn: &mut Conn, bench: &mut Bench, turn: Turn) -> Turn {
    match flush(conn, bench) {
        Sent::All => turn,
        Sent::Blocked => Turn::Blocked,
        Sent::Lost => Turn::Closed,
    }
}

/// Says why the session ends. A client that does not read what it was sent before is told nothing
/// more; neither is one whose message is being committed: it becomes a message whatever we say, and
/// 421 would be taken for the answer to it.
fn farewell(conn: &mut Conn, bench: &mut Bench, why: Farewell) -> Turn {
    let is_committing = matches!(conn.flow, Flow::Committing(_));
    give_up_buffers(conn, bench);
    if conn.unsent.is_some() || matches!(conn.flow, Flow::Lingering) {
        return Turn::Closed;
    }
    if is_committing {
        // What was said in this turn answers messages before it. If it can't leave, that is noted.
        let _ = flush(conn, bench);
        return Turn::Closed;
    }
    conn.session.farewell(why, &mut bench.desk);
    close_politely(conn, bench, false)
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
