//! The end of a connection: what it says about the target, and where its messages go.
use crate::time::MonotonicNs;

use super::Engine;
use super::connection_end::ConnectionEnd;
use crate::sender::network::Network;
use crate::sender::recording::{ConnectionFailure, FailureKind};
use crate::sender::scheduling::{
    ConnectionClosing, ConnectionSlot, EndMeaning, EndedConnection, PooledConnection,
};
use crate::sender::settings::Connections;
use crate::sender::source::{Outcome, SessionEnd};
use crate::smtp::client::{OutgoingMail, Phase, ReplyCode, SessionFault};

impl<N: Network> Engine<'_, N> {
    pub(super) fn close(&mut self, slot: ConnectionSlot, end: ConnectionEnd) {
        let Some(mut conn) = self.connections.take(slot) else { return };
        let closing = match end {
            ConnectionEnd::Failed(_) => ConnectionClosing::Failed,
            ConnectionEnd::Clean if conn.session.is_closed() => ConnectionClosing::ByUs,
            ConnectionEnd::Clean => ConnectionClosing::ByTarget,
        };
        let now_ns = self.ledger.now_ns();
        let Some(closed) = self.scheduler.record_end(slot, closing, now_ns) else { return };
        let EndedConnection { mut pooled, was_useful, meaning } = closed;
        conn.close(pooled.started, &mut self.ledger);
        if let ConnectionEnd::Failed(ConnectionFailure::Tls(failure)) = &end {
            self.ledger.tls_failed(*failure);
        }
        let fault = conn.session.fault();
        if is_out_of_step(fault) {
            self.ledger.tally.unsolicited += 1;
        }
        if was_useful {
            self.shared.last_useful.record(now_ns);
        }
        self.count_failed_end(meaning, end, fault, pooled.requested_ns);
        // Messages that the target turned away are sent first on the replacement of this
        // connection, because other open connections may be as close to their limit.
        for turned_away in self.ledger.resends.take().rev() {
            pooled.queue.push_front(turned_away);
        }
        if !pooled.queue.is_empty() {
            let refusal = conn.session.refusal();
            self.move_queue(
                pooled,
                if was_useful { TargetState::Serves } else { TargetState::Refuses(refusal) },
            );
        }
    }

    /// Counts the end of a connection as a failure, if it was one.
    fn count_failed_end(
        &mut self,
        meaning: EndMeaning,
        end: ConnectionEnd,
        fault: Option<SessionFault>,
        requested_ns: MonotonicNs,
    ) {
        // Such a failure was already counted as a reply.
        let is_counted =
            matches!(fault, Some(SessionFault::Closing | SessionFault::Refused { .. }));
        let why = match end {
            ConnectionEnd::Failed(why) => why,
            ConnectionEnd::Clean => ConnectionFailure::ClosedUnused,
        };
        match meaning {
            EndMeaning::Normal => {}
            EndMeaning::SessionFailed if is_counted => {}
            EndMeaning::SessionFailed => self.count_failure(FailureKind::Session, &why),
            EndMeaning::TargetFailed => {
                if !is_counted {
                    self.count_failure(FailureKind::Connection, &why);
                }
                self.back_off(&why, requested_ns);
                self.give_up_if_permanent(why, fault);
            }
        }
    }

    /// Moves messages that wait for a closed connection to another one. If the connection was not
    /// useful, or no other can be opened, ends them as deferred or not sent.
    fn move_queue(&mut self, pooled: PooledConnection<Box<OutgoingMail>>, target: TargetState) {
        let slot = if target == TargetState::Serves { self.open(pooled.lane) } else { None };
        if let Some(slot) = slot {
            let is_by_lane = matches!(self.settings.connections, Connections::ByLane(_));
            self.ledger.tally.extra.ended += u64::from(is_by_lane);
            return self.scheduler.move_queue_to(slot, pooled);
        }
        // A target that refuses service for now defers the messages meant for it.
        let (end, code) = match target {
            TargetState::Refuses(Some(code)) if code.is_transient() => {
                (SessionEnd::Answered, Some(code))
            }
            _ => (SessionEnd::NotSent, None),
        };
        for (due, mail) in pooled.queue {
            let codes = vec![code; mail.recipients().len()];
            let outcome = Outcome { end, codes: &codes, at_ns: self.ledger.now_ns() };
            self.ledger.record_start(&due);
            self.ledger.end(due, mail.octets(), &outcome);
            self.ledger.supply.keep(mail);
        }
    }
}

/// What the end of a connection shows about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetState {
    /// The target serves us: the connection was useful.
    Serves,
    /// The target does not serve us: the connection was useless. The reply code of its refusal, if
    /// any.
    Refuses(Option<ReplyCode>),
}

/// Returns whether the target sent a reply that no command had requested, so client and server no
/// longer agree on what is a command.
fn is_out_of_step(fault: Option<SessionFault>) -> bool {
    match fault {
        // The target may refuse a message before it has received all of it.
        Some(SessionFault::Early { phase: Phase::Payload, code }) => !code.is_refusal(),
        Some(
            SessionFault::Unsolicited { .. }
            | SessionFault::Early { .. }
            | SessionFault::Unexpected { .. },
        ) => true,
        _ => false,
    }
}
