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
use std::io::IoSlice;

use crate::time::MonotonicUs;

use super::announced::Announced;
use super::code::ReplyCode;
use super::content_command::ContentCommand;
use super::expected::{ExpectedReplies, ExpectedReply};
use super::mail::OutgoingMail;
use super::opening::{OpeningStep, SessionOpening};
use super::options::Options;
use super::outbox::Outbox;
use super::reply::{ReplyLine, ReplyReader};
use super::stage::SessionStage;
use super::transactions::{AfterReply, Transactions};
use super::watch::{Phase, SessionEnd, SessionFault, SessionWatch, Withheld};

/// Number of unwritten command octets above which no more commands are queued.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// One client session. `T` is the caller's identifier for a message.
#[derive(Debug)]
pub struct ClientSession<T> {
    options: Options,
    stage: SessionStage,
    reader: ReplyReader,
    opening: SessionOpening,
    outbox: Outbox,
    expected: ExpectedReplies,
    transactions: Transactions<T>,
    /// Number of messages started; counts against MAILMAX.
    started: u64,
}

impl<T: Copy> ClientSession<T> {
    /// Creates a session on a connection opened at `now_us`. For a connection that is still being
    /// opened, see `connected`.
    pub fn new(options: Options, now_us: MonotonicUs) -> ClientSession<T> {
        assert!(options.depth > 0, "some message must be under way");
        ClientSession {
            options,
            stage: SessionStage::Opening,
            reader: ReplyReader::default(),
            opening: SessionOpening::default(),
            outbox: Outbox::default(),
            expected: ExpectedReplies::greeting(now_us),
            transactions: Transactions::new(),
            started: 0,
        }
    }

    /// Sets the time at which the connection was opened.
    pub fn connected(&mut self, now_us: MonotonicUs) {
        self.expected.connected(now_us);
    }

    /// Returns whether another message can be started now.
    pub fn can_start(&self) -> bool {
        let depth = if self.pipelines() { self.options.depth } else { 1 };
        matches!(self.stage, SessionStage::Ready)
            && !self.is_exhausted()
            && self.transactions.len() < depth
            && self.transactions.are_queued()
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

    /// Returns the output buffer to `room`, if no octets wait in it.
    pub fn return_buffer(&mut self, room: &mut Vec<u8>) {
        self.outbox.return_buffer(room);
    }

    /// Starts sending a message with at least one recipient; `can_start` must have returned true.
    pub fn start(
        &mut self,
        cookie: T,
        mut mail: Box<OutgoingMail>,
        now_us: MonotonicUs,
        watch: &mut impl SessionWatch<T>,
    ) {
        assert!(self.can_start(), "a message can be started");
        assert!(mail.recipients().len() > 0, "a message has a recipient");
        let announced = &self.opening.announced;
        let content_command = ContentCommand::choose(&mut mail, announced, &self.options);
        let withheld = content_command.withheld(&mail, announced);
        let is_ambiguous = withheld == Some(Withheld::AmbiguousDot);
        let mut transaction = self.transactions.prepare(cookie, mail, content_command, now_us);
        transaction.is_ambiguous = is_ambiguous;
        match withheld {
            Some(why) if !(is_ambiguous && self.options.sends_ambiguous) => {
                self.transactions.report_done(transaction, SessionEnd::Withheld(why), watch);
            }
            _ => {
                self.started += 1;
                self.transactions.begin(transaction);
                self.advance(watch);
            }
        }
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
        self.stage.is_closed()
    }

    /// Returns why the session can't continue; `None` if it can, or if it ended with QUIT.
    pub fn fault(&self) -> Option<SessionFault> {
        self.stage.fault()
    }

    /// Returns the reply code with which the server refused to open the session; `None` if it did
    /// not refuse, or if the refusal arrived before the command that it answers was written.
    pub fn refusal(&self) -> Option<ReplyCode> {
        self.stage.refusal()
    }

    /// Returns whether the session was ever open for messages, even if it has ended since.
    pub fn is_open(&self) -> bool {
        self.stage.was_opened()
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

    /// Returns whether the session is ending or has ended, other than by a fault.
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
    pub fn mark_written(
        &mut self,
        octets: usize,
        now_us: MonotonicUs,
        watch: &mut impl SessionWatch<T>,
    ) {
        self.outbox.mark_written(octets, |mail| watch.release(mail));
        self.expected.mark_written(self.outbox.written(), now_us);
        self.advance(watch);
    }

    /// Processes all of `input`, which the server sent, and reports events to `watch`. Call
    /// `slices` for the resulting output.
    pub fn feed(&mut self, input: &[u8], now_us: MonotonicUs, watch: &mut impl SessionWatch<T>) {
        let mut reader = std::mem::take(&mut self.reader);
        let mut rest = input;
        while !rest.is_empty() && !self.is_closed() {
            let (taken, line) = reader.next(rest);
            rest = &rest[taken..];
            match line {
                // Octets that arrive before the handshake are not protected.
                _ if self.wants_handshake() => self.stage.fail(SessionFault::PlainAfterStartTls),
                None => {}
                Some(Ok(line)) => self.line(line, now_us, watch),
                Some(Err(error)) => self.stage.fail(error.into()),
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
        self.transactions.lost(self.outbox.written(), watch);
    }

    #[inline]
    fn line(&mut self, line: ReplyLine<'_>, now_us: MonotonicUs, watch: &mut impl SessionWatch<T>) {
        if let SessionStage::Opening = self.stage {
            self.opening_line(&line);
        }
        if line.is_last {
            self.reply(line.code, line.text, now_us, watch);
        }
    }

    fn opening_line(&mut self, line: &ReplyLine<'_>) {
        if self.expected.next().is_some_and(|reply| reply.phase == Phase::Hello) {
            self.opening.hello_line(line);
        }
    }

    fn reply(
        &mut self,
        code: ReplyCode,
        text: &[u8],
        now_us: MonotonicUs,
        watch: &mut impl SessionWatch<T>,
    ) {
        if code == ReplyCode::CLOSING {
            self.transactions.service_ended();
        }
        let Some(ExpectedReply { phase, written_us, .. }) = self.expected.next() else {
            return self.stage.fail(match code {
                ReplyCode::CLOSING => SessionFault::Closing,
                _ => SessionFault::Unsolicited { code },
            });
        };
        let is_early = written_us.is_none();
        let shown = match phase {
            Phase::Auth => self.opening.shown(text, &self.options),
            _ => text,
        };
        let us = written_us.map_or(0, |written_us| now_us.us_since(written_us));
        watch.replied(phase, code, shown, us);
        if is_early && (phase != Phase::Payload || !code.is_refusal()) {
            // A server may send 421 at any time, even before the first command.
            return self.stage.fail(match code {
                ReplyCode::CLOSING => SessionFault::Closing,
                _ => SessionFault::Early { phase, code },
            });
        }
        match phase {
            Phase::Greeting | Phase::Hello | Phase::StartTls | Phase::Auth => {
                self.expected.remove();
                let reply = (phase, code);
                let step = self.opening.reply(reply, text, &self.options, &mut self.outbox);
                self.apply_opening_step(step);
            }
            // 530: the server requires TLS or AUTH first, so it has no open transaction.
            Phase::Reset if code.is_positive() || code.number() == 530 => {
                self.expected.remove();
                self.transactions.reset_done();
            }
            Phase::Reset => self.stage.fail(SessionFault::Refused { phase, code }),
            Phase::Quit if matches!(code.number(), 221 | 421) => self.stage = SessionStage::Closed,
            Phase::Quit => self.stage.fail(SessionFault::Unexpected { phase, code }),
            _ => self.transaction_reply(phase, code, watch),
        }
        if is_early {
            // The server refused a command before its end was sent: how it will treat the rest is
            // unknown.
            self.stage.fail(SessionFault::Early { phase, code });
        } else if code == ReplyCode::CLOSING && !matches!(self.stage, SessionStage::Closed) {
            self.stage.fail(SessionFault::Closing);
        }
    }

    fn expect(&mut self, phase: Phase) {
        self.expected.add(phase, self.outbox.queued());
    }

    fn apply_opening_step(&mut self, step: OpeningStep) {
        match step {
            OpeningStep::Sent(phase) => self.expect(phase),
            OpeningStep::Handshake => self.stage = SessionStage::Handshake,
            OpeningStep::Done => self.stage = SessionStage::Ready,
            OpeningStep::Failed(fault) => self.stage.fail_opening(fault),
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
            return self.stage.fail(SessionFault::Unexpected { phase, code });
        }
        let (reply, outbox) = ((phase, code), &mut self.outbox);
        match self.transactions.reply(reply, &self.options, outbox, watch) {
            AfterReply::Answered => self.expected.remove(),
            AfterReply::Sent(phase) => {
                self.expected.remove();
                self.expect(phase);
            }
            AfterReply::MoreReplies => {}
        }
    }

    /// Queues the commands that can be sent now.
    fn advance(&mut self, watch: &mut impl SessionWatch<T>) {
        let pipelines = self.pipelines();
        while !self.is_closed()
            && (pipelines || self.expected.is_empty())
            && self.outbox.text_bytes() <= TEXT_BYTES_MAX
        {
            let (options, outbox) = (&self.options, &mut self.outbox);
            let phase = self.transactions.write(&self.opening.announced, options, outbox, watch);
            let Some(phase) = phase else { break };
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
