//! What a worker accounts for: messages, refusals, rights to commit, acknowledgements.
use std::sync::Arc;

use crate::log::MessageId;

use super::counters::Counters;
use super::recording::Recording;
use crate::server::connection::Conn;
use crate::server::indexing::Begun;
use crate::server::payload::{Draw, Orphan, Sampling, Transfer};
use crate::server::shutdown::Stop;

/// One for each worker. Every final reply to a message passes through here.
pub(crate) struct Ledger {
    pub counters: Arc<Counters>,
    pub recording: Recording,
    pub stop: Arc<Stop>,
    /// Notifies the parser of segments that were begun.
    pub begun: Begun,
    /// `None`: everything is stored in full.
    pub sampling: Option<Arc<Sampling>>,
    /// Messages whose 250 is among the replies of this turn, and where in them it ends.
    pub acknowledged: Vec<(usize, MessageId)>,
}

impl Ledger {
    pub fn new(stop: Arc<Stop>, counters: Arc<Counters>, recording: Recording) -> Ledger {
        Ledger {
            counters,
            recording,
            stop,
            begun: Begun::default(),
            sampling: None,
            acknowledged: Vec::new(),
        }
    }

    /// A proxy that looked after our health sends mail: its connection is a session after all.
    #[cold]
    pub fn becomes_session(&mut self, conn: &mut Conn) {
        conn.is_session = true;
        Counters::add(&self.counters.sessions, 1);
        self.recording.opened(conn);
    }

    /// Returns whether `transfer` may commit: with `--stop-after-messages`, tickets run out.
    #[inline]
    pub fn take_ticket(&self, transfer: &mut Transfer) -> bool {
        transfer.has_ticket = transfer.has_ticket || self.stop.take_ticket();
        transfer.has_ticket
    }

    /// The commit of a message whose client had gone did not happen.
    pub fn lost(&self, draw: Option<Draw>) {
        self.stop.give_ticket_back();
        self.undo_draw(draw);
    }

    /// The message of `transfer` is committed as `id`, or counted.
    #[inline]
    pub fn accepted(&mut self, conn: &mut Conn, transfer: &Transfer, id: Option<MessageId>) {
        if let Some(id) = id {
            self.begun.committed_to(id.segment);
        }
        self.counters.message(transfer.message_bytes());
        self.recording.message(conn, transfer);
    }

    /// The session has answered the message that was accepted last: the 250 ends at octet
    /// `replies_bytes` of the replies, unless more of them are owed (LMTP). After the last ticket
    /// the stop begins, so it begins with that answer among the replies.
    #[inline]
    pub fn answered(&mut self, conn: &mut Conn, id: Option<MessageId>, replies_bytes: usize) {
        if conn.session.owes_replies() {
            conn.owing = id;
        } else if let Some(id) = id {
            self.acknowledged.push((replies_bytes, id));
        }
        self.stop.committed();
    }

    /// The last reply that was owed to `conn` stands at the end of `replies_bytes` octets.
    pub fn paid(&mut self, conn: &mut Conn, replies_bytes: usize) {
        self.acknowledged.extend(conn.owing.take().map(|id| (replies_bytes, id)));
    }

    /// A message was committed after its client had gone.
    pub fn accepted_unheard(&mut self, orphan: &Orphan) {
        self.counters.message(orphan.bytes);
        self.recording.accepted_unheard(orphan);
        self.stop.committed();
    }

    /// A message is refused because of its data.
    #[cold]
    pub fn refused(&mut self, conn: &mut Conn) {
        self.counters.refused();
        self.recording.refused(conn);
    }

    /// The message of `transfer` is not accepted: ticket and draw are as if it had never come.
    pub fn not_accepted(&self, transfer: &mut Transfer) {
        if std::mem::take(&mut transfer.has_ticket) {
            self.stop.give_ticket_back();
        }
        self.undo_draw(transfer.draw.take());
    }

    fn undo_draw(&self, draw: Option<Draw>) {
        if let (Some(draw), Some(sampling)) = (draw, &self.sampling) {
            sampling.put_back(draw);
        }
    }
}
