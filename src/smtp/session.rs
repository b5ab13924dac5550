//! The server session: command octets in, replies and steps out (RFC 5321 3, 4.1.4).
//!
//! ```text
//!            EHLO/HELO        MAIL          RCPT            DATA
//!  Greeted ───────────▶ Ready ────▶ Mail ────────▶ Rcpt ──────────▶ Data ─┐
//!                         ▲                         │ BDAT      BDAT LAST │
//!                         │                         ▼                     │
//!                         │                     Chunk ⇄ Chunks            │
//!                         └── accept, refuse, RSET, EHLO, failed chunk ◀──┘
//! ```
//!
//! LMTP (RFC 2033) is the same with LHLO for EHLO, and with one reply per recipient behind the end
//! of data. Those are owed: `feed` gives them a portion at a time, as the caller sends them.
//!
//! Hot path, per plain transaction of MAIL, RCPT, DATA: three memchr for LF, three parses of a
//! borrowed line, about nine short copies into a pooled envelope buffer, four copies of static
//! replies. No allocation, no formatting but the message's name, no clock.

mod off_grammar;

pub use super::desk::Desk;
use super::deviation::{Deviation, Deviations};
use super::envelope::{self, Client, Envelope, FIELD_HEADER_BYTES, Tag};
use super::grammar::{self, Command};
use super::limits::Policy;
use super::moment::{Moment, Outcome};
use super::param::{Body, MailParameters, RcptParameters};
use super::path::Path;
use super::reply::{self, Reply};
use super::tally::Verb;
use std::sync::Arc;

/// What the session wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every whole command in the input was consumed; the rest (shorter than a command line may
    /// be) must be offered again with more behind it.
    NeedInput,
    /// Replies have grown beyond `REPLIES_BYTES_PAUSE`: send them, then feed the rest.
    Drain,
    /// DATA was accepted and 354 is in the replies: what follows is mail data for `EndOfData`.
    /// End with `accept` or `refuse`, then feed what follows.
    Data,
    /// The next `bytes` octets belong to the payload. When they are here: `chunk_received` if it
    /// was not the last, else `accept` or `refuse`. May be 0 octets. `first`: a payload begins,
    /// whatever chunks came before belong to a transaction that was reset.
    Chunk { bytes: u64, last: bool, first: bool },
    /// The next `bytes` octets are to be read and thrown away, then `chunk_received`
    /// (which gives the reply that was latched). May be 0 octets.
    DiscardChunk { bytes: u64 },
    /// The client has named a moment: take it out of `Desk::moment`, then `moment_answered`.
    Moment,
    /// The command that ends here was accepted although it breaks these rules. Feed what follows.
    Tolerated(Deviations),
    /// Send the replies, then close. Given again, whatever is fed, once the session is over: so it
    /// is seen at the next `feed` when `accept`, `refuse` or `chunk_received` ended the session.
    Close,
}

/// Replies in `Desk::replies` beyond which `feed` pauses.
pub const REPLIES_BYTES_PAUSE: usize = 16 * 1024;

/// Octets by which deviations may take an envelope beyond its bounds: a field for each kind.
pub const DEVIATION_BYTES_MAX: usize = Deviation::ALL.len() * (FIELD_HEADER_BYTES + 1);

/// Proof that a message is committed, by which it is named in the reply.
pub trait Receipt {
    /// Appends the message's name, for example `17:3`.
    fn write_name(&self, out: &mut Vec<u8>);
}

/// Why mail data that arrived whole is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 552 5.3.4
    TooLarge,
    /// 452 4.3.1: no room in the log now.
    NoStorage,
    /// 451 4.3.0: storage failed under this message.
    StorageFailed,
    /// 421 4.3.2: stopping; the session closes.
    Stopping,
}

/// Why the server ends a session by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// 421 4.4.2 nothing came for too long
    Timeout,
    /// 421 4.3.2 shutting down
    Stopping,
    /// 421 4.7.0 too many connections (in all / from this address), given instead of a greeting
    TooManyConnections,
    TooManyFromAddress,
    /// 421 4.3.1 this worker's buffers are full and this transfer stalled the longest
    OutOfBuffers,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Before EHLO or HELO.
    Greeted,
    /// No transaction.
    Ready,
    /// MAIL accepted, no recipient yet.
    Mail,
    /// At least one recipient accepted.
    Rcpt,
    /// Mail data is being received.
    Data,
    /// A chunk is being received.
    Chunk { last: bool },
    /// Between two chunks of a message.
    Chunks,
    /// Nothing is read any more.
    Closed,
}

/// What is left to skip of a command line that grew too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    Line,
    /// The verb is BDAT: behind the line comes payload of unknown length.
    BdatLine,
}

/// The same reply, owed once for each recipient.
#[derive(Debug)]
struct Owed {
    line: Vec<u8>,
    left: u32,
}

/// How a client said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    Helo,
    Ehlo,
    Lhlo,
}

/// One SMTP session, from the greeting to its close. Idle it owns its client's name and nothing
/// else.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    client: Client,
    /// The argument of EHLO or HELO.
    name: Box<[u8]>,
    /// Empty outside a transaction.
    envelope: Envelope,
    /// The reply to a chunk that is being discarded, and how often it is given.
    latched: Option<(&'static Reply, u32)>,
    /// Replies to the end of data that have not been appended yet.
    owed: Option<Box<Owed>>,
    /// Octets of the chunks of this transaction, the one under way included.
    chunk_bytes: u64,
    /// Forward-paths of this transaction.
    recipients: u32,
    /// Accepted messages.
    messages: u32,
    /// 5xx replies given.
    errors: u32,
    state: State,
    skip: Skip,
    /// The last greeting.
    hello: Hello,
    /// Rules that the last greeting broke.
    hello_deviations: Deviations,
    /// Rules that this transaction broke: those that are in its envelope.
    noted: Deviations,
    /// This transaction's MAIL said SMTPUTF8.
    smtputf8: bool,
    /// This transaction's MAIL said BODY=BINARYMIME.
    binary: bool,
    /// A RCPT of this transaction was refused.
    rcpt_refused: bool,
}

impl Session {
    /// A session that has said nothing yet. Allocates nothing.
    pub fn new(client: Client, policy: Arc<Policy>) -> Session {
        Session {
            policy,
            client,
            name: Box::default(),
            envelope: Envelope::default(),
            latched: None,
            owed: None,
            chunk_bytes: 0,
            recipients: 0,
            messages: 0,
            errors: 0,
            state: State::Greeted,
            skip: Skip::Nothing,
            hello: Hello::Helo,
            hello_deviations: Deviations::NONE,
            noted: Deviations::NONE,
            smtputf8: false,
            binary: false,
            rcpt_refused: false,
        }
    }

    /// Appends the 220 greeting (RFC 5321 3.1).
    pub fn greet(&mut self, desk: &mut Desk) {
        desk.replies.extend_from_slice(self.policy.greeting());
        desk.tally.greeting();
    }

    /// Consumes commands; returns how many octets were consumed and what is wanted next.
    /// Never looks beyond the octet at which a step other than `NeedInput` ends.
    ///
    /// Costs one scan per command line; a line that arrives in pieces is scanned anew with each
    /// piece, at most `command_line_bytes_max` octets.
    pub fn feed(&mut self, input: &[u8], desk: &mut Desk) -> (usize, Step) {
        let mut consumed = 0;
        loop {
            if self.owed.is_some() && !self.pay(desk) {
                return (consumed, Step::Drain);
            }
            if self.state == State::Closed {
                return (consumed, Step::Close);
            }
            assert!(
                self.takes_commands(),
                "fed commands while payload is wanted: {:?}",
                self.state
            );
            let rest = &input[consumed..];
            if self.skip != Skip::Nothing {
                let (skipped, ended) = skip_line(rest);
                consumed += skipped;
                if !ended {
                    return (consumed, Step::NeedInput);
                }
                self.line_skipped(desk);
                continue;
            }
            let line_bytes_max = self.policy.limits.command_line_bytes_max;
            let Some(line_bytes) = find_line(&rest[..rest.len().min(line_bytes_max)]) else {
                if rest.len() < line_bytes_max {
                    return (consumed, Step::NeedInput);
                }
                self.skip = if grammar::is_bdat(rest) { Skip::BdatLine } else { Skip::Line };
                continue;
            };
            if desk.replies.len() > REPLIES_BYTES_PAUSE {
                return (consumed, Step::Drain);
            }
            consumed += line_bytes;
            if let Some(step) = self.command(&rest[..line_bytes - 2], desk) {
                return (consumed, step);
            }
        }
    }

    /// The envelope of the transaction whose payload is wanted; empty outside one.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// A chunk that was not the last, or a discarded one, is here in full.
    pub fn chunk_received(&mut self, desk: &mut Desk) {
        if let Some((latched, times)) = self.latched.take() {
            return self.reply_to_each(times, latched, desk);
        }
        assert_eq!(self.state, State::Chunk { last: false }, "chunk_received without such a chunk");
        self.state = State::Chunks;
        self.reply(&reply::CHUNK_OK, desk);
    }

    /// What became of the moment that was named.
    pub fn moment_answered(&mut self, moment: &Moment, outcome: Outcome, desk: &mut Desk) {
        self.reply(moment.reply(outcome), desk);
    }

    /// The payload is whole and committed: 250 naming it. Ends the transaction.
    pub fn accept<R: Receipt>(&mut self, receipt: &R, desk: &mut Desk) {
        let is_whole = matches!(self.state, State::Data | State::Chunk { last: true });
        assert!(is_whole, "accept without a whole payload: {:?}", self.state);
        let recipients = self.recipients;
        self.end_transaction(desk);
        self.messages = self.messages.saturating_add(1);
        let is_lmtp = self.policy.is_lmtp();
        let prefix = if is_lmtp { reply::DELIVERED_PREFIX } else { reply::ACCEPTED_PREFIX };
        let from = desk.replies.len();
        desk.replies.extend_from_slice(prefix);
        receipt.write_name(&mut desk.replies);
        desk.replies.extend_from_slice(b"\r\n");
        desk.tally.accepted(is_lmtp, if is_lmtp { recipients.max(1) } else { 1 });
        if is_lmtp && recipients > 1 {
            self.repeat(from, recipients - 1, desk);
        }
    }

    /// The payload is whole (or, for a chunk, read and thrown away) and not kept. Ends the
    /// transaction.
    pub fn refuse(&mut self, refusal: Refusal, desk: &mut Desk) {
        let wants_payload = matches!(self.state, State::Data | State::Chunk { .. });
        assert!(wants_payload, "refuse without a payload: {:?}", self.state);
        let times = match self.state {
            State::Chunk { last: false } => 1,
            _ => self.replies_due(),
        };
        self.end_transaction(desk);
        match refusal {
            Refusal::TooLarge => self.reply_to_each(times, &reply::TOO_LARGE, desk),
            Refusal::NoStorage => self.reply_to_each(times, &reply::NO_STORAGE, desk),
            Refusal::StorageFailed => self.reply_to_each(times, &reply::STORAGE_FAILED, desk),
            Refusal::Stopping => self.close(&reply::STOPPING, desk),
        }
    }

    /// Appends a 421 because of `why`; the caller sends and closes.
    pub fn farewell(&mut self, why: Farewell, desk: &mut Desk) {
        let reply = match why {
            Farewell::Timeout => &reply::TIMEOUT,
            Farewell::Stopping => &reply::STOPPING,
            Farewell::TooManyConnections => &reply::TOO_MANY_CONNECTIONS,
            Farewell::TooManyFromAddress => &reply::TOO_MANY_FROM_ADDRESS,
            Farewell::OutOfBuffers => &reply::OUT_OF_BUFFERS,
        };
        self.close(reply, desk);
    }

    /// Gives the transaction's buffer back; must be called before a session is dropped.
    pub fn abandon(&mut self, desk: &mut Desk) {
        self.clear_transaction(desk);
        self.latched = None;
        self.owed = None;
        self.state = State::Closed;
    }

    /// True while replies to the last message are still to come from `feed`: it must be called,
    /// with or without input, once those given have been sent.
    pub fn owes_replies(&self) -> bool {
        self.owed.is_some()
    }

    /// Forward-paths of the open transaction.
    pub fn recipients(&self) -> u32 {
        self.recipients
    }

    /// Accepted messages so far.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// 5xx replies so far.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// Where the session stands, for logs and time-outs by phase (RFC 5321 4.5.3.2).
    pub fn state(&self) -> State {
        self.state
    }

    /// True from the accepted MAIL until its final reply or reset (for the graceful stop).
    pub fn in_transaction(&self) -> bool {
        self.owed.is_some() || !matches!(self.state, State::Greeted | State::Ready | State::Closed)
    }

    fn takes_commands(&self) -> bool {
        !matches!(self.state, State::Data | State::Chunk { .. }) && self.latched.is_none()
    }

    /// Executes one command line; `None`: go on with the next.
    fn command(&mut self, line: &[u8], desk: &mut Desk) -> Option<Step> {
        if self.policy.is_lmtp() && grammar::is_smtp_hello(line) {
            desk.tally.command(Verb::Hello);
            self.reply(&reply::LHLO_NOT_EHLO, desk);
            return None;
        }
        match grammar::parse(line) {
            Ok(command) => {
                desk.tally.command(command.verb());
                self.execute(command, desk)
            }
            Err(error) => self.off_grammar(line, error, desk),
        }
    }

    fn execute(&mut self, command: Command<'_>, desk: &mut Desk) -> Option<Step> {
        match command {
            Command::Mail { path, parameters } => return self.mail(path, parameters, desk),
            Command::Rcpt { path, parameters } => {
                let answer = self.rcpt(path, parameters, desk);
                if answer != &reply::RCPT_OK {
                    return self.rcpt_fails(path, parameters, answer, desk);
                }
                self.reply(answer, desk);
            }
            Command::Data => return self.data(desk),
            Command::Bdat { bytes, last } => return Some(self.bdat(bytes, last, desk)),
            Command::Ehlo { name } => self.hello(name, Hello::Ehlo, desk),
            Command::Helo { name } => self.hello(name, Hello::Helo, desk),
            Command::Lhlo { .. } if !self.policy.is_lmtp() => {
                self.reply(&reply::NOT_IMPLEMENTED, desk);
            }
            Command::Lhlo { name } => self.hello(name, Hello::Lhlo, desk),
            Command::Rset => {
                self.reset(desk);
                self.reply(&reply::RESET_OK, desk);
            }
            Command::Noop { argument } => return self.noop(argument, desk),
            Command::Vrfy => self.reply(&reply::NOT_VERIFIED, desk),
            Command::Expn => self.reply(&reply::NO_LISTS, desk),
            Command::Help => {
                let help = if self.policy.is_lmtp() { &reply::LMTP_HELP } else { &reply::HELP };
                self.reply(help, desk);
            }
            Command::Quit => self.close(&reply::CLOSING, desk),
        }
        None
    }

    /// Nothing (RFC 5321 4.1.1.9), unless it is allowed to name a moment and does.
    fn noop(&mut self, argument: &[u8], desk: &mut Desk) -> Option<Step> {
        if self.policy.noop_marks {
            desk.moment = Moment::parse(argument);
        }
        if desk.moment.is_some() {
            return Some(Step::Moment);
        }
        self.reply(&reply::NOOP_OK, desk);
        None
    }

    /// EHLO, HELO, LHLO: as RSET, and a new name (RFC 5321 4.1.1.1, 4.1.4).
    fn hello(&mut self, name: &[u8], hello: Hello, desk: &mut Desk) {
        self.clear_transaction(desk);
        self.state = State::Ready;
        self.hello = hello;
        self.hello_deviations = Deviations::NONE;
        if *self.name != *name {
            self.name = name.into();
        }
        let policy = &self.policy;
        let is_helo = hello == Hello::Helo;
        let reply = if is_helo { policy.helo_reply() } else { policy.ehlo_reply() };
        desk.replies.extend_from_slice(reply);
        desk.tally.hello();
    }

    fn mail(
        &mut self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        desk: &mut Desk,
    ) -> Option<Step> {
        if let Some(refusal) = self.why_no_mail(path, parameters) {
            return self.mail_fails(path, parameters, refusal, desk);
        }
        if self.policy.limits.messages_max.is_some_and(|max| self.messages >= max) {
            self.close(&reply::TOO_MANY_MESSAGES, desk);
            return None;
        }
        if !self.open_envelope(path, parameters, desk) {
            self.reply(&reply::ENVELOPE_STORAGE, desk);
            return None;
        }
        self.state = State::Mail;
        self.smtputf8 = parameters.smtputf8;
        self.binary = parameters.body == Some(Body::BinaryMime);
        if !self.hello_deviations.is_empty() {
            self.note(self.hello_deviations, desk);
        }
        self.reply(&reply::MAIL_OK, desk);
        None
    }

    fn why_no_mail(
        &self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
    ) -> Option<&'static Reply> {
        match self.state {
            State::Greeted => Some(self.hello_first()),
            State::Ready if path.utf8 && !parameters.smtputf8 => Some(&reply::UTF8_NOT_DECLARED),
            State::Ready if parameters.size > Some(self.policy.limits.message_bytes_max) => {
                Some(&reply::TOO_LARGE)
            }
            State::Ready => None,
            _ => Some(&reply::MAIL_NESTED),
        }
    }

    /// Writes the fields up to the MAIL parameters; false if the desk has no room for them.
    fn open_envelope(
        &mut self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        desk: &mut Desk,
    ) -> bool {
        let (client, client_bytes) = envelope::encode_client(self.client);
        let protocol: &[u8] = match self.hello {
            Hello::Helo => b"SMTP",
            Hello::Ehlo => b"ESMTP",
            Hello::Lhlo => b"LMTP",
        };
        let fields: [(Tag, &[u8]); 7] = [
            (Tag::Version, &[envelope::VERSION]),
            (Tag::Client, &client[..client_bytes]),
            (Tag::Listener, self.policy.listener.as_bytes()),
            (Tag::Name, &self.name),
            (Tag::Protocol, protocol),
            (Tag::ReversePath, path.mailbox),
            (Tag::MailParameters, parameters.text),
        ];
        let fields = if parameters.text.is_empty() { &fields[..6] } else { &fields[..] };
        let bytes = fields.iter().map(|(_, value)| FIELD_HEADER_BYTES + value.len()).sum();
        if !desk.make_room(&mut self.envelope.bytes, bytes) {
            return false;
        }
        for (tag, value) in fields {
            self.envelope.push(*tag, value);
        }
        self.envelope.declared_size = parameters.size;
        true
    }

    fn rcpt(
        &mut self,
        path: Path<'_>,
        parameters: RcptParameters<'_>,
        desk: &mut Desk,
    ) -> &'static Reply {
        match self.state {
            State::Mail | State::Rcpt => {}
            State::Chunks => return &reply::CHUNKS_BEGUN,
            State::Greeted => return self.hello_first(),
            _ => return &reply::MAIL_FIRST,
        }
        if (path.utf8 || parameters.utf8) && !self.smtputf8 {
            return &reply::UTF8_NOT_DECLARED;
        }
        let limits = &self.policy.limits;
        let parameters_bytes = match parameters.text.len() {
            0 => 0,
            bytes => FIELD_HEADER_BYTES + bytes,
        };
        let bytes = FIELD_HEADER_BYTES + path.mailbox.len() + parameters_bytes;
        if self.recipients >= limits.recipients_max
            || self.envelope.bytes.len() + bytes > limits.envelope_bytes_max
        {
            return &reply::TOO_MANY_RECIPIENTS;
        }
        if !desk.make_room(&mut self.envelope.bytes, bytes) {
            return &reply::ENVELOPE_STORAGE;
        }
        self.envelope.push(Tag::ForwardPath, path.mailbox);
        if !parameters.text.is_empty() {
            self.envelope.push(Tag::RcptParameters, parameters.text);
        }
        self.recipients += 1;
        self.state = State::Rcpt;
        &reply::RCPT_OK
    }

    fn data(&mut self, desk: &mut Desk) -> Option<Step> {
        let answer = match self.state {
            State::Rcpt if self.binary => &reply::BINARY_NEEDS_BDAT,
            State::Rcpt => &reply::START_DATA,
            State::Chunks => &reply::CHUNKS_BEGUN,
            _ => self.why_no_payload(),
        };
        self.reply(answer, desk);
        if answer != &reply::START_DATA {
            return None;
        }
        self.state = State::Data;
        Some(Step::Data)
    }

    /// The payload of a chunk follows its line whatever the reply will be, so a refused chunk is
    /// discarded before it is answered (RFC 3030 2).
    fn bdat(&mut self, bytes: u64, last: bool, desk: &mut Desk) -> Step {
        if !matches!(self.state, State::Rcpt | State::Chunks) {
            let answer = match self.why_no_payload() {
                reply if reply == &reply::MAIL_FIRST => &reply::CHUNK_OUT_OF_SEQUENCE,
                reply => reply,
            };
            return self.discard(bytes, answer);
        }
        let total = self.chunk_bytes.saturating_add(bytes);
        if total > self.policy.limits.message_bytes_max {
            let times = if last { self.replies_due() } else { 1 };
            self.end_transaction(desk);
            self.latched = Some((&reply::TOO_LARGE, times));
            return Step::DiscardChunk { bytes };
        }
        let first = self.state == State::Rcpt;
        self.chunk_bytes = total;
        self.state = State::Chunk { last };
        Step::Chunk { bytes, last, first }
    }

    /// Why DATA or BDAT is out of sequence (RFC 5321 4.1.1.4).
    fn why_no_payload(&self) -> &'static Reply {
        match self.state {
            State::Greeted => self.hello_first(),
            // LMTP has 503 alone here (RFC 2033 4.2).
            State::Mail if self.rcpt_refused && !self.policy.is_lmtp() => {
                &reply::NO_VALID_RECIPIENTS
            }
            State::Mail => &reply::RCPT_FIRST,
            _ => &reply::MAIL_FIRST,
        }
    }

    fn hello_first(&self) -> &'static Reply {
        if self.policy.is_lmtp() { &reply::LHLO_FIRST } else { &reply::EHLO_FIRST }
    }

    /// Replies to the end of data: LMTP has one per accepted recipient (RFC 2033 4.2).
    fn replies_due(&self) -> u32 {
        if self.policy.is_lmtp() { self.recipients.max(1) } else { 1 }
    }

    /// The same reply `times` times; it counts as one error.
    fn reply_to_each(&mut self, times: u32, reply: &'static Reply, desk: &mut Desk) {
        let from = desk.replies.len();
        self.reply(reply, desk);
        if times > 1 && self.state != State::Closed {
            desk.tally.reply(reply, times - 1);
            self.repeat(from, times - 1, desk);
        }
    }

    /// Appends the reply that begins at `from`, the last one, `times` times more; what the replies
    /// may not grow by now is owed.
    fn repeat(&mut self, from: usize, times: u32, desk: &mut Desk) {
        let to = desk.replies.len();
        for given in 0..times {
            if desk.replies.len() > REPLIES_BYTES_PAUSE {
                let line = desk.replies[from..to].to_vec();
                self.owed = Some(Box::new(Owed { line, left: times - given }));
                return;
            }
            desk.replies.extend_from_within(from..to);
        }
    }

    /// Appends what is owed, as far as the replies may grow; false if more is left.
    fn pay(&mut self, desk: &mut Desk) -> bool {
        let Some(owed) = &mut self.owed else { return true };
        while owed.left > 0 {
            if desk.replies.len() > REPLIES_BYTES_PAUSE {
                return false;
            }
            desk.replies.extend_from_slice(&owed.line);
            owed.left -= 1;
        }
        self.owed = None;
        true
    }

    fn discard(&mut self, bytes: u64, answer: &'static Reply) -> Step {
        self.latched = Some((answer, 1));
        Step::DiscardChunk { bytes }
    }

    fn line_skipped(&mut self, desk: &mut Desk) {
        let skip = std::mem::replace(&mut self.skip, Skip::Nothing);
        match skip {
            Skip::BdatLine => self.close(&reply::CHUNK_SIZE_LOST, desk),
            _ => self.reply(&reply::LINE_TOO_LONG, desk),
        }
    }

    /// Appends a reply; in place of one 5xx too many comes 421 and the end.
    fn reply(&mut self, reply: &'static Reply, desk: &mut Desk) {
        if reply.is_permanent() {
            self.errors = self.errors.saturating_add(1);
            if self.policy.limits.errors_max.is_some_and(|max| self.errors > max) {
                return self.close(&reply::TOO_MANY_ERRORS, desk);
            }
        }
        reply.encode(&mut desk.replies);
        desk.tally.reply(reply, 1);
    }

    fn close(&mut self, reply: &'static Reply, desk: &mut Desk) {
        reply.encode(&mut desk.replies);
        desk.tally.reply(reply, 1);
        self.abandon(desk);
    }

    /// RSET: before EHLO there is nothing to reset (RFC 5321 4.1.1.5).
    fn reset(&mut self, desk: &mut Desk) {
        if self.state != State::Greeted {
            self.end_transaction(desk);
        }
    }

    fn end_transaction(&mut self, desk: &mut Desk) {
        self.clear_transaction(desk);
        self.state = State::Ready;
    }

    fn clear_transaction(&mut self, desk: &mut Desk) {
        desk.take_back(&mut self.envelope.bytes);
        desk.transactions_ended = desk.transactions_ended.wrapping_add(1);
        self.envelope.declared_size = None;
        self.chunk_bytes = 0;
        self.recipients = 0;
        self.noted = Deviations::NONE;
        self.smtputf8 = false;
        self.binary = false;
        self.rcpt_refused = false;
    }
}

/// Octets of the first line of `text`, CRLF included. A lone LF ends no command (RFC 5321 2.3.8).
fn find_line(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let feed = from + memchr::memchr(b'\n', &text[from..])?;
        if text[..feed].ends_with(b"\r") {
            return Some(feed + 1);
        }
        from = feed + 1;
    }
}

/// Octets to skip of a line that grew too long, and whether its CRLF was among them. A CR at the
/// end of `text` stays: it may be half of one.
fn skip_line(text: &[u8]) -> (usize, bool) {
    match find_line(text) {
        Some(bytes) => (bytes, true),
        None => (text.len() - usize::from(text.ends_with(b"\r")), false),
    }
}

#[cfg(test)]
mod tests;
