//! Recording of messages: accepted, refused, or committed after their connections closed.
use crate::stats::{Counter, Metric};

use super::Measurements;
use super::sessions::{round_trips, session};
use crate::server::connection::Conn;
use crate::server::payload::{Orphan, Transfer};

impl Measurements {
    /// Records an accepted message.
    pub fn message(&mut self, conn: &mut Conn, transfer: &Transfer) {
        let Some(recorder) = &mut self.recorder else { return };
        let recipients = conn.session.recipients();
        self.messages += 1;
        let bytes = transfer.message_bytes();
        let listener = conn.session.listener_index();
        let session = match &transfer.commit {
            None => {
                recorder.message(bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener(listener) {
                    listener.message(bytes);
                }
                session(recorder, conn)
            }
            Some(commit) => {
                let unix_ns = commit.received_at_ns;
                recorder.message_at(unix_ns, bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener_at(unix_ns, listener) {
                    listener.message(bytes);
                }
                if recorder.is_past_second(unix_ns) {
                    recorder.add_session_at(unix_ns, conn.key())
                } else {
                    session(recorder, conn)
                }
            }
        };
        if let Some(session) = session {
            session.message(recipients);
        }
        self.transactions.accepted(conn.times.transaction_us);
        // The wait for a flush isn't part of the transfer.
        let since_us = transfer.commit.as_ref().map(|commit| commit.since_us);
        let last_us = since_us.unwrap_or(self.wake_us);
        // Unanswered: the current read brought all of the message, and `octets_read` is called
        // after this.
        let is_at_once = transfer.came_at_once && conn.statistics.replied.is_unanswered();
        let transfer_us = if is_at_once { 0 } else { last_us.us_since(transfer.first_us) };
        recorder.transfer(transfer_us, transfer.wire_bytes);
        if let Some(since_us) = since_us {
            let wait_us = self.wake_us.us_since(since_us);
            recorder.record(Metric::CommitWait, wait_us);
        }
        if has_round_trips_recorded(conn.session.messages() + 1) {
            round_trips(recorder, conn);
        }
    }

    /// Records a message that was committed after its connection had closed.
    pub fn accepted_orphan(&mut self, orphan: &Orphan) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.message_at(orphan.received_at_ns, orphan.bytes, u64::from(orphan.recipients));
        if let Some(listener) = recorder.listener_at(orphan.received_at_ns, orphan.listener) {
            listener.message(orphan.bytes);
        }
        if let Some(session) = recorder.add_session_at(orphan.received_at_ns, orphan.session) {
            session.record_ended_before();
            session.message(orphan.recipients);
        }
        recorder.add(Counter::ClosedMessages, 1);
    }

    /// Records a message that was refused at the end of its data.
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

/// Returns whether round trips are recorded with this message of a session, so that open sessions
/// contribute, too: early, for short runs over distant connections; then with every 64th message,
/// for runs that start late in a session. That costs 0.3 µs per 64 messages.
fn has_round_trips_recorded(message: u32) -> bool {
    matches!(message, 4 | 16) || message.is_multiple_of(64)
}
