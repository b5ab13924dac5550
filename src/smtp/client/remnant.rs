//! What failed transactions have left at the server, and when RSET removes it.

/// What failed transactions have left at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Remnant {
    /// Nothing: the server accepts MAIL.
    #[default]
    Nothing,
    /// An open transaction. RSET must come before the next MAIL.
    Transaction,
    /// A chunk that failed while later commands were already written: the server refuses them until
    /// RSET (RFC 3030 section 2), which is not queued yet.
    FailedChunk,
    /// Like `FailedChunk`, but RSET is queued, and no transaction is left open after it.
    FailedChunkBeforeReset,
}

impl Remnant {
    /// Records that a transaction failed without ending.
    pub fn add_transaction(&mut self) {
        *self = match self {
            Remnant::Nothing | Remnant::Transaction => Remnant::Transaction,
            Remnant::FailedChunk | Remnant::FailedChunkBeforeReset => Remnant::FailedChunk,
        };
    }

    /// Records that a chunk failed while `later` later transactions were in progress.
    pub fn add_failed_chunk(&mut self, later: usize) {
        match later {
            0 => self.add_transaction(),
            _ => *self = Remnant::FailedChunk,
        }
    }

    /// Returns whether RSET must be queued before the next MAIL.
    pub fn needs_reset(self) -> bool {
        matches!(self, Remnant::Transaction | Remnant::FailedChunk)
    }

    /// Returns whether the server refuses MAIL with 503 because of an earlier transaction.
    pub fn refuses_mail(self) -> bool {
        matches!(self, Remnant::FailedChunk | Remnant::FailedChunkBeforeReset)
    }

    /// Records that RSET was queued.
    pub fn reset_queued(&mut self) {
        *self = match self {
            Remnant::Nothing | Remnant::Transaction => Remnant::Nothing,
            Remnant::FailedChunk | Remnant::FailedChunkBeforeReset => {
                Remnant::FailedChunkBeforeReset
            }
        };
    }

    /// Records that the server accepted RSET. A transaction that failed after RSET was queued
    /// stays.
    pub fn reset_done(&mut self) {
        *self = match self {
            Remnant::Nothing | Remnant::FailedChunkBeforeReset => Remnant::Nothing,
            Remnant::Transaction | Remnant::FailedChunk => Remnant::Transaction,
        };
    }
}
