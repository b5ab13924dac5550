//! A connection's turn: receive, run the session, put payload into the log, send once.
//!
//! Per message of 2 KB at one round trip per command: four `recv`, four `send`, one copy of the
//! envelope (about 150 octets) and none of the payload; no lock, no allocation, no clock.
use std::sync::Arc;

use crate::log::{NoRoom, Writer};
use crate::smtp::envelope::Client;
use crate::smtp::policy::PoliciesInForce;
use crate::smtp::session::{Decision, Farewell, Session};
use crate::tls::{Acceptor, Failure, Handshake};

use super::clock::Clock;
use super::commands::consume;
use super::preamble::end_of_preamble;
use super::send::{Sent, flush, note_all_unsent, note_turn_unsent, send_raw, send_unsent, write};
use super::shared::WorkerShared;
use super::transactions::follow_transactions;
use crate::server::connection::{Conn, ConnTls, Consumed, Flow, Input, Layer, Received, TurnEnd};
use crate::server::listening::Stream;
use crate::server::payload::Buffer;
use crate::server::recording::{Counters, Doing, ExpectedOctets, Recording};
use crate::server::shutdown::{Stop, StopStage};
use crate::server::transcripts::Transcripts;
use crate::server::turn::receiving::{abandon, finish, receive};
use crate::server::turn::tls::{Stepped, step};

/// Octets a connection may receive in one round before the others have their turn.
const ROUND_BYTES_MAX: usize = 256 << 10;

/// State that all connections of a worker share, while none of them has its turn.
///
/// Replies are in a buffer that connections share. It can be reached only within a turn: code
/// outside a turn can't write a reply, so no reply reaches any client but its own.
pub(crate) struct WorkerState {
    shared: WorkerShared,
}

impl WorkerState {
    pub fn new(shared: WorkerShared) -> WorkerState {
        WorkerState { shared }
    }

    /// Runs `conn` until it has to wait for something.
    pub fn turn(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, shared| match send_unsent(conn, shared) {
            Sent::All => take_turn(conn, shared),
            Sent::Blocked => stay_blocked(conn, shared),
            Sent::Lost => TurnEnd::Closed,
        })
    }

    /// Sends the greeting.
    pub fn greet(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, shared| {
            conn.session.greet(&mut shared.workspace);
            shared.ledger.recording.opened(conn);
            leave(conn, shared, TurnEnd::Idle)
        })
    }

    /// Begins the handshake of a connection that begins with TLS.
    #[cold]
    pub fn begin_with_tls(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, shared| {
            shared.ledger.recording.opened(conn);
            begin_handshake(conn, shared)
        })
    }

    /// The handshake of `conn` has had its time.
    #[cold]
    pub fn handshake_overdue(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, shared| {
            shared.tls_failed(conn.client, Failure::TimedOut);
            let is_silent = conn.tls.as_ref().is_some_and(|tls| !tls.is_heard);
            match is_silent && conn.session.begins_with_tls() {
                // It may wait for a greeting.
                true => answer_in_plain_text(conn, shared),
                false => TurnEnd::Closed,
            }
        })
    }

    /// Greets the client that XCLIENT has named, whose session starts over.
    #[cold]
    pub fn start_over(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, shared| {
            if let Some(transcript) = &mut conn.transcript {
                transcript.named(conn.client, conn.session_id, shared.clock.now_ms());
            }
            conn.session.decided(Decision::Serve, &mut shared.workspace);
            shared.ledger.recording.named();
            leave(conn, shared, TurnEnd::Idle)
        })
    }

    /// Counts a connection as a session: it began as a proxy's health check, and now has a client.
    #[cold]
    pub fn becomes_session(&mut self, conn: &mut Conn) {
        self.shared.ledger.becomes_session(conn);
    }

    /// Ends a connection that was identified and is not admitted, with the reply that names why in
    /// place of a greeting.
    #[cold]
    pub fn refuse(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        self.lend(conn, |conn, shared| {
            release_buffers(conn, shared);
            conn.session.decided(Decision::Refuse(why), &mut shared.workspace);
            if why != Farewell::Denied {
                shared.ledger.recording.turned_away();
            }
            close_politely(conn, shared, Unread::Perhaps)
        })
    }

    /// Writes the farewell, sends and closes. A client that has not read earlier replies gets no
    /// farewell.
    pub fn dismiss(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        self.lend(conn, |conn, shared| farewell(conn, shared, why))
    }

    /// The payload of `conn` has waited for room for too long. The refusal is latched; `conn` says
    /// it in its next turn, when the payload has come to its end.
    pub fn lose_patience(&mut self, conn: &mut Conn) {
        if let Some(transfer) = conn.transfer_mut() {
            self.shared.refuse_for_want_of_room(transfer, NoRoom::Wait);
        }
    }

    /// Moves the payload of `conn` out of the segment `pinned`. Without room it stays for now.
    pub fn leave_segment(&mut self, conn: &mut Conn, pinned: u32) {
        if let Some(transfer) = conn.transfer_mut() {
            transfer.place.leave_segment(pinned, &mut self.shared.storage.writer);
        }
    }

    /// Releases all that `conn` holds; it is about to be dropped.
    pub fn end(&mut self, conn: &mut Conn) {
        self.shared.ledger.recording.closed(conn);
        self.lend(conn, |conn, shared| {
            note_all_unsent(conn, shared);
            release_buffers(conn, shared);
            conn.session.abandon(&mut shared.workspace);
            if let Some(transcript) = conn.transcript.take() {
                transcript.end(shared.clock.now_ms());
            }
            TurnEnd::Closed
        });
    }

    /// Greets a client that has just connected with the reply that names why it must go. A socket
    /// that can't take the first line at once is not worth waiting for; a client that speaks first
    /// may see a reset in place of it.
    #[cold]
    pub fn turn_away(&mut self, socket: &mut Stream, session: &mut Session, why: Farewell) {
        assert!(self.shared.is_silent(), "{UNSAID}");
        session.farewell(why, &mut self.shared.workspace);
        if why != Farewell::Denied {
            self.shared.ledger.recording.turned_away();
        }
        let _ = write(socket, &self.shared.workspace.replies);
        self.shared.workspace.replies.clear();
    }

    /// The only access to the reply buffer: when this returns, every reply was sent, is kept for
    /// `conn`, or is noted as unsent.
    fn lend(
        &mut self,
        conn: &mut Conn,
        run: impl FnOnce(&mut Conn, &mut WorkerShared) -> TurnEnd,
    ) -> TurnEnd {
        let shared = &mut self.shared;
        // Each turn ends with this.
        debug_assert!(shared.is_silent(), "{UNSAID}");
        let mut turn = run(conn, shared);
        follow_transactions(conn, shared);
        if turn == TurnEnd::Blocked && conn.is_committing() {
            turn = TurnEnd::BlockedInCommit;
        }
        shared.ledger.recording.end_turn(conn, turn);
        if turn == TurnEnd::Closed {
            note_turn_unsent(shared);
            shared.workspace.replies.clear();
        }
        assert!(shared.is_silent(), "{UNSAID}");
        turn
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub fn tick(&mut self, now_ns: u64) {
        self.shared.clock.tick(now_ns);
    }

    /// Sessions go by `policies` from their next transaction on, and handshakes by `acceptors`.
    #[cold]
    pub fn follow(&mut self, policies: PoliciesInForce, acceptors: Vec<Option<Acceptor>>) {
        self.shared.workspace.in_force = policies;
        self.shared.acceptors = acceptors;
    }

    /// Whether another handshake may begin; STARTTLS gets 454 where it may not.
    pub fn room_for_handshake(&mut self) -> &mut bool {
        &mut self.shared.has_room_for_handshake
    }

    pub fn writer(&mut self) -> &mut Writer {
        &mut self.shared.storage.writer
    }

    pub fn recording(&mut self) -> &mut Recording {
        &mut self.shared.ledger.recording
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.ledger.counters
    }

    pub fn stop(&self) -> &Stop {
        &self.shared.ledger.stop
    }

    pub fn transcripts(&self) -> Option<&Arc<Transcripts>> {
        self.shared.transcripts.as_ref()
    }

    /// A connection of a proxied listener is closed without a word, because of `why`.
    #[cold]
    pub fn refuse_as_proxy(&mut self, peer: Client, why: &str) {
        self.shared.refuse_as_proxy(peer, why);
    }

    /// Whether a client has sent octets since this was last asked.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.shared.has_heard)
    }

    /// Whether a transfer found the budget for buffers used up since this was last asked.
    pub fn was_starved(&mut self) -> bool {
        std::mem::take(&mut self.shared.is_starved)
    }

    /// Whether commits are under way whose connection has gone.
    pub fn has_orphans(&self) -> bool {
        !self.shared.orphans.is_empty()
    }

    pub fn see_orphans_through(&mut self) {
        self.shared.see_orphans_through();
    }

    /// The loop has woken. True if queues should be looked at: once a second, for statistics.
    pub fn begin_round(&mut self) -> bool {
        self.shared.begin_round()
    }

    /// The loop goes to sleep.
    pub fn end_round(&mut self) {
        self.shared.end_round();
    }

    /// How long the loop may sleep before a second's statistics must be handed over.
    pub fn statistics_due_ms(&self) -> Option<u64> {
        self.shared.statistics_due_ms()
    }

    /// While no connection is open: everything that they borrowed has come back.
    pub fn check_nothing_is_lent(&self) {
        assert_eq!(self.shared.storage.pool.lent_bytes(), 0, "every buffer has come back");
        assert_eq!(self.shared.workspace.envelope_bytes_lent(), 0, "every envelope has come back");
    }

    /// Seals what the worker has open. All connections must have ended.
    pub fn close(mut self) {
        self.shared.end_round();
        self.check_nothing_is_lent();
        self.shared.storage.writer.close();
        let now_us = self.shared.clock.now_us();
        self.shared.ledger.recording.close(now_us, &mut self.shared.workspace.tally);
        self.shared.ledger.counters.doing(Doing::Nothing);
    }
}

/// Said by the assertion that no reply outlives its turn.
const UNSAID: &str = "replies belong to the turn of one connection";

/// Consumes what arrived and sends the replies.
fn take_turn(conn: &mut Conn, shared: &mut WorkerShared) -> TurnEnd {
    shared.ledger.recording.begin_turn();
    let mut input = Input::new(std::mem::take(&mut shared.scratch));
    if let Some(held) = conn.held.take() {
        input.fill(held.filled());
        shared.storage.pool.give(held);
    }
    // One call of `run`, and one of `end_turn`: a second caller would make calls of what is inlined
    // here, at 40 instructions a turn.
    let step = if conn.tls.is_some() { begin_sealed(conn, shared, &mut input) } else { None };
    let mut turn = match step {
        Some(turn) => turn,
        None => run(conn, shared, &mut input),
    };
    if turn != TurnEnd::Closed {
        let over = if conn.tls.is_some() { hold_sealed(conn, shared, &mut input) } else { None };
        turn = match over {
            Some(over) => over,
            None => end_turn(conn, shared, &input, turn),
        };
    }
    shared.scratch = input.bytes;
    turn
}

/// Under TLS, what an earlier turn has left unopened comes first. Returns how the turn has ended
/// where it is a step of the handshake.
#[inline(never)]
fn begin_sealed(conn: &mut Conn, shared: &mut WorkerShared, input: &mut Input) -> Option<TurnEnd> {
    if let Some(tls) = &mut conn.tls
        && let Some(sealed) = tls.held.take()
    {
        input.put_sealed(sealed.filled());
        shared.storage.pool.give(sealed);
    }
    matches!(conn.flow, Flow::Handshake).then(|| take_step(conn, shared, input))
}

/// Keeps what could not be opened yet. Without a buffer for it the connection ends: as returned.
#[inline(never)]
fn hold_sealed(conn: &mut Conn, shared: &mut WorkerShared, input: &mut Input) -> Option<TurnEnd> {
    let is_over = matches!(conn.flow, Flow::Closing | Flow::Lingering { .. });
    if !input.has_sealed() || is_over {
        return None;
    }
    let held = hold(input.sealed(), shared);
    let is_held = held.is_some();
    if let Some(tls) = &mut conn.tls {
        tls.held = held;
    }
    (!is_held).then(|| farewell(conn, shared, Farewell::OutOfBuffers))
}

/// A step of the handshake; when it is done, the client is greeted where it was not before.
#[cold]
fn take_step(conn: &mut Conn, shared: &mut WorkerShared, input: &mut Input) -> TurnEnd {
    let is_implicit = conn.session.begins_with_tls();
    input.seal_unread();
    match step(conn, shared, input) {
        Stepped::Waits(turn) => turn,
        // Its alert has left, and a reset must not overtake it.
        Stepped::Failed => close_politely(conn, shared, Unread::Perhaps),
        Stepped::PlainText if is_implicit => {
            shared.tls_failed(conn.client, Failure::NotTls);
            answer_in_plain_text(conn, shared)
        }
        Stepped::PlainText => {
            shared.tls_failed(conn.client, Failure::NotTls);
            TurnEnd::Closed
        }
        Stepped::Secured => {
            if is_implicit {
                conn.session.greet(&mut shared.workspace);
            }
            // What follows the handshake may be here already.
            TurnEnd::Again
        }
    }
}

/// The client of a port that begins with TLS speaks, or waits, in plain text: a reply says so.
#[cold]
fn answer_in_plain_text(conn: &mut Conn, shared: &mut WorkerShared) -> TurnEnd {
    release_buffers(conn, shared);
    conn.tls = None;
    conn.session.tls_expected(&mut shared.workspace);
    close_politely(conn, shared, Unread::Perhaps)
}

/// TLS has failed after the handshake. What came before is answered; then an alert says why the
/// connection ends.
#[cold]
fn broken(conn: &mut Conn, shared: &mut WorkerShared, failure: Failure) -> TurnEnd {
    shared.tls_failed(conn.client, failure);
    if let Sent::Lost = flush(conn, shared) {
        return TurnEnd::Closed;
    }
    let mut alert = Vec::new();
    if let Some(tls) = &mut conn.tls {
        if let Some(records) = tls.records() {
            records.alert(failure, &mut alert);
        }
        tls.layer = Layer::Over;
    }
    release_buffers(conn, shared);
    match send_raw(conn, &alert) {
        Sent::Lost => TurnEnd::Closed,
        Sent::All | Sent::Blocked => close_politely(conn, shared, Unread::Perhaps),
    }
}

/// Whatever was sent before the handshake is thrown away unread: an attacker between client and
/// server may have put it into the connection (RFC 3207 section 6).
#[cold]
fn secures(conn: &mut Conn, shared: &mut WorkerShared, input: &mut Input) -> TurnEnd {
    shared.ledger.recording.discarded(input.unread().len());
    input.consume(input.unread().len());
    let sent = flush(conn, shared);
    match (begin_handshake(conn, shared), sent) {
        (_, Sent::Lost) => TurnEnd::Closed,
        (turn, Sent::All | Sent::Blocked) => turn,
    }
}

#[cold]
fn begin_handshake(conn: &mut Conn, shared: &mut WorkerShared) -> TurnEnd {
    let acceptor = shared.acceptors.get(conn.session.listener_index()).cloned().flatten();
    let Some(acceptor) = acceptor else { return TurnEnd::Closed };
    match Handshake::new(&acceptor) {
        Ok(handshake) => {
            conn.tls = Some(Box::new(ConnTls::new(handshake, shared.clock.now_us())));
            conn.flow = Flow::Handshake;
            TurnEnd::Secures
        }
        Err(failure) => {
            shared.tls_failed(conn.client, failure);
            TurnEnd::Closed
        }
    }
}

/// The client does not take its replies. A commit that is done meanwhile is not kept waiting: its
/// segment could not be sealed.
#[cold]
fn stay_blocked(conn: &mut Conn, shared: &mut WorkerShared) -> TurnEnd {
    if conn.is_committing()
        && let Some(transfer) = conn.take_transfer()
    {
        let _ = finish(conn, shared, transfer);
    }
    leave(conn, shared, TurnEnd::Blocked)
}

fn run(conn: &mut Conn, shared: &mut WorkerShared, input: &mut Input) -> TurnEnd {
    let mut taken = 0;
    let mut drained = false;
    loop {
        let consumed = consume(conn, shared, input);
        shared.ledger.recording.consumed(conn, &mut shared.workspace.tally);
        match consumed {
            Consumed::All => {}
            Consumed::Full => match flush(conn, shared) {
                Sent::All => continue,
                Sent::Blocked => return TurnEnd::Blocked,
                Sent::Lost => return TurnEnd::Closed,
            },
            Consumed::Parked => return TurnEnd::Parked,
            Consumed::Identified => return TurnEnd::Identified,
            Consumed::Secures => return secures(conn, shared, input),
            Consumed::Unwanted => return TurnEnd::Closed,
            Consumed::Closing => {
                let unread = Unread::unless(drained && input.is_empty());
                return close_politely(conn, shared, unread);
            }
        }
        if drained {
            return TurnEnd::Idle;
        }
        if taken >= ROUND_BYTES_MAX {
            return TurnEnd::Again;
        }
        let expected = ExpectedOctets::of(&conn.flow);
        match receive(conn, shared, input) {
            Ok(Received::Octets { count, is_short }) => {
                shared.ledger.recording.heard(conn, expected);
                taken += count;
                // A stream that gave less than asked for has nothing more (epoll(7)), with the
                // exceptions that `reads_until_empty` names.
                drained = is_short
                    && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    && !conn.reads_until_empty;
                conn.heard_ms = shared.clock.now_ms();
                shared.has_heard |= conn.is_session;
            }
            Ok(Received::Nothing) => return TurnEnd::Idle,
            Ok(Received::Parked) => return TurnEnd::Parked,
            Ok(Received::Refused) => {}
            Ok(Received::Broken(failure)) => return broken(conn, shared, failure),
            Ok(Received::End) if matches!(conn.flow, Flow::Preamble) => {
                end_of_preamble(conn, shared, input);
                return TurnEnd::Closed;
            }
            Ok(Received::End) => {
                shared.ledger.recording.hung_up(conn);
                return end_of_stream(conn, shared);
            }
            Err(error) => {
                tracing::debug!(client = %conn.client, %error, "connection lost");
                note_all_unsent(conn, shared);
                return TurnEnd::Closed;
            }
        }
    }
}

/// Ends the turn: sends the replies, and keeps input that can't be consumed yet.
fn end_turn(conn: &mut Conn, shared: &mut WorkerShared, input: &Input, turn: TurnEnd) -> TurnEnd {
    let stopping = shared.ledger.stop.stage() != StopStage::Running;
    // Before its greeting a session has not begun.
    let may_end = !matches!(turn, TurnEnd::Blocked | TurnEnd::Identified);
    if stopping && conn.is_idle() && may_end {
        conn.session.farewell(Farewell::Stopping, &mut shared.workspace);
        return close_politely(conn, shared, Unread::unless(input.is_empty()));
    }
    if !input.is_empty() && !matches!(conn.flow, Flow::Closing | Flow::Lingering { .. }) {
        let Some(held) = hold(input.unread(), shared) else {
            return farewell(conn, shared, Farewell::OutOfBuffers);
        };
        conn.held = Some(held);
    }
    leave(conn, shared, turn)
}

/// Keeps `octets` until the next turn; `None`: the budget for buffers is used up.
fn hold(octets: &[u8], shared: &mut WorkerShared) -> Option<Buffer> {
    let Some(mut held) = shared.storage.pool.take(octets.len()) else {
        shared.is_starved = true;
        return None;
    };
    held.push(octets);
    Some(held)
}

/// Sends the replies; then the connection waits as `turn` says.
fn leave(conn: &mut Conn, shared: &mut WorkerShared, turn: TurnEnd) -> TurnEnd {
    match flush(conn, shared) {
        Sent::All => turn,
        Sent::Blocked => TurnEnd::Blocked,
        Sent::Lost => TurnEnd::Closed,
    }
}

/// Writes the reply that names why the session ends. A client that has not read earlier replies
/// gets none; nor does a client whose message is being committed: the message will be stored in any
/// case, and the client would take 421 for the reply to it.
fn farewell(conn: &mut Conn, shared: &mut WorkerShared, why: Farewell) -> TurnEnd {
    let is_committing = conn.is_committing();
    release_buffers(conn, shared);
    // Before a PROXY header sinkd sends nothing, and in a handshake no reply.
    let is_silent = matches!(conn.flow, Flow::Lingering { .. } | Flow::Preamble | Flow::Handshake);
    if conn.unsent.is_some() || is_silent {
        return TurnEnd::Closed;
    }
    if is_committing {
        // The replies of this turn answer earlier messages. If they can't be sent, that is noted.
        let _ = flush(conn, shared);
        return TurnEnd::Closed;
    }
    conn.session.farewell(why, &mut shared.workspace);
    shared.ledger.recording.dismissed();
    close_politely(conn, shared, Unread::Perhaps)
}

/// Releases the share of the buffer budget that `conn` holds.
fn release_buffers(conn: &mut Conn, shared: &mut WorkerShared) {
    abandon(conn, shared);
    if let Some(held) = conn.held.take() {
        shared.storage.pool.give(held);
    }
    if let Some(tls) = &mut conn.tls {
        tls.release(&mut shared.storage.pool);
    }
}

/// Whether the socket may hold unread octets: closing it then sends a reset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unread {
    Nothing,
    Perhaps,
}

impl Unread {
    fn unless(is_drained: bool) -> Unread {
        if is_drained { Unread::Nothing } else { Unread::Perhaps }
    }
}

/// The last replies leave. Where closing would send a reset, that may overtake them: the connection
/// lingers.
fn close_politely(conn: &mut Conn, shared: &mut WorkerShared, unread: Unread) -> TurnEnd {
    conn.flow = Flow::Closing;
    match flush(conn, shared) {
        Sent::Lost => TurnEnd::Closed,
        Sent::Blocked => TurnEnd::Blocked,
        Sent::All if unread == Unread::Nothing => TurnEnd::Closed,
        Sent::All => linger(conn, shared),
    }
}

fn linger(conn: &mut Conn, shared: &WorkerShared) -> TurnEnd {
    conn.flow = Flow::Lingering { since_ms: shared.clock.now_ms() };
    match conn.socket.shutdown(std::net::Shutdown::Write) {
        Ok(()) => TurnEnd::Again,
        Err(_) => TurnEnd::Closed,
    }
}

/// The client sends no more. What it had sent is answered; what was not whole is forgotten.
fn end_of_stream(conn: &mut Conn, shared: &mut WorkerShared) -> TurnEnd {
    abandon(conn, shared);
    conn.flow = Flow::Closing;
    match flush(conn, shared) {
        Sent::Blocked => TurnEnd::Blocked,
        Sent::All | Sent::Lost => TurnEnd::Closed,
    }
}
