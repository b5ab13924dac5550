//! A connection's turn: receive, run the session, put payload into the log, send once.
//!
//! Per message of 2 KB at one round trip per command: four `recv`, four `send`, one copy of the
//! envelope (about 150 octets) and none of the payload; no lock, no allocation, no clock.
use super::commands::consume;
use super::ending::{UnreadInput, close_politely, end_of_stream, farewell, leave};
use super::preamble::end_of_preamble;
use super::send::{Sent, flush, record_all_unsent};
use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Consumed, Flow, Input, Received, TurnEnd};
use crate::server::recording::ExpectedOctets;
use crate::server::shutdown::StopStage;
use crate::server::turn::receiving::{finish, receive};
use crate::server::turn::tls::{
    begin_handshake_after_replies, begin_sealed, close_after_tls_failure, hold_sealed, take_step,
};
use crate::smtp::session::Farewell;

/// Octets after which a connection's turn ends, so that others get theirs.
const ROUND_BYTES_MAX: usize = 256 << 10;

/// Consumes what arrived and sends the replies.
pub(super) fn take_turn(conn: &mut Conn, worker: &mut WorkerContext) -> TurnEnd {
    worker.ledger.measurements.begin_turn();
    let mut input = Input::new(std::mem::take(&mut worker.scratch));
    if let Some(held) = conn.incoming.held.take() {
        input.fill(held.filled());
        worker.storage.pool.put_back(held);
    }
    if conn.tls.is_some() {
        begin_sealed(conn, worker, &mut input);
    }
    // `run` and `end_turn` have one call each, so that they are inlined: a second call would cost
    // 40 instructions a turn.
    let mut turn = run(conn, worker, &mut input);
    if turn != TurnEnd::Closed {
        let over = if conn.tls.is_some() { hold_sealed(conn, worker, &mut input) } else { None };
        turn = match over {
            Some(over) => over,
            None => end_turn(conn, worker, &input, turn),
        };
    }
    worker.scratch = input.bytes;
    turn
}

/// Ends the turn of a client that doesn't read its replies. A commit that is done meanwhile is
/// still finished, as its segment could not be sealed otherwise.
#[cold]
pub(super) fn stay_blocked(conn: &mut Conn, worker: &mut WorkerContext) -> TurnEnd {
    if conn.is_committing()
        && let Some(transfer) = conn.take_transfer()
    {
        let _ = finish(conn, worker, transfer);
    }
    leave(conn, worker, TurnEnd::Blocked)
}

/// Receives and consumes until the connection has to wait, or has had its share.
fn run(conn: &mut Conn, worker: &mut WorkerContext, input: &mut Input) -> TurnEnd {
    let mut taken = 0;
    let mut drained = false;
    loop {
        let consumed = consume(conn, worker, input);
        worker.ledger.measurements.consumed(conn, &mut worker.workspace.tally);
        match consumed {
            Consumed::All => {}
            Consumed::Full => match flush(conn, worker) {
                Sent::All => continue,
                Sent::Blocked => return TurnEnd::Blocked,
                Sent::Lost => return TurnEnd::Closed,
            },
            Consumed::Parked => return TurnEnd::Parked,
            Consumed::Identified => return TurnEnd::Identified,
            Consumed::StartsTls => return begin_handshake_after_replies(conn, worker, input),
            Consumed::Handshake => return take_step(conn, worker, input),
            Consumed::Unwanted => return TurnEnd::Closed,
            Consumed::Closing => {
                let unread = if drained && input.is_empty() {
                    UnreadInput::Nothing
                } else {
                    UnreadInput::Perhaps
                };
                return close_politely(conn, worker, unread);
            }
        }
        if drained {
            return TurnEnd::Idle;
        }
        if taken >= ROUND_BYTES_MAX {
            return TurnEnd::Again;
        }
        let expected = ExpectedOctets::for_flow(&conn.flow);
        match receive(conn, worker, input) {
            Ok(Received::Octets { count, is_short }) => {
                worker.ledger.measurements.octets_read(conn, expected);
                taken += count;
                // A short read means that the socket is empty (epoll(7)), with the exceptions that
                // `reads_until_empty` names.
                drained = is_short
                    && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    && !conn.incoming.reads_until_empty;
                conn.times.last_active_ms = worker.clock.now_ms();
                worker.reports.has_input |= conn.is_session;
            }
            Ok(Received::Nothing) => return TurnEnd::Idle,
            Ok(Received::Parked) => return TurnEnd::Parked,
            Ok(Received::Refused) => {}
            Ok(Received::Broken(failure)) => return close_after_tls_failure(conn, worker, failure),
            Ok(Received::End) if matches!(conn.flow, Flow::Preamble) => {
                end_of_preamble(conn, worker, input);
                return TurnEnd::Closed;
            }
            Ok(Received::End) => {
                worker.ledger.measurements.hung_up(conn);
                return end_of_stream(conn, worker);
            }
            Err(error) => {
                tracing::debug!(client = %conn.client, %error, "connection lost");
                record_all_unsent(conn, worker);
                return TurnEnd::Closed;
            }
        }
    }
}

/// Ends a turn: sends the replies, and keeps input that can't be consumed yet.
fn end_turn(conn: &mut Conn, worker: &mut WorkerContext, input: &Input, turn: TurnEnd) -> TurnEnd {
    let stopping = worker.ledger.stop.stage() != StopStage::Running;
    // A session that was not greeted has not begun.
    let may_end = !matches!(turn, TurnEnd::Blocked | TurnEnd::Identified);
    if stopping && conn.is_idle() && may_end {
        conn.session.farewell(Farewell::Stopping, &mut worker.workspace);
        let unread = if input.is_empty() { UnreadInput::Nothing } else { UnreadInput::Perhaps };
        return close_politely(conn, worker, unread);
    }
    if !input.is_empty() && !matches!(conn.flow, Flow::Closing | Flow::Lingering { .. }) {
        let Some(held) = worker.hold(input.unread()) else {
            return farewell(conn, worker, Farewell::OutOfBuffers);
        };
        conn.incoming.held = Some(held);
    }
    leave(conn, worker, turn)
}
