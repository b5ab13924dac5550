//! One transaction of a client session: what to write next, and what was answered.
use super::announced::Announced;
use super::code::ReplyCode;
use super::content_command::ContentCommand;
use super::mail::OutgoingMail;
use super::options::Options;
use super::outbox::Outbox;
use super::remnant::Remnant;
use super::watch::{Phase, SessionEnd};
use crate::smtp::limits::Protocol;
use crate::time::MonotonicUs;

/// The next part of a transaction to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextCommand {
    Mail,
    /// RCPT for the recipient at this index.
    Rcpt(usize),
    Data,
    /// The content, after 354.
    Content,
    Nothing,
}

/// The outcome of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailReply {
    /// The reply was positive, or has not come yet.
    NotRefused,
    Refused,
    /// The server refused MAIL because an earlier transaction failed.
    FailedByEarlier,
}

/// What the server wants after DATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterData {
    /// It waits for the content.
    Content,
    /// It has refused the message.
    Nothing,
}

/// Whether the server owes further replies to a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadReplies {
    /// One for each recipient that has none yet.
    MoreFollow,
    Complete,
}

/// A transaction in progress.
#[derive(Debug)]
pub(super) struct ClientTransaction<T> {
    pub cookie: T,
    /// The message, until its content is queued.
    pub mail: Option<Box<OutgoingMail>>,
    pub octets: u64,
    pub content_command: ContentCommand,
    pub started_us: MonotonicUs,
    pub next_command: NextCommand,
    /// Number of replies still expected.
    pub pending: usize,
    /// The code that decided about each recipient; `None` until then. A positive reply to RCPT
    /// decides nothing.
    pub codes: Vec<Option<ReplyCode>>,
    /// Number of RCPT commands answered so far; `accepted` counts the positive replies.
    pub answered: usize,
    pub accepted: usize,
    pub mail_reply: MailReply,
    /// The server answered MAIL, RCPT or DATA of this transaction with 421.
    pub is_turned_away: bool,
    /// Some servers may see an end of data within the content.
    pub is_ambiguous: bool,
    /// Position in the output after the end of data.
    pub end_of_data: Option<u64>,
}

impl<T> ClientTransaction<T> {
    /// Returns a transaction of which nothing was queued. `codes` has a `None` for each recipient.
    pub fn new(
        cookie: T,
        mail: Box<OutgoingMail>,
        content_command: ContentCommand,
        codes: Vec<Option<ReplyCode>>,
        now_us: MonotonicUs,
    ) -> ClientTransaction<T> {
        ClientTransaction {
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
            is_ambiguous: false,
            end_of_data: None,
        }
    }

    /// Returns whether all of it was queued, and every reply has arrived.
    pub fn is_done(&self) -> bool {
        self.pending == 0 && self.next_command == NextCommand::Nothing
    }

    /// Returns the outcome, once every reply has arrived.
    pub fn end(&self) -> SessionEnd {
        match self.mail_reply {
            MailReply::FailedByEarlier => SessionEnd::NotSent,
            MailReply::NotRefused | MailReply::Refused => SessionEnd::Answered,
        }
    }

    /// Queues the next command, and content that is sent with it. Returns which reply to expect.
    pub fn write(
        &mut self,
        announced: &Announced,
        options: &Options,
        outbox: &mut Outbox,
        release: impl FnOnce(Box<OutgoingMail>),
    ) -> Option<Phase> {
        let mail = self.mail.as_deref()?;
        let phase = match self.next_command {
            NextCommand::Mail => {
                outbox.compose(|out| write_mail(out, announced, mail, self.octets));
                self.next_command = NextCommand::Rcpt(0);
                Phase::Mail
            }
            NextCommand::Rcpt(at) => {
                outbox.compose(|out| write_rcpt(out, announced, mail.recipient(at)));
                let has_more = at + 1 < self.codes.len();
                self.next_command =
                    if has_more { NextCommand::Rcpt(at + 1) } else { NextCommand::Data };
                Phase::Rcpt
            }
            NextCommand::Data if self.content_command == ContentCommand::Data => {
                outbox.text(b"DATA\r\n");
                self.next_command = NextCommand::Content;
                Phase::Data
            }
            NextCommand::Data => {
                outbox.compose(|out| write_bdat(out, mail.wire_bytes()));
                outbox.content(self.mail.take()?, options.joined_bytes_max, release);
                self.next_command = NextCommand::Nothing;
                self.end_of_data = Some(outbox.queued());
                Phase::Payload
            }
            NextCommand::Content | NextCommand::Nothing => return None,
        };
        self.pending += 1;
        Some(phase)
    }

    /// Queues the content and the end of data, after DATA was accepted.
    pub fn write_content(
        &mut self,
        options: &Options,
        outbox: &mut Outbox,
        release: impl FnOnce(Box<OutgoingMail>),
    ) -> Phase {
        // RFC 2920 section 3.1: without recipients, the client must still end the data.
        if self.accepted > 0
            && let Some(mail) = self.mail.take()
        {
            outbox.content(mail, options.joined_bytes_max, release);
        }
        outbox.text(b".\r\n");
        self.pending += 1;
        self.end_of_data = Some(outbox.queued());
        Phase::Payload
    }

    /// Records the reply to MAIL.
    pub fn mail_reply(&mut self, code: ReplyCode, remnant: Remnant) {
        if code.is_positive() {
            return;
        }
        self.mail_reply = if remnant.refuses_mail() && code.number() == 503 {
            MailReply::FailedByEarlier
        } else {
            MailReply::Refused
        };
        self.decide(code);
        if self.has_more_commands() {
            self.next_command = NextCommand::Nothing;
        }
    }

    /// Records the reply to the next RCPT.
    pub fn rcpt_reply(&mut self, code: ReplyCode, remnant: &mut Remnant) {
        let at = self.answered;
        self.answered += 1;
        if code.is_positive() {
            self.accepted += 1;
        } else if self.mail_reply == MailReply::NotRefused {
            self.codes[at] = Some(code);
        }
        let all_refused = self.accepted == 0 && self.answered == self.codes.len();
        if all_refused && self.has_more_commands() {
            self.next_command = NextCommand::Nothing;
            remnant.add_transaction();
        }
    }

    /// Records the reply to DATA.
    pub fn data_reply(&mut self, code: ReplyCode, remnant: &mut Remnant) -> AfterData {
        self.next_command = NextCommand::Nothing;
        if code.number() == 354 {
            return AfterData::Content;
        }
        if self.mail_reply == MailReply::NotRefused {
            remnant.add_transaction();
        }
        self.decide(code);
        AfterData::Nothing
    }

    /// Records a reply to the payload.
    pub fn payload_reply(&mut self, code: ReplyCode, protocol: Protocol) -> PayloadReplies {
        match self.codes.iter_mut().find(|code| code.is_none()) {
            // RFC 2033 section 4.2: one reply per recipient.
            Some(owed) if protocol == Protocol::Lmtp => *owed = Some(code),
            _ => self.decide(code),
        }
        if self.is_decided() { PayloadReplies::Complete } else { PayloadReplies::MoreFollow }
    }

    /// Returns whether a RCPT, or the command for the content, is not queued yet.
    fn has_more_commands(&self) -> bool {
        matches!(self.next_command, NextCommand::Rcpt(_) | NextCommand::Data)
    }

    /// Returns whether a reply has decided about each recipient.
    pub fn is_decided(&self) -> bool {
        self.codes.iter().all(Option::is_some)
    }

    /// Sets the code of every recipient that has none yet.
    fn decide(&mut self, code: ReplyCode) {
        self.codes.iter_mut().for_each(|decided| *decided = decided.or(Some(code)));
    }
}

fn write_mail(out: &mut Vec<u8>, announced: &Announced, mail: &OutgoingMail, octets: u64) {
    out.extend_from_slice(b"MAIL FROM:<");
    out.extend_from_slice(mail.reverse_path());
    if announced.size {
        out.extend_from_slice(b"> SIZE=");
        write_number(out, octets);
    } else {
        out.push(b'>');
    }
    if !mail.is_ascii() && !mail.has_parameter(b"SMTPUTF8") {
        out.extend_from_slice(b" SMTPUTF8");
    }
    write_parameters(out, announced, mail.parameters());
}

fn write_rcpt(out: &mut Vec<u8>, announced: &Announced, (path, parameters): (&[u8], &[u8])) {
    out.extend_from_slice(b"RCPT TO:<");
    out.extend_from_slice(path);
    out.push(b'>');
    write_parameters(out, announced, parameters);
}

fn write_bdat(out: &mut Vec<u8>, octets: u64) {
    out.extend_from_slice(b"BDAT ");
    write_number(out, octets);
    out.extend_from_slice(b" LAST\r\n");
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends the parameters and the end of the command. `parameters` are separated by single spaces.
/// Parameters that the server does not support are omitted.
fn write_parameters(out: &mut Vec<u8>, announced: &Announced, parameters: &[u8]) {
    if !parameters.is_empty() {
        for parameter in parameters.split(|octet| *octet == b' ') {
            if announced.allows(parameter) {
                out.push(b' ');
                out.extend_from_slice(parameter);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}
