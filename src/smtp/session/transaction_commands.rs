//! MAIL, RCPT, DATA and BDAT (RFC 5321 section 4.1.1, RFC 3030).
use super::Session;
use super::refusal::NotAccepted;
use super::state::{BeforeCommand, SessionState};
use super::step::Step;
use super::transaction::{OpenTransaction, OutOfSequence, Stage};
use crate::smtp::envelope::{FIELD_HEADER_BYTES, Tag};
use crate::smtp::extension::Extension;
use crate::smtp::grammar::Chunk;
use crate::smtp::param::{Body, MailParameters, RcptParameters};
use crate::smtp::path::Path;
use crate::smtp::reply::{self, Reply};
use crate::smtp::workspace::{TransactionEvent, Workspace};

impl Session {
    pub(super) fn mail(
        &mut self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), NotAccepted> {
        self.may_mail(path, parameters)?;
        self.state = SessionState::Open(self.begin(path, parameters, workspace)?);
        workspace.events.push(TransactionEvent::Began);
        let deviations = self.identity.hello_deviations();
        if !deviations.is_empty() {
            self.note(deviations, workspace);
        }
        self.reply(&reply::MAIL_OK, workspace);
        Ok(())
    }

    fn may_mail(&self, path: Path<'_>, parameters: MailParameters<'_>) -> Result<(), NotAccepted> {
        let limits = self.terms.limits();
        if self.terms.forbid_in_mail(&parameters) {
            return Err(NotAccepted::With(&reply::PARAMETER_UNKNOWN));
        }
        let is_partial = self.terms.policy().is_submission() && !path.is_fully_qualified();
        match self.state {
            SessionState::Greeted => Err(NotAccepted::With(self.terms.hello_first())),
            SessionState::Open(_) | SessionState::Closed | SessionState::Authenticating(_) => {
                Err(NotAccepted::With(&reply::MAIL_NESTED))
            }
            SessionState::Ready if self.terms.auth().is_some() && self.owes_auth() => {
                Err(NotAccepted::With(self.auth_first()))
            }
            SessionState::Ready if is_partial => Err(NotAccepted::With(&reply::SENDER_PARTIAL)),
            SessionState::Ready if path.utf8 && !parameters.smtputf8 => Err(NotAccepted::NonAscii),
            SessionState::Ready if parameters.size > Some(limits.message_bytes_max) => {
                Err(NotAccepted::With(&reply::TOO_LARGE))
            }
            SessionState::Ready
                if limits.messages_max.is_some_and(|max| self.counts.messages() >= max) =>
            {
                Err(NotAccepted::Closing(&reply::TOO_MANY_MESSAGES))
            }
            SessionState::Ready => Ok(()),
        }
    }

    /// Creates a transaction whose envelope has all fields up to the MAIL parameters.
    fn begin(
        &self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<OpenTransaction, NotAccepted> {
        let mut bytes = self.terms.policy().envelope().len() + self.identity.fields().len();
        bytes += FIELD_HEADER_BYTES + path.mailbox.len();
        if !parameters.text.is_empty() {
            bytes += FIELD_HEADER_BYTES + parameters.text.len();
        }
        let mut transaction = OpenTransaction {
            is_smtputf8: parameters.smtputf8,
            is_binary: parameters.body == Some(Body::BinaryMime),
            ..OpenTransaction::default()
        };
        let envelope = &mut transaction.envelope;
        if !workspace.make_room(&mut envelope.bytes, bytes) {
            return Err(NotAccepted::With(&reply::ENVELOPE_STORAGE));
        }
        envelope.push_encoded(self.terms.policy().envelope());
        envelope.push_encoded(self.identity.fields());
        envelope.push(Tag::ReversePath, path.mailbox);
        if !parameters.text.is_empty() {
            envelope.push(Tag::MailParameters, parameters.text);
        }
        envelope.declared_size = parameters.size;
        Ok(transaction)
    }

    pub(super) fn rcpt(
        &mut self,
        path: Path<'_>,
        parameters: RcptParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), NotAccepted> {
        let limits = self.terms.limits();
        if self.terms.forbid_in_rcpt(&parameters) {
            return Err(NotAccepted::With(&reply::PARAMETER_UNKNOWN));
        }
        let is_partial = self.terms.policy().is_submission() && !path.is_fully_qualified();
        let transaction = match &mut self.state {
            SessionState::Open(transaction) if transaction.stage == Stage::Recipients => {
                transaction
            }
            SessionState::Open(_) => return Err(NotAccepted::With(&reply::CHUNKS_BEGUN)),
            SessionState::Greeted => return Err(NotAccepted::With(self.terms.hello_first())),
            SessionState::Ready | SessionState::Closed | SessionState::Authenticating(_) => {
                return Err(NotAccepted::With(&reply::MAIL_FIRST));
            }
        };
        if is_partial {
            return Err(NotAccepted::With(&reply::RECIPIENT_PARTIAL));
        }
        if (path.utf8 || parameters.utf8) && !transaction.is_smtputf8 {
            return Err(NotAccepted::NonAscii);
        }
        let parameters_bytes = match parameters.text.len() {
            0 => 0,
            bytes => FIELD_HEADER_BYTES + bytes,
        };
        let bytes = FIELD_HEADER_BYTES + path.mailbox.len() + parameters_bytes;
        let envelope = &mut transaction.envelope;
        if transaction.recipients >= limits.recipients_max
            || envelope.bytes.len() + bytes > limits.envelope_bytes_max
        {
            return Err(NotAccepted::With(&reply::TOO_MANY_RECIPIENTS));
        }
        if !workspace.make_room(&mut envelope.bytes, bytes) {
            return Err(NotAccepted::With(&reply::ENVELOPE_STORAGE));
        }
        envelope.push(Tag::ForwardPath, path.mailbox);
        if !parameters.text.is_empty() {
            envelope.push(Tag::RcptParameters, parameters.text);
        }
        transaction.recipients += 1;
        self.reply(&reply::RCPT_OK, workspace);
        Ok(())
    }

    pub(super) fn data(&mut self, workspace: &mut Workspace) -> Result<Step, NotAccepted> {
        let transaction = match self.ready_for_payload() {
            Ok(transaction) => transaction,
            Err(why) => return Err(NotAccepted::With(why.reply_to_data())),
        };
        if transaction.stage == Stage::Chunks {
            return Err(NotAccepted::With(&reply::CHUNKS_BEGUN));
        }
        if transaction.is_binary {
            return Err(NotAccepted::With(&reply::BINARY_NEEDS_BDAT));
        }
        transaction.stage = Stage::Data;
        self.reply(&reply::START_DATA, workspace);
        Ok(Step::Data)
    }

    /// Handles BDAT. Payload follows the line whatever the reply, so a refused chunk is discarded
    /// before the reply (RFC 3030 2).
    pub(super) fn bdat(&mut self, chunk: Chunk, workspace: &mut Workspace) -> Step {
        let Chunk { bytes, is_last: last } = chunk;
        if !self.terms.has(Extension::Chunking) {
            return self.discard(bytes, &reply::NOT_IMPLEMENTED);
        }
        let message_bytes_max = self.terms.limits().message_bytes_max;
        let transaction = match self.ready_for_payload() {
            Ok(transaction) => transaction,
            Err(why) => return self.discard(bytes, why.reply_to_bdat()),
        };
        let total = transaction.chunk_bytes.saturating_add(bytes);
        if total > message_bytes_max {
            let times = if last { self.replies_due() } else { 1 };
            self.clear_transaction(workspace, TransactionEvent::TooLarge);
            self.before_command = BeforeCommand::DiscardChunk(&reply::TOO_LARGE, times);
            return Step::DiscardChunk { bytes };
        }
        let first = transaction.stage == Stage::Recipients;
        transaction.chunk_bytes = total;
        transaction.stage = Stage::Chunk { last };
        Step::Chunk { bytes, last, first }
    }

    /// Returns the open transaction, if it has a recipient.
    fn ready_for_payload(&mut self) -> Result<&mut OpenTransaction, OutOfSequence> {
        let hello_first = self.terms.hello_first();
        let transaction = match &mut self.state {
            SessionState::Greeted => return Err(OutOfSequence::Hello(hello_first)),
            SessionState::Ready | SessionState::Closed | SessionState::Authenticating(_) => {
                return Err(OutOfSequence::Mail);
            }
            SessionState::Open(transaction) => transaction,
        };
        match transaction.recipients {
            // LMTP requires 503 here (RFC 2033 4.2).
            0 if transaction.was_rcpt_refused && !self.terms.is_lmtp() => {
                Err(OutOfSequence::NoValidRecipients)
            }
            0 => Err(OutOfSequence::Rcpt),
            _ => Ok(transaction),
        }
    }

    pub(super) fn discard(&mut self, bytes: u64, answer: &'static Reply) -> Step {
        self.before_command = BeforeCommand::DiscardChunk(answer, 1);
        Step::DiscardChunk { bytes }
    }

    /// Resets the transaction. Does nothing if there is none (RFC 5321 4.1.1.5).
    pub(super) fn end_transaction(&mut self, workspace: &mut Workspace) {
        self.clear_transaction(workspace, TransactionEvent::Ended);
    }

    fn clear_transaction(&mut self, workspace: &mut Workspace, event: TransactionEvent) {
        if let SessionState::Open(transaction) = &mut self.state {
            workspace.reclaim(&mut transaction.envelope.bytes);
            workspace.events.push(event);
            self.state = SessionState::Ready;
        }
    }
}
