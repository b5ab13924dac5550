//! State of a connection that lasts for a transaction, from MAIL to the final reply or a reset.
use crate::smtp::workspace::TransactionEvent;

use super::worker_context::WorkerContext;
use crate::server::connection::Conn;
use crate::server::turn::receiving::abandon;

/// Applies the transaction events that the session of `conn` has reported.
#[inline]
pub(crate) fn follow_transactions(conn: &mut Conn, worker: &mut WorkerContext) {
    for at in 0..worker.workspace.events.len() {
        match worker.workspace.events[at] {
            TransactionEvent::Began => conn.times.transaction_us = worker.clock.now_us(),
            event @ (TransactionEvent::Ended | TransactionEvent::TooLarge) => {
                // Frees the space of chunks whose transaction was reset. Usually there are none, as
                // an accepted or refused payload is already gone.
                if conn.has_transfer() {
                    abandon(conn, worker);
                }
                if event == TransactionEvent::TooLarge {
                    worker.ledger.refused(conn);
                }
            }
        }
    }
    worker.workspace.events.clear();
}
