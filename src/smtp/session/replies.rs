//! Appends the replies of a session.
use super::Session;
use super::owed_replies::OwedReplies;
use super::state::BeforeCommand;
use crate::smtp::extension::Extension;
use crate::smtp::reply::{self, Reply};
use crate::smtp::workspace::Workspace;

impl Session {
    /// Appends a reply. A 5xx beyond the limit is replaced by 421, which ends the session.
    pub(super) fn reply(&mut self, reply: &'static Reply, workspace: &mut Workspace) {
        if reply.is_permanent() {
            self.counts.count_error();
            if self.terms.limits().errors_max.is_some_and(|max| self.counts.errors() > max) {
                return self.close(&reply::TOO_MANY_ERRORS, workspace);
            }
        }
        self.encode(reply, &mut workspace.replies);
        workspace.tally.reply(reply, 1);
    }

    /// Appends the same reply `times` times; it counts as one error.
    pub(super) fn reply_to_each(
        &mut self,
        times: u32,
        reply: &'static Reply,
        workspace: &mut Workspace,
    ) {
        let from = workspace.replies.len();
        self.reply(reply, workspace);
        if times > 1 && !self.is_ended() {
            workspace.tally.reply(reply, times - 1);
            self.repeat(from, times - 1, workspace);
        }
    }

    /// Appends the last reply, which begins at `from`, `times` more times. Replies that do not fit
    /// now are owed.
    pub(super) fn repeat(&mut self, from: usize, times: u32, workspace: &mut Workspace) {
        if let Some(owed) = OwedReplies::repeat(&mut workspace.replies, from, times) {
            self.before_command = BeforeCommand::AppendReplies(Box::new(owed));
        }
    }

    /// Appends owed replies as far as they fit. Returns whether all were appended.
    pub(super) fn append_owed(&mut self, workspace: &mut Workspace) -> bool {
        let BeforeCommand::AppendReplies(owed) = &mut self.before_command else { return true };
        if !owed.append(&mut workspace.replies) {
            return false;
        }
        self.before_command = BeforeCommand::Nothing;
        true
    }

    pub(super) fn close(&mut self, reply: &'static Reply, workspace: &mut Workspace) {
        self.encode(reply, &mut workspace.replies);
        workspace.tally.reply(reply, 1);
        self.abandon(workspace);
    }

    /// Appends a reply, with its enhanced code if ENHANCEDSTATUSCODES was announced.
    #[inline]
    fn encode(&self, reply: &Reply, out: &mut Vec<u8>) {
        if self.has_codes() { reply.encode(out) } else { reply.encode_without_code(out) }
    }

    #[inline]
    pub(super) fn has_codes(&self) -> bool {
        self.terms.has(Extension::EnhancedStatusCodes)
    }
}
