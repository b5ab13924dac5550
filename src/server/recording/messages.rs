//! Messages: accepted, refused, or committed after their clients had gone.
use crate::stats::{Counter, Metric};

use super::recording::Recording;
use super::sessions::{round_trips, session};
use crate::server::connection::Conn;
use crate::server::payload::{Orphan, Transfer};

impl Recording {
    /// A message was accepted.
    pub fn message(&mut self, conn: &mut Conn, transfer: &Transfer) {
        let Some(recorder) = &mut self.recorder else { return };
        let recipients = conn.session.recipients();
        self.messages += 1;
        let bytes = transfer.message_bytes();
        let listener = conn.session.listener_index();
        let session = match transfer.pending_received_ns {
            None => {
                recorder.message(bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener(listener) {
                    listener.message(bytes);
                }
                session(recorder, conn)
            }
            Some(unix_ns) => {
                recorder.message_at(unix_ns, bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener_at(unix_ns, listener) {
                    listener.message(bytes);
                }
                match recorder.is_over(unix_ns) {
                    true => recorder.add_session_at(unix_ns, conn.key()),
                    false => session(recorder, conn),
                }
            }
        };
        if let Some(session) = session {
            session.message(recipients);
        }
        self.transactions.accepted(conn.began_us);
        // The wait for a flush is ours.
        let last_us = transfer.pending_since_us.unwrap_or(self.woke_us);
        // Unanswered: the read under way brought all of it, and `heard` follows after this.
        let is_at_once = transfer.came_at_once && conn.replied.is_unanswered();
        let transfer_us = if is_at_once { 0 } else { last_us.saturating_sub(transfer.first_us) };
        recorder.transfer(transfer_us, transfer.wire_bytes);
        if let Some(since) = transfer.pending_since_us {
            let wait_us = self.woke_us.saturating_sub(since);
            recorder.record(Metric::CommitWait, wait_us);
        }
        if is_looked_at(conn.session.messages() + 1) {
            round_trips(recorder, conn);
        }
    }

    /// A message was committed, but its client was gone.
    pub fn accepted_unheard(&mut self, orphan: &Orphan) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.message_at(orphan.received_ns, orphan.bytes, u64::from(orphan.recipients));
        if let Some(listener) = recorder.listener_at(orphan.received_ns, orphan.listener) {
            listener.message(orphan.bytes);
        }
        if let Some(session) = recorder.add_session_at(orphan.received_ns, orphan.session) {
            session.is_over();
            session.message(orphan.recipients);
        }
        recorder.add(Counter::ClosedMessages, 1);
    }

    /// A message was refused at the end of its data.
    #[cold]
    pub fn refused(&mut self, conn: &mut Conn) {
        let Some(recorder) = &mut self.recorder else { return };
        self.messages += 1;
        recorder.add(Counter::Refused, 1);
        if let Some(session) = session(recorder, conn) {
            session.refused += 1;
        }
    }
}

/// Open sessions show their round trips before their end: with which messages. Early, for a
/// short run over a long way; then again and again, for a run that begins long after the session,
/// at 0.3 us for 64 messages.
fn is_looked_at(message: u32) -> bool {
    matches!(message, 4 | 16) || message.is_multiple_of(64)
}
