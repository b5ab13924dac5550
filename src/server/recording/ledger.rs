//! A worker's account of messages, refusals, tickets and acknowledgements.
use std::sync::Arc;

use crate::log::MessageId;

use super::counters::Counters;
use super::measurements::Measurements;
use crate::server::connection::Conn;
use crate::server::indexing::NewSegments;
use crate::server::payload::{Draw, Orphan, Sampling, Transfer};
use crate::server::shutdown::Stop;

/// The account of one worker. Every final reply to a message is noted here.
pub(crate) struct Ledger {
    pub counters: Arc<Counters>,
    pub measurements: Measurements,
    pub stop: Arc<Stop>,
    /// Notifies the parser of segments that were begun.
    pub new_segments: NewSegments,
    /// `None`: everything is stored in full.
    pub sampling: Option<Arc<Sampling>>,
    /// Messages whose 250 is among the replies of this turn, each with the offset in the buffer of
    /// replies at which that 250 ends.
    pub acknowledged: Vec<(usize, MessageId)>,
}

impl Ledger {
    pub fn new(
        stop: Arc<Stop>,
        counters: Arc<Counters>,
        measurements: Measurements,
        new_segments: NewSegments,
        sampling: Option<Arc<Sampling>>,
    ) -> Ledger {
        let acknowledged = Vec::new();
        Ledger { counters, measurements, stop, new_segments, sampling, acknowledged }
    }

    /// Counts a connection as a session: it began like a proxy's health check, but now sends mail.
    #[cold]
    pub fn becomes_session(&mut self, conn: &mut Conn) {
        conn.is_session = true;
        Counters::add(&self.counters.sessions, 1);
        self.measurements.opened(conn);
    }

    /// Returns whether `transfer` may commit. `--stop-after-messages` limits the number of tickets.
    #[inline]
    pub fn take_ticket(&self, transfer: &mut Transfer) -> bool {
        transfer.has_ticket = transfer.has_ticket || self.stop.take_ticket();
        transfer.has_ticket
    }

    /// Undoes the ticket and the draw of an orphaned message whose commit failed.
    pub fn lost(&self, draw: Option<Draw>) {
        self.stop.put_ticket_back();
        self.undo_draw(draw);
    }

    /// Counts the message of `transfer`, which was committed as `id`, or only counted.
    #[inline]
    pub fn accepted(&mut self, conn: &mut Conn, transfer: &Transfer, id: Option<MessageId>) {
        if let Some(id) = id {
            self.new_segments.committed_to(id.segment);
        }
        self.counters.message(transfer.message_bytes());
        self.measurements.message(conn, transfer);
    }

    /// Notes the reply to the message that was accepted last: its 250 ends at octet `replies_bytes`
    /// of the replies, unless more replies are owed (LMTP). The last ticket starts the stop, so
    /// this must follow the reply.
    #[inline]
    pub fn answered(&mut self, conn: &mut Conn, id: Option<MessageId>, replies_bytes: usize) {
        if conn.session.owes_replies() {
            conn.outgoing.owing = id;
        } else if let Some(id) = id {
            self.acknowledged.push((replies_bytes, id));
        }
        self.stop.committed();
    }

    /// Notes that the last reply owed to `conn` ends at octet `replies_bytes` of the replies.
    pub fn answered_in_full(&mut self, conn: &mut Conn, replies_bytes: usize) {
        self.acknowledged.extend(conn.outgoing.owing.take().map(|id| (replies_bytes, id)));
    }

    /// Counts a message that was committed after its connection had closed.
    pub fn accepted_orphan(&mut self, orphan: &Orphan) {
        self.counters.message(orphan.bytes);
        self.measurements.accepted_orphan(orphan);
        self.stop.committed();
    }

    /// Counts a message that is refused at the end of its data.
    #[cold]
    pub fn refused(&mut self, conn: &mut Conn) {
        self.counters.refused();
        self.measurements.refused(conn);
    }

    /// Puts back the ticket of `transfer` and undoes its draw for sampling, because its message was
    /// not accepted.
    pub fn not_accepted(&self, transfer: &mut Transfer) {
        if std::mem::take(&mut transfer.has_ticket) {
            self.stop.put_ticket_back();
        }
        self.undo_draw(transfer.draw.take());
    }

    fn undo_draw(&self, draw: Option<Draw>) {
        if let (Some(draw), Some(sampling)) = (draw, &self.sampling) {
            sampling.put_back(draw);
        }
    }
}
