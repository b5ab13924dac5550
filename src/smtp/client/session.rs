//! The client session: replies in, commands and payload out.
//!
//! ```text
//! Opening ─▶ Ready ⇄ (MAIL ─▶ RCPT… ─▶ DATA ─▶ 354 ─▶ content, or BDAT LAST) ─▶ Quit
//! ```
//!
//! All output goes through one queue, and every expected reply has its position in it. So each
//! reply is matched to its command, and a reply that arrives before its command was written is
//! detected. Only the newest transaction still has commands to write; earlier ones wait for
//! replies.
//!
//! Invariants: the output and the outcome of each message depend only on the server's octets, never
//! on how they were cut into reads. Only the reply line being read is held in memory.
use std::collections::VecDeque;
use std::io::IoSlice;

use super::ambiguous::has_ambiguous_dot;
use super::announced::Announced;
use super::code::ReplyCode;
use super::mail::OutgoingMail;
use super::opening::{OpeningStep, SessionOpening};
use super::options::Options;
use super::outbox::Outbox;
use super::reply::{ReplyLine, ReplyReader};
use super::transaction::{ClientTransaction, ContentCommand, MailReply, NextCommand};
use super::watch::{Done, Phase, SessionEnd, SessionFault, SessionWatch, Withheld};
use crate::smtp::limits::Protocol;

/// Number of unwritten command octets above which no more commands are queued.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A reply that is expected.
#[derive(Debug, Clone, Copy)]
struct ExpectedReply {
    phase: Phase,
    /// Position in the output after its command.
    end: u64,
    /// When the command was written, in µs.
    written_us: u64,
}

#[derive(Debug, Clone, Copy)]
enum SessionStage {
    /// From the greeting to the reply to the last command of [`SessionOpening`].
    Opening,
    /// The server accepted STARTTLS: nothing is read or written until the handshake is done.
    Handshake,
    /// Messages can be sent.
    Ready,
    /// No message is started. QUIT is queued once the messages in progress are done.
    Quitting,
    /// The server answered QUIT, or the caller lost the connection.
    Closed,
    /// The session can't continue.
    Failed(SessionFailure),
}

/// How a session failed.
#[derive(Debug, Clone, Copy)]
struct SessionFailure {
    fault: SessionFault,
    /// The reply code that refused the opening. It stays if the fault is that the code was 421.
    refusal: Option<ReplyCode>,
    /// Whether the session had been opened before.
    was_open: bool,
}

/// One client session. `T` is the caller's identifier for a message.
#[derive(Debug)]
pub struct ClientSession<T> {
    options: Options,
    stage: SessionStage,
    reader: ReplyReader,
    opening: SessionOpening,
    outbox: Outbox,
    expected: VecDeque<ExpectedReply>,
    /// Number of expected replies whose commands were written.
    stamped: usize,
    transactions: VecDeque<ClientTransaction<T>>,
    /// A transaction failed, and the server has not discarded it yet.
    needs_reset: bool,
    /// A chunk failed: the server will refuse MAIL until RSET is answered.
    is_poisoned: bool,
    /// Number of messages started; counts against MAILMAX.
    started: u64,
    /// A message was accepted for at least one recipient.
    has_accepted: bool,
    /// The server replied 421.
    is_closing: bool,
    /// Buffers of messages that are done, for [`ClientTransaction::codes`].
    spare: Vec<Vec<Option<ReplyCode>>>,
}

impl<T: Copy> ClientSession<T> {
    /// Creates a session on a connection opened at `now_us`. For a connection that is still being
    /// opened, see `connected`.
    pub fn new(options: Options, now_us: u64) -> ClientSession<T> {
        assert!(options.depth > 0, "some message must be under way");
        let mut session = ClientSession {
            options,
            stage: SessionStage::Opening,
            reader: ReplyReader::default(),
            opening: SessionOpening::default(),
            outbox: Outbox::default(),
            expected: VecDeque::new(),
            stamped: 1,
            transactions: VecDeque::new(),
            needs_reset: false,
            is_poisoned: false,
            started: 0,
            has_accepted: false,
            is_closing: false,
            spare: Vec::new(),
        };
        let greeting = ExpectedReply { phase: Phase::Greeting, end: 0, written_us: now_us };
        session.expected.push_back(greeting);
        session
    }

    /// Sets the time at which the connection was opened.
    pub fn connected(&mut self, now_us: u64) {
        if let Some(ExpectedReply { phase: Phase::Greeting, written_us, .. }) =
            self.expected.front_mut()
        {
            *written_us = now_us;
        }
    }

    /// Returns whether another message can be started now.
    pub fn can_start(&self) -> bool {
        let depth = if self.pipelines() { self.options.depth } else { 1 };
        matches!(self.stage, SessionStage::Ready)
            && !self.is_exhausted()
            && self.transactions.len() < depth
            && self.transactions.back().is_none_or(|last| last.next_command == NextCommand::Nothing)
    }

    /// Returns whether the server accepts no further transaction in this session (MAILMAX of RFC
    /// 9422).
    pub fn is_exhausted(&self) -> bool {
        self.opening.announced.mail_max.is_some_and(|max| self.started >= max)
    }

    /// Takes the output buffer `room`, if the session has none. Sessions that write one after the
    /// other can share a buffer.
    pub fn lend(&mut self, room: &mut Vec<u8>) {
        self.outbox.lend(room);
    }

    /// Returns the output buffer to `room`, if it is empty.
    pub fn return_buffer(&mut self, room: &mut Vec<u8>) {
        self.outbox.return_buffer(room);
    }

    /// Starts sending a message with at least one recipient; `can_start` must have returned true.
    pub fn start(
        &mut self,
        cookie: T,
        mut mail: Box<OutgoingMail>,
        now_us: u64,
        watch: &mut impl SessionWatch<T>,
    ) {
        assert!(self.can_start(), "a message can be started");
        assert!(mail.recipients().len() > 0, "a message has a recipient");
        let content_command = self.prepare(&mut mail);
        let withheld = match content_command {
            ContentCommand::Bdat => self.withheld_from_bdat(&mail),
            ContentCommand::Data => self.withheld_from_data(&mail),
        };
        let is_ambiguous = withheld == Some(Withheld::AmbiguousDot);
        let mut codes = self.spare.pop().unwrap_or_default();
        codes.clear();
        codes.resize(mail.recipients().len(), None);
        let transaction = ClientTransaction {
            cookie,
            octets: mail.octets(),
            mail: Some(mail),
            content_command,
            started_us: now_us,
            next_command: NextCommand::Mail,
            pending: 0,
            codes,
            answered: 0,
            accepted: 0,
            mail_reply: MailReply::NotRefused,
            is_turned_away: false,
            is_ambiguous,
            end_of_data: None,
        };
        match withheld {
            Some(why) if !(is_ambiguous && self.options.sends_ambiguous) => {
                self.report_done(transaction, SessionEnd::Withheld(why), watch);
            }
            _ => {
                self.started += 1;
                self.transactions.push_back(transaction);
                self.advance(watch);
            }
        }
    }

    /// Chooses the command for the content, and converts the content to its form.
    fn prepare(&self, mail: &mut OutgoingMail) -> ContentCommand {
        let wants_chunk = self.options.chunking || mail.chunked || mail.is_binary();
        if self.opening.announced.chunking && wants_chunk {
            mail.unstuff();
            return ContentCommand::Bdat;
        }
        mail.stuff();
        // BDAT states the length of the content, so nothing can be misread.
        let is_safer = self.opening.announced.chunking && !self.options.sends_ambiguous;
        if is_safer && is_ambiguous(mail) {
            mail.unstuff();
            return ContentCommand::Bdat;
        }
        ContentCommand::Data
    }

    /// Returns why a message must not be sent to this server by BDAT.
    fn withheld_from_bdat(&self, mail: &OutgoingMail) -> Option<Withheld> {
        if mail.is_binary() && !self.opening.announced.binary_mime {
            return Some(Withheld::Binary);
        }
        (!self.opening.announced.smtputf8 && !mail.is_ascii()).then_some(Withheld::Utf8Address)
    }

    /// Returns why a message must not be sent to this server by DATA.
    fn withheld_from_data(&self, mail: &OutgoingMail) -> Option<Withheld> {
        if mail.is_binary() {
            return Some(Withheld::Binary);
        }
        self.withheld_from_bdat(mail).or(is_ambiguous(mail).then_some(Withheld::AmbiguousDot))
    }

    /// Ends the session with QUIT once the messages in progress are done. No message may be started
    /// after this.
    pub fn quit(&mut self) {
        if let SessionStage::Ready = self.stage {
            self.stage = SessionStage::Quitting;
            self.send_quit();
        }
    }

    /// Returns whether the session is over, so that the connection should be closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, SessionStage::Closed | SessionStage::Failed(_))
    }

    /// Returns why the session can't continue; `None` if it can, or if it ended with QUIT.
    pub fn fault(&self) -> Option<SessionFault> {
        match self.stage {
            SessionStage::Failed(failure) => Some(failure.fault),
            _ => None,
        }
    }

    /// Returns the reply code with which the server refused to open the session; `None` if it did
    /// not refuse, or if the session failed before the server's last reply was due.
    pub fn refusal(&self) -> Option<ReplyCode> {
        match self.stage {
            SessionStage::Failed(failure) => failure.refusal,
            _ => None,
        }
    }

    /// Returns whether the session was ever open for messages, even if it has ended since.
    pub fn is_open(&self) -> bool {
        match self.stage {
            SessionStage::Opening | SessionStage::Handshake => false,
            SessionStage::Ready | SessionStage::Quitting | SessionStage::Closed => true,
            SessionStage::Failed(failure) => failure.was_open,
        }
    }

    /// Ends the session because of `fault`. A later fault replaces an earlier one.
    fn fail(&mut self, fault: SessionFault) {
        let (refusal, was_open) = (self.refusal(), self.is_open());
        self.stage = SessionStage::Failed(SessionFailure { fault, refusal, was_open });
    }

    /// Ends the session because the opening failed.
    fn fail_opening(&mut self, fault: SessionFault) {
        let refusal = match fault {
            SessionFault::Refused { code, .. } => Some(code),
            _ => None,
        };
        self.stage = SessionStage::Failed(SessionFailure { fault, refusal, was_open: false });
    }

    /// Returns whether the TLS handshake should begin now: see [`ClientSession::secured`].
    pub fn wants_handshake(&self) -> bool {
        matches!(self.stage, SessionStage::Handshake)
    }

    /// Continues after the TLS handshake. The session starts over with EHLO and discards everything
    /// that the server announced before (RFC 3207 section 4.2).
    pub fn secured(&mut self) {
        assert!(self.wants_handshake(), "the session waits for a handshake");
        self.stage = SessionStage::Opening;
        let step = self.opening.secured(&self.options, &mut self.outbox);
        self.apply_opening_step(step);
    }

    /// Returns whether the session is ending or has ended.
    pub fn is_quitting(&self) -> bool {
        matches!(self.stage, SessionStage::Quitting | SessionStage::Closed)
    }

    /// Returns the number of messages in progress.
    pub fn in_progress(&self) -> usize {
        self.transactions.len()
    }

    /// Returns whether the session waits for the server or the network.
    pub fn waits(&self) -> bool {
        !self.expected.is_empty() || !self.outbox.is_empty()
    }

    /// Returns what the server announced.
    pub fn announced(&self) -> &Announced {
        &self.opening.announced
    }

    fn pipelines(&self) -> bool {
        self.options.pipelining && self.opening.announced.pipelining
    }

    /// Returns whether the session has output to write.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty() && !self.is_closed()
    }

    /// Fills `slices` with the output and returns how many are used. Copies nothing.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        if self.is_closed() {
            return 0;
        }
        self.outbox.slices(slices)
    }

    /// Records that `octets` octets of the slices were written.
    pub fn mark_written(&mut self, octets: usize, now_us: u64, watch: &mut impl SessionWatch<T>) {
        self.outbox.mark_written(octets, |mail| watch.release(mail));
        let written = self.outbox.written();
        while let Some(expected) = self.expected.get_mut(self.stamped)
            && expected.end <= written
        {
            expected.written_us = now_us;
            self.stamped += 1;
        }
        self.advance(watch);
    }

    /// Processes all of `input`, which the server sent, and reports events to `watch`. Call
    /// `slices` for the resulting output.
    pub fn feed(&mut self, input: &[u8], now_us: u64, watch: &mut impl SessionWatch<T>) {
        let mut reader = std::mem::take(&mut self.reader);
        let mut rest = input;
        while !rest.is_empty() && !self.is_closed() {
            let (taken, line) = reader.next(rest);
            rest = &rest[taken..];
            match line {
                // Octets that arrive before the handshake are not protected.
                _ if self.wants_handshake() => self.fail(SessionFault::PlainAfterStartTls),
                None => {}
                Some(Ok(line)) => self.line(line, now_us, watch),
                Some(Err(error)) => self.fail(error.into()),
            }
        }
        self.reader = reader;
        self.advance(watch);
    }

    /// Ends all messages in progress, because the connection was lost or is given up.
    pub fn lost(&mut self, watch: &mut impl SessionWatch<T>) {
        if !self.is_closed() {
            self.stage = SessionStage::Closed;
        }
        self.outbox.give_up(|mail| watch.release(mail));
        while let Some(transaction) = self.transactions.pop_front() {
            let is_out = |end: u64| end <= self.outbox.written();
            let end = match transaction.end_of_data {
                _ if transaction.is_decided() => transaction.end(),
                Some(end) if is_out(end) => SessionEnd::Unknown,
                _ => SessionEnd::NotSent,
            };
            self.report_done(transaction, end, watch);
        }
    }

    fn report_done(
        &mut self,
        transaction: ClientTransaction<T>,
        end: SessionEnd,
        watch: &mut impl SessionWatch<T>,
    ) {
        let ClientTransaction { cookie, octets, mail, codes, started_us, is_ambiguous, .. } =
            transaction;
        if let Some(mail) = mail {
            watch.release(mail);
        }
        let is_lost = self.is_closing && end == SessionEnd::NotSent;
        let is_turned_away = self.has_accepted && (is_lost || transaction.is_turned_away);
        self.has_accepted |=
            end == SessionEnd::Answered && codes.iter().flatten().any(|code| code.is_positive());
        let codes_of = &codes;
        watch.done(Done {
            cookie,
            octets,
            codes: codes_of,
            end,
            started_us,
            is_turned_away,
            is_ambiguous: is_ambiguous && !matches!(end, SessionEnd::Withheld(_)),
        });
        self.spare.push(codes);
    }

    #[inline]
    fn line(&mut self, line: ReplyLine<'_>, now_us: u64, watch: &mut impl SessionWatch<T>) {
        if let SessionStage::Opening = self.stage {
            self.opening_line(&line);
        }
        if line.is_last {
            self.reply(line.code, line.text, now_us, watch);
        }
    }

    fn opening_line(&mut self, line: &ReplyLine<'_>) {
        if self.expected.front().is_some_and(|e| e.phase == Phase::Hello) {
            self.opening.hello_line(line);
        }
    }

    fn reply(
        &mut self,
        code: ReplyCode,
        text: &[u8],
        now_us: u64,
        watch: &mut impl SessionWatch<T>,
    ) {
        let Some(&ExpectedReply { phase, end, written_us }) = self.expected.front() else {
            self.is_closing |= code == ReplyCode::CLOSING;
            return self.fail(match code {
                ReplyCode::CLOSING => SessionFault::Closing,
                _ => SessionFault::Unsolicited { code },
            });
        };
        self.is_closing |= code == ReplyCode::CLOSING;
        let is_early = end > self.outbox.written();
        let shown = match phase {
            Phase::Auth => self.opening.shown(text, &self.options),
            _ => text,
        };
        let us = if is_early { 0 } else { now_us.saturating_sub(written_us) };
        watch.replied(phase, code, shown, us);
        if is_early && (phase != Phase::Payload || !code.is_refusal()) {
            // A server may send 421 at any time, even before the first command.
            return self.fail(match code {
                ReplyCode::CLOSING => SessionFault::Closing,
                _ => SessionFault::Early { phase, code },
            });
        }
        match phase {
            Phase::Greeting | Phase::Hello | Phase::StartTls | Phase::Auth => {
                self.answered();
                let reply = (phase, code);
                let step = self.opening.reply(reply, text, &self.options, &mut self.outbox);
                self.apply_opening_step(step);
            }
            // 530: the server requires TLS or AUTH first, so it has no open transaction.
            Phase::Reset if code.is_positive() || code.number() == 530 => {
                self.answered();
                self.is_poisoned = false;
            }
            Phase::Reset => self.fail(SessionFault::Refused { phase, code }),
            Phase::Quit if matches!(code.number(), 221 | 421) => self.stage = SessionStage::Closed,
            Phase::Quit => self.fail(SessionFault::Unexpected { phase, code }),
            _ => self.transaction_reply(phase, code, watch),
        }
        if is_early {
            // The server refused a command before its end was sent: how it will treat the rest is
            // unknown.
            self.fail(SessionFault::Early { phase, code });
        } else if code == ReplyCode::CLOSING && !matches!(self.stage, SessionStage::Closed) {
            self.fail(SessionFault::Closing);
        }
    }

    /// Removes the oldest expected reply, which has arrived.
    fn answered(&mut self) {
        self.expected.pop_front();
        self.stamped = self.stamped.saturating_sub(1);
    }

    fn expect(&mut self, phase: Phase) {
        let end = self.outbox.queued();
        self.expected.push_back(ExpectedReply { phase, end, written_us: 0 });
    }

    fn apply_opening_step(&mut self, step: OpeningStep) {
        match step {
            OpeningStep::Sent(phase) => self.expect(phase),
            OpeningStep::Handshake => self.stage = SessionStage::Handshake,
            OpeningStep::Done => self.stage = SessionStage::Ready,
            OpeningStep::Failed(fault) => self.fail_opening(fault),
        }
    }

    /// Handles a reply to the oldest transaction.
    fn transaction_reply(
        &mut self,
        phase: Phase,
        code: ReplyCode,
        watch: &mut impl SessionWatch<T>,
    ) {
        let is_understood = match phase {
            Phase::Data => code.number() == 354 || code.is_refusal(),
            _ => !code.is_intermediate(),
        };
        if !is_understood {
            return self.fail(SessionFault::Unexpected { phase, code });
        }
        self.front().is_turned_away |= code == ReplyCode::CLOSING && phase != Phase::Payload;
        match phase {
            Phase::Mail => self.mail_reply(code),
            Phase::Rcpt => self.rcpt_reply(code),
            Phase::Data => self.data_reply(code, watch),
            _ => {
                if !self.payload_reply(code) {
                    return;
                }
            }
        }
        self.answered();
        self.front().pending -= 1;
        let done = self.transactions.pop_front_if(|transaction| transaction.is_done());
        if let Some(transaction) = done {
            let end = transaction.end();
            self.report_done(transaction, end, watch);
        }
    }

    /// Returns the transaction that the next reply belongs to.
    fn front(&mut self) -> &mut ClientTransaction<T> {
        self.transactions.front_mut().expect("a reply to it was expected")
    }

    fn mail_reply(&mut self, code: ReplyCode) {
        let is_poisoned = self.is_poisoned;
        let transaction = self.front();
        if code.is_positive() {
            return;
        }
        transaction.mail_reply = match is_poisoned && code.number() == 503 {
            true => MailReply::FailedByEarlier,
            false => MailReply::Refused,
        };
        transaction.decide(code);
        if matches!(transaction.next_command, NextCommand::Rcpt(_) | NextCommand::Data) {
            transaction.next_command = NextCommand::Nothing;
        }
    }

    fn rcpt_reply(&mut self, code: ReplyCode) {
        let transaction = self.front();
        let at = transaction.answered;
        transaction.answered += 1;
        if code.is_positive() {
            transaction.accepted += 1;
        } else if transaction.mail_reply == MailReply::NotRefused {
            transaction.codes[at] = Some(code);
        }
        let all_refused =
            transaction.accepted == 0 && transaction.answered == transaction.codes.len();
        if all_refused
            && matches!(transaction.next_command, NextCommand::Rcpt(_) | NextCommand::Data)
        {
            transaction.next_command = NextCommand::Nothing;
            self.needs_reset = true;
        }
    }

    fn data_reply(&mut self, code: ReplyCode, watch: &mut impl SessionWatch<T>) {
        let transaction = self.transactions.front_mut().expect("a reply to it was expected");
        transaction.next_command = NextCommand::Nothing;
        if code.number() != 354 {
            self.needs_reset |= transaction.mail_reply == MailReply::NotRefused;
            transaction.decide(code);
            return;
        }
        // RFC 2920 section 3.1: without recipients, the client must still end the data.
        if transaction.accepted > 0
            && let Some(mail) = transaction.mail.take()
        {
            let release = |mail| watch.release(mail);
            self.outbox.content(mail, self.options.joined_bytes_max, release);
        }
        self.outbox.text(b".\r\n");
        transaction.pending += 1;
        transaction.end_of_data = Some(self.outbox.queued());
        self.expect(Phase::Payload);
    }

    /// Records a reply to a payload. Returns whether it was the last one.
    fn payload_reply(&mut self, code: ReplyCode) -> bool {
        let is_lmtp = self.options.protocol == Protocol::Lmtp;
        let has_others = self.transactions.len() > 1;
        let transaction = self.front();
        let is_chunk = transaction.content_command == ContentCommand::Bdat;
        match transaction.codes.iter_mut().find(|code| code.is_none()) {
            // RFC 2033 section 4.2: one reply per recipient.
            Some(owed) if is_lmtp => *owed = Some(code),
            _ => transaction.decide(code),
        }
        let is_last = transaction.is_decided();
        if is_chunk && is_last && code.is_refusal() {
            // RFC 3030 section 2: after a chunk failed, further commands are refused until RSET.
            self.needs_reset = true;
            self.is_poisoned |= has_others;
        }
        is_last
    }

    /// Queues the commands that can be sent now.
    fn advance(&mut self, watch: &mut impl SessionWatch<T>) {
        let pipelines = self.pipelines();
        while !self.is_closed()
            && (pipelines || self.expected.is_empty())
            && self.outbox.text_bytes() <= TEXT_BYTES_MAX
            && let Some(transaction) = self.transactions.back_mut()
        {
            let phase = if transaction.next_command == NextCommand::Mail && self.needs_reset {
                self.needs_reset = false;
                self.outbox.text(b"RSET\r\n");
                Some(Phase::Reset)
            } else {
                let release = |mail| watch.release(mail);
                transaction.write(&self.opening.announced, &self.options, &mut self.outbox, release)
            };
            let Some(phase) = phase else { return };
            self.expect(phase);
        }
        self.send_quit();
    }

    /// Queues QUIT once every transaction is done.
    fn send_quit(&mut self) {
        let is_done = self.transactions.is_empty() && self.expected.is_empty();
        if matches!(self.stage, SessionStage::Quitting) && is_done {
            self.outbox.text(b"QUIT\r\n");
            self.expect(Phase::Quit);
        }
    }
}

/// `mail` must be in the form for DATA.
fn is_ambiguous(mail: &OutgoingMail) -> bool {
    !mail.made_here && has_ambiguous_dot(&mail.head, &mail.body)
}
