//! One transaction of a client session: what to write next, and what was answered.
use super::announced::Announced;
use super::code::ReplyCode;
use super::mail::OutgoingMail;
use super::options::Options;
use super::outbox::Outbox;
use super::watch::{Phase, SessionEnd};

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

/// The command that carries the content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCommand {
    Data,
    /// One chunk (RFC 3030).
    Bdat,
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

/// A transaction in progress.
#[derive(Debug)]
pub(super) struct ClientTransaction<T> {
    pub cookie: T,
    /// The message, until its content is queued.
    pub mail: Option<Box<OutgoingMail>>,
    pub octets: u64,
    pub content_command: ContentCommand,
    pub started_us: u64,
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
    /// Another server may see an end of data within the content.
    pub is_ambiguous: bool,
    /// Position in the output after the end of data.
    pub end_of_data: Option<u64>,
}

impl<T> ClientTransaction<T> {
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

    /// Returns whether a reply has decided about each recipient.
    pub fn is_decided(&self) -> bool {
        self.codes.iter().all(Option::is_some)
    }

    /// Decides about every recipient about which no reply has decided.
    pub fn decide(&mut self, code: ReplyCode) {
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
