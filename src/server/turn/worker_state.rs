//! The only access to the state that connections share, which is lent for one turn.
use std::sync::Arc;

use crate::log::{NoRoom, Writer};
use crate::smtp::envelope::Client;
use crate::smtp::policy::CurrentPolicies;
use crate::smtp::session::{Decision, Farewell, Session};
use crate::time::MonotonicNs;
use crate::tls::{Acceptor, Failure};

use super::clock::RoundClock;
use super::ending::{UnreadInput, close_politely, farewell, leave, release_buffers};
use super::run::{stay_blocked, take_turn};
use super::send::{Sent, record_all_unsent, record_turn_unsent, send_unsent, write};
use super::tls::{answer_in_plain_text, begin_handshake};
use super::transactions::follow_transactions;
use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Flow, TurnEnd};
use crate::server::listening::Stream;
use crate::server::recording::{Counters, Doing, Measurements, RoundKind};
use crate::server::shutdown::Stop;
use crate::server::transcripts::Transcripts;

/// State that all connections of a worker share, owned while none of them has its turn.
///
/// Replies are in a buffer that connections share, which can be reached only within a turn. Code
/// outside a turn can't write a reply, so no reply reaches the wrong client.
pub(crate) struct WorkerState {
    worker: WorkerContext,
}

impl WorkerState {
    pub fn new(worker: WorkerContext) -> WorkerState {
        WorkerState { worker }
    }

    /// Runs `conn` until it has to wait for something. Merged into its caller, it costs 50
    /// instructions more.
    #[inline(never)]
    pub fn turn(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, worker| match send_unsent(conn, worker) {
            Sent::All => take_turn(conn, worker),
            Sent::Blocked => stay_blocked(conn, worker),
            Sent::Lost => TurnEnd::Closed,
        })
    }

    /// Sends the greeting.
    pub fn greet(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, worker| {
            conn.session.greet(&mut worker.workspace);
            worker.ledger.measurements.opened(conn);
            leave(conn, worker, TurnEnd::Idle)
        })
    }

    /// Begins the handshake of a connection that begins with TLS.
    #[cold]
    pub fn begin_with_tls(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, worker| {
            worker.ledger.measurements.opened(conn);
            begin_handshake(conn, worker)
        })
    }

    /// Ends the connection of `conn`, whose handshake has timed out.
    #[cold]
    pub fn handshake_overdue(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, worker| {
            worker.tls_failed(conn.client, Failure::TimedOut);
            let is_silent = matches!(&conn.flow, Flow::Handshake(it) if !it.has_input);
            if is_silent && conn.session.begins_with_tls() {
                // The client may be waiting for a greeting.
                answer_in_plain_text(conn, worker)
            } else {
                TurnEnd::Closed
            }
        })
    }

    /// Greets the client that XCLIENT has named, and whose session starts over.
    #[cold]
    pub fn start_over(&mut self, conn: &mut Conn) -> TurnEnd {
        self.lend(conn, |conn, worker| {
            if let Some(transcript) = &mut conn.transcript {
                transcript.named(conn.client, conn.id.session, worker.clock.now_ms());
            }
            conn.session.decided(Decision::Serve, &mut worker.workspace);
            worker.ledger.measurements.named();
            leave(conn, worker, TurnEnd::Idle)
        })
    }

    /// Counts a connection as a session: it began like a proxy's health check, and now has a
    /// client.
    #[cold]
    pub fn becomes_session(&mut self, conn: &mut Conn) {
        self.worker.ledger.becomes_session(conn);
    }

    /// Ends a connection whose client was identified and is not admitted, with a reply that says
    /// why in place of a greeting.
    #[cold]
    pub fn refuse(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        self.lend(conn, |conn, worker| {
            release_buffers(conn, worker);
            conn.session.decided(Decision::Refuse(why), &mut worker.workspace);
            if why != Farewell::Denied {
                worker.ledger.measurements.turned_away();
            }
            close_politely(conn, worker, UnreadInput::Perhaps)
        })
    }

    /// Writes the farewell, sends and closes. A client that has not read earlier replies gets no
    /// farewell.
    pub fn dismiss(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        self.lend(conn, |conn, worker| farewell(conn, worker, why))
    }

    /// Refuses the payload of `conn`, which has waited for room for too long. The reply is sent in
    /// a later turn, after the end of the payload.
    pub fn refuse_parked(&mut self, conn: &mut Conn) {
        if let Some(transfer) = conn.transfer_mut() {
            self.worker.refuse_for_want_of_room(transfer, NoRoom::Wait);
        }
    }

    /// Moves the payload of `conn` out of the segment `pinned`. If there is no room, it stays for
    /// now.
    pub fn leave_segment(&mut self, conn: &mut Conn, pinned: u32) {
        if let Some(transfer) = conn.transfer_mut() {
            transfer.octets.leave_segment(pinned, &mut self.worker.storage.writer);
        }
    }

    /// Releases everything `conn` holds, before it is dropped.
    pub fn end(&mut self, conn: &mut Conn) {
        self.worker.ledger.measurements.closed(conn);
        self.lend(conn, |conn, worker| {
            record_all_unsent(conn, worker);
            release_buffers(conn, worker);
            conn.session.abandon(&mut worker.workspace);
            if let Some(transcript) = conn.transcript.take() {
                transcript.end(worker.clock.now_ms());
            }
            TurnEnd::Closed
        });
    }

    /// Greets a new client with the reply that says why it is turned away. If the socket can't take
    /// the reply at once, it is lost; and a client that speaks first may see a reset in place of
    /// it.
    #[cold]
    pub fn turn_away(&mut self, socket: &mut Stream, session: &mut Session, why: Farewell) {
        assert!(self.worker.is_silent(), "{NOT_SILENT}");
        session.farewell(why, &mut self.worker.workspace);
        if why != Farewell::Denied {
            self.worker.ledger.measurements.turned_away();
        }
        let _ = write(socket, &self.worker.workspace.replies);
        self.worker.workspace.replies.clear();
    }

    /// Lends the shared state to `conn`, with the reply buffer. When this returns, every reply was
    /// sent, is kept for `conn`, or is noted as unsent.
    fn lend(
        &mut self,
        conn: &mut Conn,
        run: impl FnOnce(&mut Conn, &mut WorkerContext) -> TurnEnd,
    ) -> TurnEnd {
        let worker = &mut self.worker;
        // Holds at the end of each turn.
        debug_assert!(worker.is_silent(), "{NOT_SILENT}");
        let mut turn = run(conn, worker);
        follow_transactions(conn, worker);
        if turn == TurnEnd::Blocked && conn.is_committing() {
            turn = TurnEnd::BlockedInCommit;
        }
        worker.ledger.measurements.end_turn(conn, turn);
        if turn == TurnEnd::Closed {
            record_turn_unsent(worker);
            worker.workspace.replies.clear();
        }
        assert!(worker.is_silent(), "{NOT_SILENT}");
        turn
    }

    pub fn clock(&self) -> &RoundClock {
        &self.worker.clock
    }

    pub fn tick(&mut self, now_ns: MonotonicNs) {
        self.worker.clock.tick(now_ns);
    }

    /// Puts new settings in force: `policies` for each session from its next transaction on,
    /// `acceptors` for new handshakes.
    #[cold]
    pub fn follow(&mut self, policies: CurrentPolicies, acceptors: Vec<Option<Acceptor>>) {
        self.worker.workspace.policies = policies;
        self.worker.tls.acceptors = acceptors;
    }

    /// Sets how many more handshakes may begin. At 0, STARTTLS gets 454.
    pub fn set_handshakes_left(&mut self, handshakes: usize) {
        self.worker.tls.handshakes_left = handshakes;
    }

    pub fn writer(&mut self) -> &mut Writer {
        &mut self.worker.storage.writer
    }

    pub fn measurements(&mut self) -> &mut Measurements {
        &mut self.worker.ledger.measurements
    }

    pub fn counters(&self) -> &Counters {
        &self.worker.ledger.counters
    }

    pub fn stop(&self) -> &Stop {
        &self.worker.ledger.stop
    }

    pub fn transcripts(&self) -> Option<&Arc<Transcripts>> {
        self.worker.outputs.transcripts.as_ref()
    }

    /// Counts a connection to a proxied listener that is closed without a reply, and logs the
    /// reason `why`.
    #[cold]
    pub fn refuse_as_proxy(&mut self, peer: Client, why: &str) {
        self.worker.refuse_as_proxy(peer, why);
    }

    /// Returns whether octets were read from a client since the last call.
    pub fn take_has_input(&mut self) -> bool {
        std::mem::take(&mut self.worker.reports.has_input)
    }

    /// Returns whether a transfer found the buffer budget used up since the last call.
    pub fn was_starved(&mut self) -> bool {
        std::mem::take(&mut self.worker.reports.is_starved)
    }

    /// Returns whether there are pending commits whose connections have closed.
    pub fn has_orphans(&self) -> bool {
        !self.worker.orphans.is_empty()
    }

    pub fn poll_orphans(&mut self) {
        self.worker.poll_orphans();
    }

    /// Begins a round.
    pub fn begin_round(&mut self) -> RoundKind {
        self.worker.begin_round()
    }

    /// Ends a round.
    pub fn end_round(&mut self) {
        self.worker.end_round();
    }

    /// Returns how long the loop may sleep before the statistics of a second must be handed over.
    pub fn statistics_wait_ms(&self) -> Option<u64> {
        self.worker.statistics_wait_ms()
    }

    /// Checks, while no connection is open, that every buffer and envelope was returned.
    pub fn check_nothing_is_lent(&self) {
        assert_eq!(self.worker.storage.pool.lent_bytes(), 0, "every buffer was returned");
        assert_eq!(self.worker.workspace.envelope_bytes_lent(), 0, "every envelope was returned");
    }

    /// Seals the worker's open segments. All connections must have ended.
    pub fn close(mut self) {
        self.worker.end_round();
        self.check_nothing_is_lent();
        self.worker.storage.writer.close();
        let now_us = self.worker.clock.now_us();
        self.worker.ledger.measurements.close(now_us, &mut self.worker.workspace.tally);
        self.worker.ledger.counters.doing(Doing::Nothing);
    }
}

/// Message of the assertion that no reply outlives its turn.
const NOT_SILENT: &str = "replies belong to the turn of one connection";
