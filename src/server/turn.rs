//! A connection's turn: receive, run the session, put payload into the log, send once.
//!
//! Per message of 2 KB in one round trip a command: four `recv`, four `send`, one copy of the
//! envelope (about 150 octets) and none of the payload; no lock, no allocation, no clock.
use crate::smtp::session::Farewell;

use super::bench::{Bench, Input};
use super::commit::{give_up_buffers, give_up_transfer};
use super::conn::{Conn, Flow};
use super::consume::{Consumed, consume};
use super::receive::{Received, receive};
use super::record::Expected;
use super::send::{Sent, flush, note_unsent, send_unsent};
use super::shutdown::Stage;

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

/// Runs `conn` until it has to wait for something.
pub fn turn(conn: &mut Conn, bench: &mut Bench) -> Turn {
    match send_unsent(conn, bench) {
        Sent::All => {}
        Sent::Blocked => return Turn::Blocked,
        Sent::Lost => return Turn::Closed,
    }
    let mut input = Input::new(std::mem::take(&mut bench.scratch));
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
                // A stream that gave less than asked for has nothing more (epoll(7)); only the
                // peer's end of stream must still be fetched.
                drained = short && cfg!(target_os = "linux") && !conn.read_closed;
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
    bench.recording.opened();
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
    if let Some(transcript) = conn.transcript.take() {
        transcript.end(bench.clock.now_ms());
    }
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
