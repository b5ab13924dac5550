//! The outcome of a payload: the reply to a chunk, acceptance, refusal.
use super::refusal::Refusal;
use super::state::BeforeCommand;
use super::transaction::Stage;
use super::{Receipt, Session};
use crate::smtp::reply;
use crate::smtp::workspace::Workspace;

impl Session {
    /// Handles the end of a chunk that was not the last, or that was discarded.
    pub fn chunk_received(&mut self, workspace: &mut Workspace) {
        if let BeforeCommand::DiscardChunk(reply, times) = self.before_command {
            self.before_command = BeforeCommand::Nothing;
            return self.reply_to_each(times, reply, workspace);
        }
        match self.open_mut() {
            Some(transaction) if transaction.stage == (Stage::Chunk { last: false }) => {
                transaction.stage = Stage::Chunks;
            }
            _ => panic!("chunk_received without such a chunk"),
        }
        self.reply(&reply::CHUNK_OK, workspace);
    }

    /// Replies 250 with the message's name to a payload that is complete and committed. Ends the
    /// transaction.
    pub fn accept<R: Receipt>(&mut self, receipt: &R, workspace: &mut Workspace) {
        let stage = self.open().map(|transaction| transaction.stage);
        let is_whole = matches!(stage, Some(Stage::Data | Stage::Chunk { last: true }));
        assert!(is_whole, "accept without a whole payload: {stage:?}");
        let recipients = self.recipients();
        self.end_transaction(workspace);
        self.counts.count_message();
        let is_lmtp = self.terms.is_lmtp();
        let prefix = match (self.has_codes(), is_lmtp) {
            (true, false) => reply::ACCEPTED_PREFIX,
            (true, true) => reply::DELIVERED_PREFIX,
            (false, _) => reply::PLAIN_PREFIX,
        };
        let from = workspace.replies.len();
        workspace.replies.extend_from_slice(prefix);
        receipt.write_name(&mut workspace.replies);
        workspace.replies.extend_from_slice(self.terms.policy().accepted_end());
        if !is_lmtp {
            return workspace.tally.accepted();
        }
        workspace.tally.delivered(recipients.max(1));
        if recipients > 1 {
            self.repeat(from, recipients - 1, workspace);
        }
    }

    /// Refuses a complete payload (or chunk) that was discarded. Ends the transaction.
    pub fn refuse(&mut self, refusal: Refusal, workspace: &mut Workspace) {
        let times = match self.open().map(|transaction| transaction.stage) {
            Some(Stage::Chunk { last: false }) => 1,
            Some(Stage::Data | Stage::Chunk { last: true }) => self.replies_due(),
            stage => panic!("refuse without a payload: {stage:?}"),
        };
        self.end_transaction(workspace);
        match refusal {
            Refusal::TooLarge => self.reply_to_each(times, &reply::TOO_LARGE, workspace),
            Refusal::NoStorage => self.reply_to_each(times, &reply::NO_STORAGE, workspace),
            Refusal::StorageFailed => self.reply_to_each(times, &reply::STORAGE_FAILED, workspace),
            Refusal::Stopping => self.close(&reply::STOPPING, workspace),
        }
    }

    /// Returns the number of replies to the end of data: in LMTP, one per accepted recipient (RFC
    /// 2033 4.2).
    pub(super) fn replies_due(&self) -> u32 {
        if self.terms.is_lmtp() { self.recipients().max(1) } else { 1 }
    }
}
