//! What a session tells its owner.
use std::fmt;

use super::mail::OutgoingMail;
use super::reply::ReplyError;
use crate::smtp::sasl::ChallengeError;

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The connection.
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

/// Why a session can't continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFault {
    /// The greeting, EHLO, STARTTLS, AUTH or RSET was refused.
    #[error("the server refused to speak with us: {code} to {phase}")]
    Refused {
        /// What was refused.
        phase: Phase,
        /// With this reply code.
        code: u16,
    },
    /// 421, whatever it answered (RFC 5321 section 3.8).
    #[error("the server closed the session (421)")]
    Closing,
    /// No command waits for a reply.
    #[error("a reply came that nothing had asked for: {code}")]
    Unasked {
        /// Its code.
        code: u16,
    },
    /// A reply came before its command was written whole.
    #[error("a reply came before its command was written: {code} to {phase}")]
    Early {
        /// The command that waits for a reply.
        phase: Phase,
        /// The reply code.
        code: u16,
    },
    /// A reply that its command cannot have.
    #[error("a reply means nothing here: {code} to {phase}")]
    Unexpected {
        /// The command.
        phase: Phase,
        /// The reply code.
        code: u16,
    },
    /// TLS is required.
    #[error("TLS is required, but the server does not announce STARTTLS")]
    NoStartTls,
    /// Octets in plain text after the reply to STARTTLS, which an attacker between server and
    /// client may have put there (RFC 3207 section 5).
    #[error("the server sent more in plain text after its reply to STARTTLS")]
    PlainAfterStartTls,
    /// No mechanism of the account is announced.
    #[error("the server does not announce AUTH with a mechanism that may be used here")]
    NoMechanism,
    /// No mechanism of the account is announced, and STARTTLS is: many servers announce AUTH only
    /// under TLS.
    #[error(
        "the server announces STARTTLS, and no AUTH with a mechanism that may be used here: try \
         --tls required"
    )]
    NoMechanismBeforeTls,
    /// A challenge of AUTH that its mechanism does not have.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// Octets that are not a reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

impl SessionFault {
    /// Returns whether another session with the same options would end in the same way: the
    /// server does not speak with us (RFC 5321 section 3.1), does not believe the account, or lacks
    /// what is required.
    pub fn is_permanent(self) -> bool {
        match self {
            SessionFault::Refused { phase, code } => {
                code >= 500 && matches!(phase, Phase::Greeting | Phase::StartTls | Phase::Auth)
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
    /// The server has said what becomes of it, recipient by recipient.
    Answered,
    /// It wasn't taken, and can't have been: the connection was lost before the end of data was
    /// out, or a failure before it in the same session took it along.
    NotSent,
    /// Its end of data went out, and not every reply came: it may have been taken.
    Unknown,
    /// It must not be sent to this server: nothing of it was.
    Withheld(Withheld),
}

/// Why a message must not be sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// By DATA, some servers would see the end of data within the content, and read what follows
    /// as commands.
    #[error(
        "a line-leading dot stands next to a bare CR, a bare LF or a NUL: some servers would see \
         the end of data there, and read what follows as commands"
    )]
    AmbiguousDot,
    /// RFC 3030 section 3: it needs BINARYMIME and CHUNKING.
    #[error("it is BODY=BINARYMIME, and the server does not announce BINARYMIME with CHUNKING")]
    Binary,
    /// RFC 6531 section 3.1.
    #[error("an address is not ASCII, and the server does not announce SMTPUTF8")]
    Utf8Address,
}

/// A message is done.
#[derive(Debug)]
pub struct Done<'a, T> {
    /// The value that was passed to [`super::ClientSession::start`].
    pub cookie: T,
    /// Octets of the message (RFC 1870).
    pub octets: u64,
    /// The reply code for each recipient: from its RCPT (or from MAIL or DATA) where that was
    /// refused, else from the end of data; 0: no reply came.
    pub codes: &'a [u16],
    /// How it ended.
    pub end: SessionEnd,
    /// When it was given to `start`, us.
    pub begun_us: u64,
    /// The server ended the session with 421 before it took anything of this message, and after it
    /// had accepted another one: over another connection it may be accepted.
    pub is_turned_away: bool,
    /// It was sent as [`Withheld::AmbiguousDot`] describes, because the options allow it.
    pub is_ambiguous: bool,
}

/// Receives the events of a session.
pub trait SessionWatch<T> {
    /// A whole reply came, `us` microseconds after its command was written. `text`: the text of its
    /// last line; another one where that repeats credentials.
    fn replied(&mut self, phase: Phase, code: u16, text: &[u8], us: u64);
    /// Nothing more of a mail will be written: it can be used again. Told once for each, before
    /// or after its message is done.
    fn spent(&mut self, mail: Box<OutgoingMail>);
    /// A message is done.
    fn done(&mut self, done: Done<'_, T>);
}
