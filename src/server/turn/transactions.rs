//! What a connection keeps for its transaction, from MAIL to the final reply or a reset.
use crate::smtp::workspace::TransactionEvent;

use super::shared::WorkerShared;
use crate::server::connection::Conn;
use crate::server::turn::receiving::abandon;

/// Follows what the session of `conn` says of its transactions.
#[inline]
pub(crate) fn follow_transactions(conn: &mut Conn, shared: &mut WorkerShared) {
    for at in 0..shared.workspace.events.len() {
        match shared.workspace.events[at] {
            TransactionEvent::Began => conn.began_us = shared.clock.now_us(),
            event @ (TransactionEvent::Ended | TransactionEvent::TooLarge) => {
                conn.began_us = 0;
                // Chunks of a transaction that was reset: their room is free from now on. Mostly
                // there are none: what was accepted or refused has ended already.
                if conn.has_transfer() {
                    abandon(conn, shared);
                }
                if event == TransactionEvent::TooLarge {
                    shared.ledger.refused(conn);
                }
            }
        }
    }
    shared.workspace.events.clear();
}
