//! Parses command lines (RFC 5321 4.1.1) into a borrowed [`Command`], without allocating.
//!
//! ```text
//! "EHLO" SP name     "MAIL FROM:" Reverse-path [SP parameters]     "VRFY" SP text     "RSET"
//! "HELO" SP name     "RCPT TO:" Forward-path [SP parameters]       "EXPN" SP text     "DATA"
//! "NOOP" [SP text]   "BDAT" SP size [SP "LAST"]                    "HELP" [SP text]   "QUIT"
//! "XCLIENT" SP attributes
//! ```
//!
//! Verbs and keywords are case-insensitive (2.4). Two deviations are tolerated here: white space
//! before the CRLF (4.1.1), and one space between `FROM:` or `TO:` and the path, which many clients
//! send and which is unambiguous. All others are left to [`super::lenient`], which parses lines
//! that this module refuses.

use super::param::{self, MailParameters, ParameterError, RcptParameters};
use super::path::{self, Path};
use super::tally::Verb;

/// Maximum length of the name in EHLO and HELO: the limit of a domain (RFC 5321 4.5.3.1.2).
pub const NAME_BYTES_MAX: usize = 255;

/// A piece of a payload that BDAT announces (RFC 3030 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The number of octets after the command line; can be 0.
    pub bytes: u64,
    /// Whether the chunk ends the message.
    pub is_last: bool,
}

/// A command with valid syntax. The session checks whether it is in sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO (RFC 5321 section 4.1.1.1).
    Ehlo {
        /// The name of the client.
        name: &'a [u8],
    },
    /// HELO (RFC 5321 section 4.1.1.1).
    Helo {
        /// The name of the client.
        name: &'a [u8],
    },
    /// The hello of LMTP (RFC 2033 4.1).
    Lhlo {
        /// The name of the client.
        name: &'a [u8],
    },
    /// MAIL (RFC 5321 section 4.1.1.2).
    Mail {
        /// The reverse-path.
        path: Path<'a>,
        /// The parameters.
        parameters: MailParameters<'a>,
    },
    /// RCPT (RFC 5321 section 4.1.1.3).
    Rcpt {
        /// The forward-path.
        path: Path<'a>,
        /// The parameters.
        parameters: RcptParameters<'a>,
    },
    /// DATA (RFC 5321 section 4.1.1.4).
    Data,
    /// BDAT (RFC 3030 section 2).
    Bdat(Chunk),
    /// RSET (RFC 5321 section 4.1.1.5).
    Rset,
    /// NOOP. The text after the verb is usually empty, and usually ignored (RFC 5321 4.1.1.9).
    Noop {
        /// The argument.
        argument: &'a [u8],
    },
    /// VRFY (RFC 5321 section 4.1.1.6).
    Vrfy,
    /// EXPN (RFC 5321 section 4.1.1.7).
    Expn,
    /// HELP (RFC 5321 section 4.1.1.8).
    Help,
    /// QUIT (RFC 5321 section 4.1.1.10).
    Quit,
    /// AUTH, with the text after the verb (RFC 4954 section 4).
    Auth {
        /// The argument.
        argument: &'a [u8],
    },
    /// STARTTLS (RFC 3207).
    StartTls,
    /// XCLIENT, with the text after the verb: see [`super::xclient`].
    Xclient {
        /// The argument.
        argument: &'a [u8],
    },
}

/// The rule that a command line breaks. Each has its own reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxError {
    /// Unknown verb.
    Unknown,
    /// A verb defined by some RFC that sinkd neither announces nor implements.
    Unimplemented,
    /// NUL, another control character, or a CR or LF that is not half of a CRLF.
    ControlCharacter,
    /// EHLO or HELO without one printable name of up to [`NAME_BYTES_MAX`] octets.
    Name,
    /// LHLO without one such name.
    LhloName,
    /// MAIL without `FROM:`.
    MailForm,
    /// RCPT without `TO:`.
    RcptForm,
    /// The reverse-path is malformed.
    ReversePath,
    /// The forward-path is malformed.
    ForwardPath,
    /// A parameter is malformed or repeated.
    Parameter,
    /// A parameter is unknown.
    ParameterUnknown,
    /// An argument for a verb that takes none.
    ArgumentUnexpected,
    /// VRFY or EXPN without an argument.
    ArgumentMissing,
    /// BDAT with an invalid size: the number of payload octets that follow is unknown.
    BdatSize,
    /// BDAT with a valid size, followed by a word other than `LAST`: `bytes` octets of payload
    /// follow.
    BdatRest {
        /// The size of the chunk.
        bytes: u64,
    },
}

/// Parses one command line, without its CRLF.
///
/// `line` may have any number of octets of any value; the session limits its length. The result
/// borrows from it. Errors are the client's: the session replies 500, 501, 502 or 555, or 421 for
/// [`SyntaxError::BdatSize`].
///
/// ```
/// use sinkd::smtp::grammar::{parse, Command};
/// let Ok(Command::Mail { path, .. }) = parse(b"mail from:<>") else { panic!() };
/// assert!(path.mailbox.is_empty());
/// ```
pub fn parse(line: &[u8]) -> Result<Command<'_>, SyntaxError> {
    let line = trim_trailing_blanks(line);
    if has_control_character(line) {
        let size_is_lost = is_bdat(line);
        return Err(if size_is_lost {
            SyntaxError::BdatSize
        } else {
            SyntaxError::ControlCharacter
        });
    }
    let (verb, argument) = match memchr::memchr(b' ', line) {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    };
    let Ok(verb) = <[u8; 4]>::try_from(verb) else { return longer_verb(verb, argument) };
    match &verb.map(|octet| octet.to_ascii_uppercase()) {
        b"MAIL" => parse_mail(argument),
        b"RCPT" => parse_rcpt(argument),
        b"DATA" => bare(Command::Data, argument),
        b"BDAT" => parse_bdat(argument),
        b"EHLO" => Ok(Command::Ehlo { name: parse_name(argument)? }),
        b"HELO" => Ok(Command::Helo { name: parse_name(argument)? }),
        b"LHLO" => match parse_name(argument) {
            Ok(name) => Ok(Command::Lhlo { name }),
            Err(_) => Err(SyntaxError::LhloName),
        },
        b"RSET" => bare(Command::Rset, argument),
        b"QUIT" => bare(Command::Quit, argument),
        b"NOOP" => Ok(Command::Noop { argument: argument.unwrap_or_default() }),
        b"HELP" => Ok(Command::Help),
        b"AUTH" => Ok(Command::Auth { argument: argument.unwrap_or_default() }),
        b"VRFY" => argument.map(|_| Command::Vrfy).ok_or(SyntaxError::ArgumentMissing),
        b"EXPN" => argument.map(|_| Command::Expn).ok_or(SyntaxError::ArgumentMissing),
        _ => Err(unknown_verb(&verb)),
    }
}

impl Command<'_> {
    /// Returns the command's category in the statistics.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Ehlo { .. } | Command::Helo { .. } | Command::Lhlo { .. } => Verb::Hello,
            Command::Mail { .. } => Verb::Mail,
            Command::Rcpt { .. } => Verb::Rcpt,
            Command::Data | Command::Bdat(_) => Verb::Data,
            Command::Quit => Verb::Quit,
            _ => Verb::Other,
        }
    }
}

/// Returns whether the verb is EHLO or HELO, which LMTP does not have (RFC 2033 4.1).
pub fn is_smtp_hello(line: &[u8]) -> bool {
    let verb = line.get(..4).unwrap_or_default();
    let ends = line.get(4).is_none_or(|octet| matches!(octet, b' ' | b'\t'));
    ends && (verb.eq_ignore_ascii_case(b"EHLO") || verb.eq_ignore_ascii_case(b"HELO"))
}

/// Returns whether the verb of a (possibly incomplete) line is BDAT: payload follows its CRLF.
pub fn is_bdat(line: &[u8]) -> bool {
    line.len() >= 4
        && line[..4].eq_ignore_ascii_case(b"BDAT")
        && line.get(4).is_none_or(|&octet| octet <= b' ')
}

/// Returns whether the verb of a (possibly incomplete) line is AUTH, whose lines may be longer than
/// others.
pub fn is_auth(line: &[u8]) -> bool {
    line.len() >= 5 && line[..5].eq_ignore_ascii_case(b"AUTH ")
}

pub(super) fn trim_trailing_blanks(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t'));
    &line[..end.map_or(0, |at| at + 1)]
}

/// One pass without an early exit, so that the compiler can process 16 octets at once. Lines are
/// short.
fn has_control_character(line: &[u8]) -> bool {
    line.iter().fold(false, |found, &octet| found | (octet < b' ') | (octet == 0x7f))
}

/// Parses verbs longer or shorter than the four letters of most verbs in RFC 5321.
#[cold]
fn longer_verb<'a>(verb: &[u8], argument: Option<&'a [u8]>) -> Result<Command<'a>, SyntaxError> {
    if verb.eq_ignore_ascii_case(b"XCLIENT") {
        return Ok(Command::Xclient { argument: argument.unwrap_or_default() });
    }
    if verb.eq_ignore_ascii_case(b"STARTTLS") {
        return bare(Command::StartTls, argument);
    }
    Err(unknown_verb(verb))
}

/// Returns the error for a verb that is not supported. Verbs of other RFCs get 502 instead of 500,
/// which tells a person what is missing.
#[cold]
fn unknown_verb(verb: &[u8]) -> SyntaxError {
    let known = ["ETRN", "ATRN", "BURL", "TURN", "SEND", "SOML", "SAML"];
    if known.iter().any(|name| verb.eq_ignore_ascii_case(name.as_bytes())) {
        SyntaxError::Unimplemented
    } else {
        SyntaxError::Unknown
    }
}

fn bare<'a>(command: Command<'a>, argument: Option<&[u8]>) -> Result<Command<'a>, SyntaxError> {
    if argument.is_some() { Err(SyntaxError::ArgumentUnexpected) } else { Ok(command) }
}

/// Parses a name leniently: accepts any graphic characters. Clients send all kinds of names, and
/// RFC 5321 section 4.1.4 forbids refusing mail for this reason.
fn parse_name(argument: Option<&[u8]>) -> Result<&[u8], SyntaxError> {
    let name = argument.unwrap_or_default();
    let is_name = matches!(name.len(), 1..=NAME_BYTES_MAX) && name.iter().all(u8::is_ascii_graphic);
    if is_name { Ok(name) } else { Err(SyntaxError::Name) }
}

fn parse_mail(argument: Option<&[u8]>) -> Result<Command<'_>, SyntaxError> {
    let text = after_keyword(argument, b"FROM:").ok_or(SyntaxError::MailForm)?;
    let (path, rest) = path::parse_reverse(text).ok_or(SyntaxError::ReversePath)?;
    let parameters = param::parse_mail(rest)?;
    Ok(Command::Mail { path, parameters })
}

fn parse_rcpt(argument: Option<&[u8]>) -> Result<Command<'_>, SyntaxError> {
    let text = after_keyword(argument, b"TO:").ok_or(SyntaxError::RcptForm)?;
    let (path, rest) = path::parse_forward(text).ok_or(SyntaxError::ForwardPath)?;
    let parameters = param::parse_rcpt(rest)?;
    Ok(Command::Rcpt { path, parameters })
}

/// Returns the text after `FROM:` or `TO:` and at most one space.
fn after_keyword<'a>(argument: Option<&'a [u8]>, keyword: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = argument?.split_at_checked(keyword.len())?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    head.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// Parses the argument of BDAT: `chunk-size [SP "LAST"]` (RFC 3030 2).
fn parse_bdat(argument: Option<&[u8]>) -> Result<Command<'_>, SyntaxError> {
    let argument = argument.ok_or(SyntaxError::BdatSize)?;
    let digits = argument.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (size, rest) = argument.split_at(digits);
    let bytes = parse_chunk_size(size).ok_or(SyntaxError::BdatSize)?;
    match rest {
        [] => Ok(Command::Bdat(Chunk { bytes, is_last: false })),
        [b' ', word @ ..] if word.eq_ignore_ascii_case(b"LAST") => {
            Ok(Command::Bdat(Chunk { bytes, is_last: true }))
        }
        [b' ', ..] => Err(SyntaxError::BdatRest { bytes }),
        _ => Err(SyntaxError::BdatSize),
    }
}

fn parse_chunk_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0u64, |bytes, digit| bytes.checked_mul(10)?.checked_add(u64::from(digit & 15)))
}

impl From<ParameterError> for SyntaxError {
    fn from(error: ParameterError) -> Self {
        match error {
            ParameterError::Malformed => SyntaxError::Parameter,
            ParameterError::Unknown => SyntaxError::ParameterUnknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], expected: Result<Command<'_>, SyntaxError>) {
        assert_eq!(parse(line), expected, "{}", line.escape_ascii());
    }

    #[test]
    fn verbs_are_parsed_in_any_case() {
        for (line, command) in [
            (&b"DATA"[..], Command::Data),
            (b"data", Command::Data),
            (b"DaTa \t ", Command::Data), // white space before CRLF, 4.1.1
            (b"RSET", Command::Rset),
            (b"quit", Command::Quit),
            (b"NOOP", Command::Noop { argument: b"" }),
            (b"NOOP any thing", Command::Noop { argument: b"any thing" }),
            (b"HELP", Command::Help),
            (b"HELP MAIL", Command::Help),
            (b"VRFY someone", Command::Vrfy),
            (b"xClient a=b  c", Command::Xclient { argument: b"a=b  c" }),
            (b"XCLIENT ", Command::Xclient { argument: b"" }),
            (b"StartTLS ", Command::StartTls),
            (b"EXPN list", Command::Expn),
            (b"EHLO client.example", Command::Ehlo { name: b"client.example" }),
            (b"ehlo [192.0.2.1]", Command::Ehlo { name: b"[192.0.2.1]" }),
            (b"HELO under_score", Command::Helo { name: b"under_score" }),
            (b"BDAT 0", Command::Bdat(Chunk { bytes: 0, is_last: false })),
            (b"bdat 007 last", Command::Bdat(Chunk { bytes: 7, is_last: true })),
            (
                b"BDAT 18446744073709551615",
                Command::Bdat(Chunk { bytes: u64::MAX, is_last: false }),
            ),
        ] {
            check(line, Ok(command));
        }
    }

    #[test]
    fn mail_and_rcpt_carry_path_and_parameters() {
        let Ok(Command::Mail { path, parameters }) = parse(b"mAIL fROM:<a@b> SIZE=7") else {
            panic!()
        };
        assert_eq!((path.mailbox, parameters.size), (&b"a@b"[..], Some(7)));
        let Ok(Command::Mail { path, .. }) = parse(b"MAIL FROM: <a@b>") else { panic!() };
        assert_eq!(path.mailbox, b"a@b");
        let Ok(Command::Rcpt { path, parameters }) = parse(b"RCPT TO: <postmaster> NOTIFY=NEVER")
        else {
            panic!()
        };
        assert_eq!((path.mailbox, parameters.text), (&b"postmaster"[..], &b"NOTIFY=NEVER"[..]));
    }

    #[test]
    fn syntax_errors_name_the_broken_rule() {
        for (line, error) in [
            (&b""[..], SyntaxError::Unknown),
            (b"   ", SyntaxError::Unknown),
            (b" DATA", SyntaxError::Unknown),
            (b"DAT", SyntaxError::Unknown),
            (b"DATAX", SyntaxError::Unknown),
            (b"GET / HTTP/1.1", SyntaxError::Unknown),
            (b"\xc4\xc1\xd4\xc1", SyntaxError::Unknown),
            (b"\x0dATA", SyntaxError::ControlCharacter),
            (b"STARTTLS now", SyntaxError::ArgumentUnexpected),
            (b"TURN", SyntaxError::Unimplemented),
            (b"ETRN x", SyntaxError::Unimplemented),
            (b"NOOP \0", SyntaxError::ControlCharacter),
            (b"NOOP\nRSET", SyntaxError::ControlCharacter),
            (b"NOOP a\rb", SyntaxError::ControlCharacter),
            (b"NOOP \x7f", SyntaxError::ControlCharacter),
            (b"XCLIENT HELO=a\0", SyntaxError::ControlCharacter),
            (b"XCLIENT\tHELO=a", SyntaxError::ControlCharacter),
            (b"XCLIENTS HELO=a", SyntaxError::Unknown),
            (b"MAIL\tFROM:<a@b>", SyntaxError::ControlCharacter),
            (b"EHLO", SyntaxError::Name),
            (b"EHLO  two", SyntaxError::Name),
            (b"EHLO a b", SyntaxError::Name),
            (b"HELO b\xc3\xbc", SyntaxError::Name),
            (b"MAIL", SyntaxError::MailForm),
            (b"MAIL <a@b>", SyntaxError::MailForm),
            (b"MAIL  FROM:<a@b>", SyntaxError::MailForm),
            (b"MAIL FROM <a@b>", SyntaxError::MailForm),
            (b"MAIL TO:<a@b>", SyntaxError::MailForm),
            (b"RCPT", SyntaxError::RcptForm),
            (b"RCPT FROM:<a@b>", SyntaxError::RcptForm),
            (b"MAIL FROM:", SyntaxError::ReversePath),
            (b"MAIL FROM:a@b", SyntaxError::ReversePath),
            (b"MAIL FROM:  <a@b>", SyntaxError::ReversePath), // one space is tolerated, not two
            (b"RCPT TO:<>", SyntaxError::ForwardPath),
            (b"RCPT TO:<a>", SyntaxError::ForwardPath),
            (b"MAIL FROM:<a@b>SIZE=1", SyntaxError::Parameter),
            (b"MAIL FROM:<a@b> SIZE=x", SyntaxError::Parameter),
            (b"MAIL FROM:<a@b> XYZ=1", SyntaxError::ParameterUnknown),
            (b"RCPT TO:<a@b> SIZE=1", SyntaxError::ParameterUnknown),
            (b"DATA now", SyntaxError::ArgumentUnexpected),
            (b"RSET x", SyntaxError::ArgumentUnexpected),
            (b"QUIT x", SyntaxError::ArgumentUnexpected),
            (b"VRFY", SyntaxError::ArgumentMissing),
            (b"EXPN ", SyntaxError::ArgumentMissing),
            (b"BDAT", SyntaxError::BdatSize),
            (b"BDAT x", SyntaxError::BdatSize),
            (b"BDAT -1", SyntaxError::BdatSize),
            (b"BDAT  1", SyntaxError::BdatSize),
            (b"BDAT 1x", SyntaxError::BdatSize),
            (b"BDAT 1\0", SyntaxError::BdatSize),
            (b"BDAT\t1", SyntaxError::BdatSize),
            (b"BDAT 18446744073709551616", SyntaxError::BdatSize),
            (b"BDAT 5 FIRST", SyntaxError::BdatRest { bytes: 5 }),
            (b"BDAT 5 LAST LAST", SyntaxError::BdatRest { bytes: 5 }),
        ] {
            check(line, Err(error));
        }
    }

    #[test]
    fn names_end_at_name_bytes_max() {
        let line = |bytes: usize| format!("EHLO {}", "a".repeat(bytes)).into_bytes();
        assert!(parse(&line(NAME_BYTES_MAX - 1)).is_ok());
        assert!(parse(&line(NAME_BYTES_MAX)).is_ok());
        assert_eq!(parse(&line(NAME_BYTES_MAX + 1)), Err(SyntaxError::Name));
    }
}
