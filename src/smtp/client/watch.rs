//! The events that a client session reports.
use std::fmt;

use super::code::ReplyCode;
use super::mail::OutgoingMail;
use super::reply::ReplyError;
use crate::smtp::sasl::ChallengeError;
use crate::time::MonotonicUs;

/// The command that a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// None: the server greets the client.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH, or a response to its challenge.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The end of data, or BDAT LAST.
    Payload,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

/// Formats a phase as the command that is answered: `RCPT`, `end of data`.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Greeting => "greeting",
            Phase::Hello => "EHLO",
            Phase::StartTls => "STARTTLS",
            Phase::Auth => "AUTH",
            Phase::Mail => "MAIL",
            Phase::Rcpt => "RCPT",
            Phase::Data => "DATA",
            Phase::Payload => "end of data",
            Phase::Reset => "RSET",
            Phase::Quit => "QUIT",
        })
    }
}

/// Why a client session can't continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFault {
    /// The greeting, EHLO, STARTTLS, AUTH or RSET was refused.
    #[error("the server refused the session: {code} to {phase}")]
    Refused {
        /// The command that was refused.
        phase: Phase,
        /// The reply code.
        code: ReplyCode,
    },
    /// The server sent 421, in reply to any command or without one (RFC 5321 section 3.8).
    #[error("the server closed the session (421)")]
    Closing,
    /// A reply arrived although no command waits for one.
    #[error("the server sent an unexpected reply: {code}")]
    Unsolicited {
        /// The reply code.
        code: ReplyCode,
    },
    /// A reply arrived before its command was completely written.
    #[error("a reply came before its command was written: {code} to {phase}")]
    Early {
        /// The command that waits for a reply.
        phase: Phase,
        /// The reply code.
        code: ReplyCode,
    },
    /// The reply code is not valid for its command.
    #[error("unexpected reply code: {code} to {phase}")]
    Unexpected {
        /// The command.
        phase: Phase,
        /// The reply code.
        code: ReplyCode,
    },
    /// TLS is required, but the server does not announce STARTTLS.
    #[error("TLS is required, but the server does not announce STARTTLS")]
    NoStartTls,
    /// Plain text arrived after the reply to STARTTLS. An attacker between server and client may
    /// have injected it (RFC 3207 section 5).
    #[error("the server sent plain text after its reply to STARTTLS")]
    PlainAfterStartTls,
    /// The server announces no mechanism of the account.
    #[error("the server does not announce AUTH with a mechanism that may be used here")]
    NoMechanism,
    /// The server announces no mechanism of the account, but STARTTLS: many servers announce AUTH
    /// only under TLS.
    #[error("the server announces STARTTLS, but no AUTH with a mechanism that may be used here")]
    NoMechanismBeforeTls,
    /// The server sent a challenge that the mechanism does not define.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The server sent octets that are not a reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

impl SessionFault {
    /// Returns whether another session with the same options would fail in the same way: the server
    /// refuses the client (RFC 5321 section 3.1) or its account, lacks a required extension, or
    /// sends a challenge that the mechanism does not define.
    pub fn is_permanent(self) -> bool {
        match self {
            SessionFault::Refused { phase, code } => {
                code.is_permanent()
                    && matches!(phase, Phase::Greeting | Phase::StartTls | Phase::Auth)
            }
            SessionFault::NoStartTls | SessionFault::NoMechanism => true,
            SessionFault::NoMechanismBeforeTls => true,
            SessionFault::Challenge(_) => true,
            _ => false,
        }
    }
}

/// How sending a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The server answered for each recipient.
    Answered,
    /// The message was not accepted, and can't have been: the connection was lost before the end of
    /// data was written, or an earlier failure in the session aborted it.
    NotSent,
    /// The end of data was written, but not every reply arrived: the message may have been
    /// accepted.
    Unknown,
    /// The message must not be sent to this server. Nothing of it was sent.
    Withheld(Withheld),
}

/// Why a message must not be sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// If it were sent by DATA, some servers would see the end of data within the content, and read
    /// the rest as commands.
    #[error(
        "a line-leading dot stands next to a bare CR, a bare LF or a NUL: some servers would see \
         the end of data there, and read what follows as commands"
    )]
    AmbiguousDot,
    /// The message needs BINARYMIME and CHUNKING (RFC 3030 section 3).
    #[error("it is BODY=BINARYMIME, and the server does not announce BINARYMIME with CHUNKING")]
    Binary,
    /// The message needs SMTPUTF8 (RFC 6531 section 3.1).
    #[error("an address is not ASCII, and the server does not announce SMTPUTF8")]
    Utf8Address,
}

/// The outcome of a message.
#[derive(Debug)]
pub struct Done<'a, T> {
    /// The value that was passed to [`super::ClientSession::start`].
    pub cookie: T,
    /// Size of the message (RFC 1870).
    pub octets: u64,
    /// The code that decided about each recipient: from RCPT, MAIL or DATA if that was refused,
    /// else from the end of data; `None` if no such reply arrived.
    pub codes: &'a [Option<ReplyCode>],
    /// How it ended.
    pub end: SessionEnd,
    /// When it was passed to `start`.
    pub started_us: MonotonicUs,
    /// The server ended the session with 421 before the end of data of this message, but had
    /// accepted an earlier one. This message may be accepted over another connection.
    pub is_turned_away: bool,
    /// The message was sent although [`Withheld::AmbiguousDot`] applies, because the options allow
    /// it.
    pub is_ambiguous: bool,
}

/// Receives the events of a session.
pub trait SessionWatch<T> {
    /// A whole reply arrived, `us` microseconds after its command was written. `text` is the text
    /// of its last line, or a placeholder if that repeats credentials.
    fn replied(&mut self, phase: Phase, code: ReplyCode, text: &[u8], us: u64);
    /// The session is done with the content of a message: the buffer can be reused. Called exactly
    /// once for each message, before or after `done`.
    fn release(&mut self, mail: Box<OutgoingMail>);
    /// A message has ended.
    fn done(&mut self, done: Done<'_, T>);
}
