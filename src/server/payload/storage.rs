//! A worker's buffers and its writer of the log.
use crate::log::{MessageId, SlotFacts, SlotKind, Writer};
use crate::time::UnixNs;

use super::pool::TransferPool;

/// What a payload in progress needs: buffers, and the log's writer.
pub(crate) struct Storage {
    pub pool: TransferPool,
    pub writer: Writer,
}

impl Storage {
    /// Notes in the log that the 250 for `id` was not sent. If the log has no room, logs a warning
    /// instead.
    #[cold]
    pub fn record_unsent(&mut self, id: MessageId, received_at_ns: UnixNs) {
        let facts = SlotFacts {
            kind: SlotKind::Note,
            received_at_ns,
            reply_code: 250,
            enhanced: [2, 0, 0],
            ..SlotFacts::default()
        };
        if self.writer.append(&[], &[&id.to_bytes()], &facts).is_err() {
            tracing::warn!(%id, "its 250 could not be sent, and no note about it could be stored");
        }
    }
}
