//! The server session: command octets in, replies and steps out (RFC 5321 3, 4.1.4).
//!
//! ```text
//!            EHLO/HELO          MAIL
//!  Greeted ─────────────▶ Ready ────▶ Open: Recipients ── DATA ──▶ Data ─────┐
//!                           ▲                │     └───── BDAT LAST ─▶ Chunk ─┤
//!                           │                └─ BDAT ─▶ Chunk ⇄ Chunks ───────┤
//!                           └──── accept, refuse, RSET, EHLO, failed chunk ◀──┘
//! ```
//!
//! LMTP (RFC 2033) is the same with LHLO for EHLO, and with one reply per recipient after the end
//! of data. Those are owed: `feed` emits them in portions, as the caller sends them.
//!
//! Hot path, per plain transaction of MAIL, RCPT, DATA: three memchr for LF, three parses of a
//! borrowed line, about six short copies into a pooled envelope buffer, four copies of static
//! replies. No allocation, no formatting but the message's name, no clock.

mod auth;
mod hello;
mod line;
mod off_grammar;
mod owed;
mod refusal;
mod step;
mod tls;
mod transaction;
mod xclient;

use super::deviation::{Deviation, Deviations};
use super::envelope::{Client, FIELD_HEADER_BYTES, Tag};
use super::extension::{Extension, Extensions};
use super::grammar::{self, Command};
use super::moment::{MarkCommand, MarkOutcome};
use super::param::{Body, MailParameters, RcptParameters};
use super::path::Path;
use super::policy::{PoliciesInForce, Policy, TlsUse};
use super::reply::{self, Reply};
use super::sasl::Exchange;
use super::tally::Verb;
use super::workspace::{REPLIES_BYTES_PAUSE, TransactionEvent, Workspace};
use line::{Skip, find_line, skip_line};
use owed::OwedReplies;
pub use refusal::{Farewell, Refusal};
use std::num::NonZero;
use std::sync::Arc;
pub use step::{Decision, Question, Step};
use transaction::{OpenTransaction, OutOfSequence, Stage};

/// Octets by which deviations may take an envelope beyond its bounds: a field for each kind.
pub const DEVIATION_BYTES_MAX: usize = Deviation::ALL.len() * (FIELD_HEADER_BYTES + 1);

/// Proof that a message is committed, by which it is named in the reply.
pub trait Receipt {
    /// Appends the message's name, for example `17:3`.
    fn write_name(&self, out: &mut Vec<u8>);
}

/// Where a session stands.
#[derive(Debug)]
enum SessionState {
    /// Before EHLO or HELO.
    Greeted,
    /// No transaction.
    Ready,
    /// AUTH waits for the client's response.
    Authenticating(Box<Exchange>),
    /// From the accepted MAIL on.
    Open(OpenTransaction),
    /// Nothing is read any more.
    Closed,
}

/// Why a command is not accepted.
#[derive(Debug, Clone, Copy)]
enum NotAccepted {
    /// With this reply.
    With(&'static Reply),
    /// With this reply, and the session ends.
    Closing(&'static Reply),
    /// A path or a parameter has octets above 127, and MAIL did not say SMTPUTF8.
    NonAscii,
}

/// How a client said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    Helo,
    Ehlo,
    Lhlo,
}

/// Whether a client may send XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum XclientUse {
    Denied,
    Allowed,
    /// The client was named just now: it may if its own address may.
    Undecided,
}

/// How far a session has come to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    /// In plain text; the last hello was answered with STARTTLS.
    Announced,
    Secure,
}

/// One SMTP session, from the greeting to its close. An idle session owns the constant part of its
/// envelopes and nothing else.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    client: Client,
    /// The fields of its envelopes that do not change, encoded: from the last EHLO, HELO or LHLO
    /// on the client, the name that it said, and the protocol; last, and from the beginning, what
    /// a PROXY header said and who connected (the fields from [`Tag::Peer`] on).
    constant: Box<[u8]>,
    state: SessionState,
    /// The reply to a chunk that is being discarded, and how often it is given.
    latched: Option<(&'static Reply, u32)>,
    /// Replies to the end of data that have not been appended yet.
    owed: Option<Box<OwedReplies>>,
    /// Accepted messages.
    messages: u32,
    /// 5xx replies given.
    errors: u32,
    skip: Skip,
    /// Extensions that the last EHLO or LHLO did not announce. What it announced holds until the
    /// next, whatever generation is in force.
    without: Extensions,
    /// Whether the client may send XCLIENT.
    xclient_use: XclientUse,
    /// The client's port, where XCLIENT has named it.
    claimed_port: Option<NonZero<u16>>,
    /// Rules that the last EHLO, HELO or LHLO broke.
    hello_deviations: Deviations,
    /// How far it has come to TLS.
    security: Security,
    /// TLS is required, and has not begun.
    owes_tls: bool,
}

impl Session {
    /// A session that has said nothing yet. Allocates nothing.
    pub fn new(client: Client, policy: Arc<Policy>) -> Session {
        let owes_tls = policy.tls == TlsUse::Required;
        Session {
            without: policy.without,
            policy,
            client,
            constant: Box::default(),
            state: SessionState::Greeted,
            latched: None,
            owed: None,
            messages: 0,
            errors: 0,
            skip: Skip::Nothing,
            xclient_use: XclientUse::Denied,
            claimed_port: None,
            hello_deviations: Deviations::NONE,
            security: Security::Plain,
            owes_tls,
        }
    }

    /// The index of its listener.
    pub fn listener_index(&self) -> usize {
        self.policy.index
    }

    /// The listener's address as configured.
    pub fn listener(&self) -> &str {
        &self.policy.listener
    }

    /// Appends the 220 greeting (RFC 5321 3.1).
    pub fn greet(&mut self, workspace: &mut Workspace) {
        workspace.replies.extend_from_slice(self.policy.greeting());
        workspace.tally.greeting();
    }

    /// Consumes commands; returns how many octets were consumed and what is wanted next.
    /// Never looks beyond the octet at which a step other than `NeedInput` ends.
    ///
    /// Costs one scan per command line; a line that arrives in pieces is scanned anew with each
    /// piece, at most `command_line_bytes_max` octets.
    pub fn feed(&mut self, input: &[u8], workspace: &mut Workspace) -> (usize, Step) {
        // Whatever wants payload ends this call, so once is enough.
        assert!(self.takes_commands(), "fed commands while payload is wanted");
        let mut consumed = 0;
        loop {
            if self.owed.is_some() && !self.pay(workspace) {
                return (consumed, Step::Drain);
            }
            if self.is_over() {
                return (consumed, Step::Close);
            }
            let rest = &input[consumed..];
            if self.skip != Skip::Nothing {
                let (skipped, ended) = skip_line(rest);
                consumed += skipped;
                if !ended {
                    return (consumed, Step::NeedInput);
                }
                self.line_skipped(workspace);
                continue;
            }
            if rest.is_empty() {
                return (consumed, Step::NeedInput);
            }
            self.follow(workspace);
            let line_bytes_max = match self.policy.auth.is_some() {
                true => self.auth_line_bytes_max(rest),
                false => self.policy.limits.command_line_bytes_max,
            };
            let Some(line_bytes) = find_line(&rest[..rest.len().min(line_bytes_max)]) else {
                if self.is_tls_hello(rest) {
                    self.close(&reply::PLAIN_EXPECTED, workspace);
                    return (input.len(), Step::Close);
                }
                if rest.len() < line_bytes_max {
                    return (consumed, Step::NeedInput);
                }
                self.skip = if grammar::is_bdat(rest) { Skip::BdatLine } else { Skip::Line };
                continue;
            };
            if workspace.replies.len() > REPLIES_BYTES_PAUSE {
                return (consumed, Step::Drain);
            }
            consumed += line_bytes;
            if self.is_authenticating() {
                self.auth_response(&rest[..line_bytes - 2], workspace);
                return (consumed, Step::Heard);
            }
            if let Some(step) = self.command(&rest[..line_bytes - 2], workspace) {
                return (consumed, step);
            }
        }
    }

    /// The encoded envelope of the open transaction, as it is stored; empty outside one.
    pub fn envelope(&self) -> &[u8] {
        self.open().map_or(&[], |transaction| transaction.envelope.as_bytes())
    }

    /// Maximum size of a message, bytes (RFC 1870).
    #[inline]
    pub fn message_bytes_max(&self) -> u64 {
        self.policy.limits.message_bytes_max
    }

    /// SIZE= of the open transaction's MAIL (RFC 1870).
    pub fn declared_size(&self) -> Option<u64> {
        self.open().and_then(|transaction| transaction.envelope.declared_size())
    }

    /// A chunk that was not the last, or a discarded one, is here in full.
    pub fn chunk_received(&mut self, workspace: &mut Workspace) {
        if let Some((latched, times)) = self.latched.take() {
            return self.reply_to_each(times, latched, workspace);
        }
        match self.open_mut() {
            Some(transaction) if transaction.stage == (Stage::Chunk { last: false }) => {
                transaction.stage = Stage::Chunks;
            }
            _ => panic!("chunk_received without such a chunk"),
        }
        self.reply(&reply::CHUNK_OK, workspace);
    }

    /// Replies with the outcome of the moment that NOOP named.
    pub fn moment_answered(
        &mut self,
        moment: &MarkCommand,
        outcome: MarkOutcome,
        workspace: &mut Workspace,
    ) {
        self.reply(moment.reply(outcome), workspace);
    }

    /// Answers a payload that is whole and committed with 250 and its name. Ends the transaction.
    pub fn accept<R: Receipt>(&mut self, receipt: &R, workspace: &mut Workspace) {
        let stage = self.open().map(|transaction| transaction.stage);
        let is_whole = matches!(stage, Some(Stage::Data | Stage::Chunk { last: true }));
        assert!(is_whole, "accept without a whole payload: {stage:?}");
        let recipients = self.recipients();
        self.end_transaction(workspace);
        self.messages = self.messages.saturating_add(1);
        let is_lmtp = self.policy.is_lmtp();
        let prefix = match (self.has_codes(), is_lmtp) {
            (true, false) => reply::ACCEPTED_PREFIX,
            (true, true) => reply::DELIVERED_PREFIX,
            (false, _) => reply::PLAIN_PREFIX,
        };
        let from = workspace.replies.len();
        workspace.replies.extend_from_slice(prefix);
        receipt.write_name(&mut workspace.replies);
        workspace.replies.extend_from_slice(self.policy.accepted_end());
        workspace.tally.accepted(is_lmtp, if is_lmtp { recipients.max(1) } else { 1 });
        if is_lmtp && recipients > 1 {
            self.repeat(from, recipients - 1, workspace);
        }
    }

    /// The payload is whole (or, for a chunk, read and thrown away) and not kept. Ends the
    /// transaction.
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

    /// Appends a 421 because of `why`; the caller sends and closes.
    pub fn farewell(&mut self, why: Farewell, workspace: &mut Workspace) {
        let reply = match why {
            Farewell::Timeout => &reply::TIMEOUT,
            Farewell::Stopping => &reply::STOPPING,
            Farewell::TooManyConnections => &reply::TOO_MANY_CONNECTIONS,
            Farewell::TooManyFromAddress => &reply::TOO_MANY_FROM_ADDRESS,
            Farewell::Denied => &reply::DENIED,
            Farewell::OutOfBuffers => &reply::OUT_OF_BUFFERS,
        };
        self.close(reply, workspace);
    }

    /// Returns the transaction's buffer; the caller must do this before it drops a session.
    pub fn abandon(&mut self, workspace: &mut Workspace) {
        self.end_transaction(workspace);
        self.latched = None;
        self.owed = None;
        self.state = SessionState::Closed;
    }

    /// True while replies to the last message are still to come from `feed`: it must be called,
    /// with or without input, once those given have been sent.
    pub fn owes_replies(&self) -> bool {
        self.owed.is_some()
    }

    /// Forward-paths of the open transaction.
    pub fn recipients(&self) -> u32 {
        self.open().map_or(0, |transaction| transaction.recipients)
    }

    /// Accepted messages so far.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// 5xx replies so far.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// Whether the session has ended: the replies are to be sent, then the connection closes.
    pub fn is_over(&self) -> bool {
        matches!(self.state, SessionState::Closed)
    }

    /// True from the accepted MAIL until its final reply or reset (for the graceful stop).
    pub fn in_transaction(&self) -> bool {
        self.owed.is_some() || self.open().is_some()
    }

    fn open(&self) -> Option<&OpenTransaction> {
        match &self.state {
            SessionState::Open(transaction) => Some(transaction),
            _ => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut OpenTransaction> {
        match &mut self.state {
            SessionState::Open(transaction) => Some(transaction),
            _ => None,
        }
    }

    fn takes_commands(&self) -> bool {
        let stage = self.open().map(|transaction| transaction.stage);
        !matches!(stage, Some(Stage::Data | Stage::Chunk { .. })) && self.latched.is_none()
    }

    /// Executes one command line; `None`: continue with the next.
    fn command(&mut self, line: &[u8], workspace: &mut Workspace) -> Option<Step> {
        if self.policy.is_lmtp() && grammar::is_smtp_hello(line) {
            workspace.tally.command(Verb::Hello);
            self.reply(&reply::LHLO_NOT_EHLO, workspace);
            return None;
        }
        match grammar::parse(line) {
            Ok(command) => {
                workspace.tally.command(command.verb());
                match self.execute(command, workspace) {
                    Ok(step) => step,
                    Err(refused) => self.refuse_command(command, refused, workspace),
                }
            }
            Err(error) => self.off_grammar(line, error, workspace),
        }
    }

    /// Executes a command and, if it is accepted, answers it.
    fn execute(
        &mut self,
        command: Command<'_>,
        workspace: &mut Workspace,
    ) -> Result<Option<Step>, NotAccepted> {
        if self.owes_tls && Session::waits_for_tls(&command) {
            return self.refuse_before_tls(command).map(Some);
        }
        match command {
            Command::Mail { path, parameters } => self.mail(path, parameters, workspace)?,
            Command::Rcpt { path, parameters } => self.rcpt(path, parameters, workspace)?,
            Command::Data => return self.data(workspace).map(Some),
            Command::Bdat { bytes, last } => return Ok(Some(self.bdat(bytes, last, workspace))),
            Command::Ehlo { name } => self.hello(name, Hello::Ehlo, workspace),
            Command::Helo { name } => self.hello(name, Hello::Helo, workspace),
            Command::Lhlo { .. } if !self.policy.is_lmtp() => {
                return Err(NotAccepted::With(&reply::NOT_IMPLEMENTED));
            }
            Command::Lhlo { name } => self.hello(name, Hello::Lhlo, workspace),
            Command::Rset => {
                self.end_transaction(workspace);
                self.reply(&reply::RESET_OK, workspace);
            }
            Command::Noop { argument } => return Ok(self.noop(argument, workspace)),
            Command::Vrfy => self.reply(&reply::NOT_VERIFIED, workspace),
            Command::Expn => return Err(NotAccepted::With(&reply::NO_LISTS)),
            Command::Help => {
                let help = if self.policy.is_lmtp() { &reply::LMTP_HELP } else { &reply::HELP };
                self.reply(help, workspace);
            }
            Command::Quit => self.close(&reply::CLOSING, workspace),
            Command::Auth { argument } => return self.auth(argument, workspace),
            Command::StartTls => return self.starttls().map(Some),
            Command::Xclient { argument } => return self.xclient(argument).map(Some),
        }
        Ok(None)
    }

    /// Nothing (RFC 5321 4.1.1.9), unless it is allowed to name a moment and does.
    fn noop(&mut self, argument: &[u8], workspace: &mut Workspace) -> Option<Step> {
        if self.policy.noop_marks {
            workspace.moment = MarkCommand::parse(argument);
        }
        if workspace.moment.is_some() {
            return Some(Step::MarkCommand);
        }
        self.reply(&reply::NOOP_OK, workspace);
        None
    }

    fn mail(
        &mut self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), NotAccepted> {
        self.may_mail(path, parameters)?;
        self.state = SessionState::Open(self.begin(path, parameters, workspace)?);
        workspace.events.push(TransactionEvent::Began);
        if !self.hello_deviations.is_empty() {
            self.note(self.hello_deviations, workspace);
        }
        self.reply(&reply::MAIL_OK, workspace);
        Ok(())
    }

    /// Between transactions and AUTH, a session goes over to what is in force, before it reads a
    /// command.
    #[inline]
    fn follow(&mut self, workspace: &Workspace) {
        if self.policy.generation != workspace.in_force.generation {
            self.go_over(&workspace.in_force);
        }
    }

    #[cold]
    fn go_over(&mut self, in_force: &PoliciesInForce) {
        if let Some(policy) = in_force.policies.get(self.policy.index)
            && !self.in_transaction()
            && !self.is_authenticating()
        {
            self.policy = policy.clone();
            self.owes_tls = policy.tls == TlsUse::Required && !self.is_secure();
        }
    }

    fn may_mail(&self, path: Path<'_>, parameters: MailParameters<'_>) -> Result<(), NotAccepted> {
        let (limits, without) = (&self.policy.limits, self.without);
        if !without.is_empty() && without.have_parameter_of_mail(&parameters) {
            return Err(NotAccepted::With(&reply::PARAMETER_UNKNOWN));
        }
        let is_partial = self.policy.is_submission() && !path.is_fully_qualified();
        match self.state {
            SessionState::Greeted => Err(NotAccepted::With(self.hello_first())),
            SessionState::Open(_) | SessionState::Closed | SessionState::Authenticating(_) => {
                Err(NotAccepted::With(&reply::MAIL_NESTED))
            }
            SessionState::Ready if self.policy.auth.is_some() && self.owes_auth() => {
                Err(NotAccepted::With(self.auth_first()))
            }
            SessionState::Ready if is_partial => Err(NotAccepted::With(&reply::SENDER_PARTIAL)),
            SessionState::Ready if path.utf8 && !parameters.smtputf8 => Err(NotAccepted::NonAscii),
            SessionState::Ready if parameters.size > Some(limits.message_bytes_max) => {
                Err(NotAccepted::With(&reply::TOO_LARGE))
            }
            SessionState::Ready if limits.messages_max.is_some_and(|max| self.messages >= max) => {
                Err(NotAccepted::Closing(&reply::TOO_MANY_MESSAGES))
            }
            SessionState::Ready => Ok(()),
        }
    }

    /// A transaction whose envelope has the fields up to the MAIL parameters.
    fn begin(
        &self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<OpenTransaction, NotAccepted> {
        let mut bytes = self.policy.envelope().len() + self.constant.len();
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
        envelope.push_encoded(self.policy.envelope());
        envelope.push_encoded(&self.constant);
        envelope.push(Tag::ReversePath, path.mailbox);
        if !parameters.text.is_empty() {
            envelope.push(Tag::MailParameters, parameters.text);
        }
        envelope.declared_size = parameters.size;
        Ok(transaction)
    }

    fn rcpt(
        &mut self,
        path: Path<'_>,
        parameters: RcptParameters<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), NotAccepted> {
        let (limits, without) = (&self.policy.limits, self.without);
        if !without.is_empty() && without.have_parameter_of_rcpt(&parameters) {
            return Err(NotAccepted::With(&reply::PARAMETER_UNKNOWN));
        }
        let is_partial = self.policy.is_submission() && !path.is_fully_qualified();
        let transaction = match &mut self.state {
            SessionState::Open(transaction) if transaction.stage == Stage::Recipients => {
                transaction
            }
            SessionState::Open(_) => return Err(NotAccepted::With(&reply::CHUNKS_BEGUN)),
            SessionState::Greeted => return Err(NotAccepted::With(self.hello_first())),
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

    fn data(&mut self, workspace: &mut Workspace) -> Result<Step, NotAccepted> {
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

    /// The payload of a chunk follows its line whatever the reply will be, so a refused chunk is
    /// discarded before it is answered (RFC 3030 2).
    fn bdat(&mut self, bytes: u64, last: bool, workspace: &mut Workspace) -> Step {
        if self.without.has(Extension::Chunking) {
            return self.discard(bytes, &reply::NOT_IMPLEMENTED);
        }
        let message_bytes_max = self.policy.limits.message_bytes_max;
        let transaction = match self.ready_for_payload() {
            Ok(transaction) => transaction,
            Err(why) => return self.discard(bytes, why.reply_to_bdat()),
        };
        let total = transaction.chunk_bytes.saturating_add(bytes);
        if total > message_bytes_max {
            let times = if last { self.replies_due() } else { 1 };
            self.clear_transaction(workspace, TransactionEvent::TooLarge);
            self.latched = Some((&reply::TOO_LARGE, times));
            return Step::DiscardChunk { bytes };
        }
        let first = transaction.stage == Stage::Recipients;
        transaction.chunk_bytes = total;
        transaction.stage = Stage::Chunk { last };
        Step::Chunk { bytes, last, first }
    }

    /// The open transaction, if it has a recipient.
    fn ready_for_payload(&mut self) -> Result<&mut OpenTransaction, OutOfSequence> {
        let hello_first = self.hello_first();
        let transaction = match &mut self.state {
            SessionState::Greeted => return Err(OutOfSequence::Hello(hello_first)),
            SessionState::Ready | SessionState::Closed | SessionState::Authenticating(_) => {
                return Err(OutOfSequence::Mail);
            }
            SessionState::Open(transaction) => transaction,
        };
        match transaction.recipients {
            // LMTP has 503 alone here (RFC 2033 4.2).
            0 if transaction.was_rcpt_refused && !self.policy.is_lmtp() => {
                Err(OutOfSequence::NoValidRecipients)
            }
            0 => Err(OutOfSequence::Rcpt),
            _ => Ok(transaction),
        }
    }

    fn hello_first(&self) -> &'static Reply {
        if self.policy.is_lmtp() { &reply::LHLO_FIRST } else { &reply::EHLO_FIRST }
    }

    /// Replies to the end of data: LMTP has one per accepted recipient (RFC 2033 4.2).
    fn replies_due(&self) -> u32 {
        if self.policy.is_lmtp() { self.recipients().max(1) } else { 1 }
    }

    /// The same reply `times` times; it counts as one error.
    fn reply_to_each(&mut self, times: u32, reply: &'static Reply, workspace: &mut Workspace) {
        let from = workspace.replies.len();
        self.reply(reply, workspace);
        if times > 1 && !self.is_over() {
            workspace.tally.reply(reply, times - 1);
            self.repeat(from, times - 1, workspace);
        }
    }

    /// Appends the reply that begins at `from`, the last one, `times` times more; what the replies
    /// may not grow by now is owed.
    fn repeat(&mut self, from: usize, times: u32, workspace: &mut Workspace) {
        let owed = OwedReplies::repeat(&mut workspace.replies, from, times);
        self.owed = owed.map(Box::new);
    }

    /// Appends what is owed, as far as the replies may grow; false if more is left.
    fn pay(&mut self, workspace: &mut Workspace) -> bool {
        let Some(owed) = &mut self.owed else { return true };
        if !owed.pay(&mut workspace.replies) {
            return false;
        }
        self.owed = None;
        true
    }

    fn discard(&mut self, bytes: u64, answer: &'static Reply) -> Step {
        self.latched = Some((answer, 1));
        Step::DiscardChunk { bytes }
    }

    fn line_skipped(&mut self, workspace: &mut Workspace) {
        let skip = std::mem::replace(&mut self.skip, Skip::Nothing);
        match skip {
            _ if self.is_authenticating() => self.auth_response_too_long(workspace),
            Skip::BdatLine => self.close(&reply::CHUNK_SIZE_LOST, workspace),
            _ => self.reply(&reply::LINE_TOO_LONG, workspace),
        }
    }

    /// Appends a reply; in place of one 5xx too many comes 421 and the end.
    fn reply(&mut self, reply: &'static Reply, workspace: &mut Workspace) {
        if reply.is_permanent() {
            self.errors = self.errors.saturating_add(1);
            if self.policy.limits.errors_max.is_some_and(|max| self.errors > max) {
                return self.close(&reply::TOO_MANY_ERRORS, workspace);
            }
        }
        self.encode(reply, &mut workspace.replies);
        workspace.tally.reply(reply, 1);
    }

    /// Appends a reply, with its enhanced code where those were announced.
    #[inline]
    fn encode(&self, reply: &Reply, out: &mut Vec<u8>) {
        match self.has_codes() {
            true => reply.encode(out),
            false => reply.encode_without_code(out),
        }
    }

    #[inline]
    fn has_codes(&self) -> bool {
        !self.without.has(Extension::EnhancedStatusCodes)
    }

    fn close(&mut self, reply: &'static Reply, workspace: &mut Workspace) {
        self.encode(reply, &mut workspace.replies);
        workspace.tally.reply(reply, 1);
        self.abandon(workspace);
    }

    /// RSET, among others: without a transaction there is nothing to reset (RFC 5321 4.1.1.5).
    fn end_transaction(&mut self, workspace: &mut Workspace) {
        self.clear_transaction(workspace, TransactionEvent::Ended);
    }

    fn clear_transaction(&mut self, workspace: &mut Workspace, event: TransactionEvent) {
        if let SessionState::Open(transaction) = &mut self.state {
            workspace.take_back(&mut transaction.envelope.bytes);
            workspace.events.push(event);
            self.state = SessionState::Ready;
        }
    }
}

#[cfg(test)]
mod tests;
