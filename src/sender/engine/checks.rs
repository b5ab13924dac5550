//! What a sending thread checks periodically: whether to continue, which connections are silent,
//! and its progress.
use std::sync::atomic::Ordering;

use super::connection_end::ConnectionEnd;
use super::{CHECK_INTERVAL, Engine, ReportedProgress};
use crate::sender::network::Network;
use crate::sender::recording::ConnectionFailure;
use crate::sender::scheduling::{
    ConnectionClosing, OwnerRequest, RunContinuation, SilenceLimit, SilentConnection,
};
use crate::tls::Failure;

impl<N: Network> Engine<'_, N> {
    /// Does periodic checks that no event triggers.
    pub fn check_periodically(&mut self) {
        let now_ns = self.ledger.now_ns();
        if now_ns.since(self.checked_ns) < CHECK_INTERVAL {
            return;
        }
        self.checked_ns = now_ns;
        self.report_progress();
        self.notify_others();
        // Relaxed, because only the flag itself is shared.
        let is_stopped = self.shared.stop.load(Ordering::Relaxed);
        let answered_ns = self.shared.last_answer.get();
        let request = if is_stopped { OwnerRequest::Stop } else { OwnerRequest::Continue };
        match self.scheduler.continuation(now_ns, answered_ns, request) {
            RunContinuation::Continue => {}
            RunContinuation::Stop => self.stop(),
            RunContinuation::CloseAll => self.close_all(),
        }
        self.close_silent();
    }

    /// Begins nothing more, and gives messages in progress the grace period.
    #[cold]
    fn stop(&mut self) {
        self.end();
        self.ledger.resends.end();
        for (due, mail) in self.scheduler.stop(self.ledger.now_ns()) {
            self.ledger.return_unsent(&due, mail);
        }
        self.again.extend(self.connections.slots());
    }

    fn close_silent(&mut self) {
        let now_us = self.ledger.now_us();
        for slot in self.connections.slots() {
            let Some(conn) = self.connections.get(slot) else { continue };
            let (in_progress, readiness) = (conn.session.in_progress(), conn.readiness());
            let is_handshaking = conn.is_handshaking();
            let silent = SilentConnection { in_progress, readiness };
            let SilenceLimit { max, then } = self.scheduler.silence_limit(slot, silent);
            if conn.is_stalled(now_us, max) {
                self.close(
                    slot,
                    match then {
                        ConnectionClosing::Failed if is_handshaking => Failure::TimedOut.into(),
                        ConnectionClosing::Failed => {
                            ConnectionEnd::Failed(ConnectionFailure::Silent(max))
                        }
                        ConnectionClosing::ByUs | ConnectionClosing::ByTarget => {
                            ConnectionEnd::Clean
                        }
                    },
                );
            }
        }
    }

    pub(super) fn close_all(&mut self) {
        for slot in self.connections.slots() {
            self.close(slot, ConnectionEnd::Clean);
        }
    }

    /// Reports progress to the owner.
    pub(super) fn report_progress(&mut self) {
        let tally = &self.ledger.tally;
        let now = ReportedProgress {
            done: tally.finished(),
            open: self.scheduler.open_connections() as u64,
        };
        self.shared.done.fetch_add(now.done - self.reported.done, Ordering::Relaxed);
        if tally.answered() > self.answered {
            self.answered = tally.answered();
            self.shared.last_answer.record(self.ledger.now_ns());
        }
        // Wraps if there are fewer than before; the sum over all threads is right.
        self.shared.open.fetch_add(now.open.wrapping_sub(self.reported.open), Ordering::Relaxed);
        self.reported = now;
    }
}
