//! Every reply of a session, in one table (RFC 5321 4.2; enhanced codes RFC 3463, 2034, 5248).
//!
//! Replies are static octets, appended unchanged (or without their enhanced codes, if
//! ENHANCEDSTATUSCODES is not offered). The three that depend on the listener (greeting, EHLO and
//! HELO reply) are encoded once in [`super::policy::Policy`]. The one that names a message is
//! composed by `Session::accept` from [`ACCEPTED_PREFIX`].
//!
//! Every 2xx, 4xx and 5xx has an enhanced code, except the greeting and the replies to EHLO and
//! HELO (RFC 2034 4). Enhanced codes are also sent after HELO: clients that don't know them read
//! them as text.

/// A reply of one or more lines, each with its CRLF.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The constant's name, for tests and logs.
    pub name: &'static str,
    wire: &'static str,
    /// The index of the reply in [`ALL`], for counting.
    pub(super) place: usize,
}

impl Reply {
    /// Returns the reply as sent, CRLF included.
    pub fn as_bytes(&self) -> &'static [u8] {
        self.wire.as_bytes()
    }

    /// The reply code, 200 to 559.
    pub fn code(&self) -> u16 {
        self.wire.bytes().take(3).fold(0, |code, digit| code * 10 + u16::from(digit & 15))
    }

    /// Returns whether the reply is a 5xx, after which the client should not repeat the command.
    pub fn is_permanent(&self) -> bool {
        self.wire.starts_with('5')
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    /// Appends the reply without its enhanced code, for servers without ENHANCEDSTATUSCODES.
    #[cold]
    pub fn encode_without_code(&self, out: &mut Vec<u8>) {
        for line in self.wire.split_inclusive("\r\n") {
            let (code, text) = line.split_at(4);
            let text = match text.split_once(' ') {
                Some((first, rest)) if is_enhanced_code(first) => rest,
                _ => text,
            };
            out.extend_from_slice(code.as_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Returns whether a word looks like `2.1.0` (RFC 3463 2).
fn is_enhanced_code(word: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    word.split('.').count() == 3 && word.split('.').all(is_number)
}

/// The beginning of the 250 at the end of data; the message's name and CRLF follow.
pub const ACCEPTED_PREFIX: &[u8] = b"250 2.0.0 Ok ";

/// [`ACCEPTED_PREFIX`] and [`DELIVERED_PREFIX`] for servers without ENHANCEDSTATUSCODES.
pub const PLAIN_PREFIX: &[u8] = b"250 Ok ";

/// The beginning of the 250 for one recipient of a message received by LMTP (RFC 2033 4.2).
pub const DELIVERED_PREFIX: &[u8] = b"250 2.1.5 Ok ";

macro_rules! replies {
    ($($name:ident = $code_and_text:literal;)*) => {
        /// Indexes into the table, named after the replies.
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "as the names are")]
        enum TableIndex { $($name),* }
        $(
        #[doc = concat!("Replies with `", $code_and_text, "`.")]
        pub static $name: Reply = Reply {
            name: stringify!($name),
            wire: concat!($code_and_text, "\r\n"),
            place: TableIndex::$name as usize,
        };)*
        /// Every reply.
        pub static ALL: &[&Reply] = &[$(&$name),*];
        /// The number of replies.
        pub const COUNT: usize = [$(stringify!($name)),*].len();
    };
}

replies! {
    // Normal operation.
    CLOSING = "221 2.0.0 Bye";
    HELP = "214-2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n\
            214-2.0.0 STARTTLS AUTH XCLIENT, if the reply to EHLO lists them\r\n\
            214 2.0.0 This is sinkd: it accepts any mail, stores it, and delivers nothing";
    MAIL_OK = "250 2.1.0 Reverse-path ok";
    RCPT_OK = "250 2.1.5 Forward-path ok";
    LMTP_HELP = "214-2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n\
                 214-2.0.0 STARTTLS AUTH XCLIENT, if the reply to LHLO lists them\r\n\
                 214 2.0.0 This is sinkd: it accepts any mail, stores it, and delivers nothing";
    RESET_OK = "250 2.0.0 Transaction reset";
    NOOP_OK = "250 2.0.0 Ok";
    MARK_TAKEN = "250 2.0.0 Mark accepted";
    RUN_BEGINS = "250 2.0.0 Run accepted; it begins with this second";
    RUN_ENDS = "250 2.0.0 End of run accepted; it ends with this second";
    CHUNK_OK = "250 2.0.0 Chunk received";
    NOT_VERIFIED = "252 2.5.0 Not verified: send RCPT, any mailbox is accepted";
    TLS_READY = "220 2.0.0 Begin the TLS handshake";
    AUTH_OK = "235 2.7.0 Authentication succeeded";
    AUTH_CHALLENGE = "334 ";
    START_DATA = "354 Send the message, end with CRLF.CRLF";

    // Syntax.
    LINE_TOO_LONG = "500 5.5.2 Command line too long: shorten it, or end it with CRLF";
    UNKNOWN = "500 5.5.2 Unknown command: send HELP for a list";
    LHLO_NOT_EHLO = "500 5.5.1 This is LMTP: send LHLO (RFC 2033)";
    CONTROL_CHARACTER = "500 5.5.2 Control character, or bare CR or LF, in a command line";
    NAME_SYNTAX = "501 5.5.4 Send EHLO or HELO with one name, printable and without spaces";
    LHLO_NAME_SYNTAX = "501 5.5.4 Send LHLO with one name, printable and without spaces";
    MAIL_SYNTAX = "501 5.5.4 Send MAIL FROM:<reverse-path> [parameters]";
    RCPT_SYNTAX = "501 5.5.4 Send RCPT TO:<forward-path> [parameters]";
    REVERSE_PATH_SYNTAX = "501 5.1.7 Bad reverse-path: send <local-part@domain>, or <> for none";
    FORWARD_PATH_SYNTAX = "501 5.1.3 Bad forward-path: send <local-part@domain>";
    PARAMETER_SYNTAX = "501 5.5.4 Parameter malformed or given twice";
    MARK_SYNTAX = "501 5.5.4 A mark has 1 to 256 octets of UTF-8, no control characters";
    RUN_NAME_SYNTAX = "501 5.5.4 A name has 1 to 64 octets of UTF-8, no '/', no control characters";
    XCLIENT_FORM = "501 5.5.4 Send XCLIENT attribute=value, one space between attributes";
    XCLIENT_ATTRIBUTE = "501 5.5.4 XCLIENT: unknown attribute; see the EHLO reply for the list";
    XCLIENT_TWICE = "501 5.5.4 XCLIENT: an attribute is given twice";
    XCLIENT_VALUE = "501 5.5.4 XCLIENT: a value is 1 to 255 octets of xtext, where + is +2B";
    XCLIENT_NAME = "501 5.5.4 XCLIENT NAME: expected a host name, [UNAVAILABLE] or [TEMPUNAVAIL]";
    XCLIENT_ADDR = "501 5.5.4 XCLIENT: expected 192.0.2.1, IPV6:2001:db8::1 or [UNAVAILABLE]";
    XCLIENT_PORT = "501 5.5.4 XCLIENT: expected a port: a number from 0 to 65535, or [UNAVAILABLE]";
    XCLIENT_PROTO = "501 5.5.4 XCLIENT PROTO: expected SMTP or ESMTP";
    XCLIENT_HELO = "501 5.5.4 XCLIENT HELO: expected one printable name, or [UNAVAILABLE]";
    XCLIENT_LOGIN = "501 5.5.4 XCLIENT LOGIN: expected UTF-8, no control characters";
    AUTH_TOO_LONG = "500 5.5.6 A response of AUTH has at most 12,288 octets";
    AUTH_FORM = "501 5.5.4 Send AUTH mechanism [initial response in base64]";
    AUTH_BASE64 = "501 5.5.2 AUTH: the response is not base64";
    AUTH_RESPONSE = "501 5.5.2 AUTH response malformed for this mechanism";
    AUTH_CANCELED = "501 5.7.0 AUTH was canceled";
    ARGUMENT_UNEXPECTED = "501 5.5.4 This command takes no argument";
    ARGUMENT_MISSING = "501 5.5.4 This command needs an argument";
    BDAT_SYNTAX = "501 5.5.4 Send BDAT size [LAST]; this chunk is dropped, start again with MAIL";
    NOT_IMPLEMENTED = "502 5.5.1 Not implemented; see the EHLO reply for what is";
    NO_LISTS = "502 5.5.1 No mailing lists to expand here";
    PARAMETER_UNKNOWN = "555 5.5.4 Unknown parameter: use those of the announced extensions";
    UTF8_NOT_DECLARED = "553 5.6.7 Non-ASCII in the address: add SMTPUTF8 to MAIL";

    // Sequence.
    EHLO_FIRST = "503 5.5.1 Send EHLO or HELO first";
    LHLO_FIRST = "503 5.5.1 Send LHLO first";
    MAIL_FIRST = "503 5.5.1 Send MAIL first";
    RCPT_FIRST = "503 5.5.1 Send RCPT first";
    MAIL_NESTED = "503 5.5.1 A transaction is open: finish it, or send RSET";
    XCLIENT_NESTED = "503 5.5.1 No XCLIENT in a transaction: finish it, or send RSET";
    AUTH_NESTED = "503 5.5.1 No AUTH in a transaction: finish it, or send RSET";
    AUTH_TWICE = "503 5.5.1 Already authenticated";
    STARTTLS_TWICE = "503 5.5.1 TLS has begun already";
    STARTTLS_NESTED = "503 5.5.1 No STARTTLS in a transaction: finish it, or send RSET";
    STARTTLS_FIRST = "530 5.7.0 TLS is required here: send STARTTLS first";
    TLS_UNAVAILABLE = "454 4.7.0 TLS is not available now: try again later";
    TLS_EXPECTED = "554 5.7.0 This port begins with TLS: connect with implicit TLS";
    PLAIN_EXPECTED = "554 5.7.0 This port begins in plain text: connect without implicit TLS";
    AUTH_MECHANISM = "504 5.5.4 Unknown mechanism: use one from the EHLO reply";
    AUTH_REQUIRED = "530 5.7.0 Authenticate first: send AUTH";
    AUTH_REJECTED = "535 5.7.8 Authentication failed: wrong user or password";
    AUTH_DEFERRED = "454 4.7.0 Authentication is not available now: try again later";
    CHUNKS_BEGUN = "503 5.5.1 BDAT has begun: continue with BDAT, or send RSET";
    BINARY_NEEDS_BDAT = "503 5.5.1 BODY=BINARYMIME needs BDAT, not DATA";
    CHUNK_OUT_OF_SEQUENCE = "503 5.5.1 Chunk dropped: send MAIL and RCPT first";
    DENIED = "554 5.7.1 This listener does not serve your address: closing";
    SENDER_PARTIAL = "554 5.1.8 Submission needs a fully qualified domain in the sender's address";
    RECIPIENT_PARTIAL =
        "554 5.1.2 Submission needs a fully qualified domain in the recipient's address";
    NO_VALID_RECIPIENTS = "554 5.5.1 No valid recipients: every RCPT was refused";

    // Limits and storage.
    TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients: send this one in another transaction";
    ENVELOPE_STORAGE = "452 4.3.1 No memory for the envelope now: try again later";
    NO_STORAGE = "452 4.3.1 No room to store the message now: try again later";
    STORAGE_FAILED = "451 4.3.0 Storing the message failed: try again";
    TOO_LARGE = "552 5.3.4 Message too large: see SIZE in the EHLO reply";

    XCLIENT_DENIED = "550 5.7.1 No XCLIENT from your address: see xclient_trusted";

    // Marks and runs by NOOP.
    RUN_NAME_TAKEN = "550 5.5.1 A run with this name exists: choose another name";
    NO_RUN = "550 5.5.1 No run is in progress";
    MARKS_TOO_FAST = "450 4.4.5 Too many marks and runs at once: try again in a second";
    MARKS_TOO_MANY = "452 4.3.1 Too many marks and runs since sinkd was started";

    // The connection closes after these.
    TOO_MANY_ERRORS = "421 4.7.0 Too many errors in this session: closing";
    TOO_MANY_MESSAGES = "421 4.7.0 Too many messages in this session: open a new one";
    PROXY_UNEXPECTED = "421 4.3.2 Expected EHLO, found a PROXY header or an empty line: closing";
    CHUNK_SIZE_LOST = "421 4.5.4 BDAT size unreadable, so data looks like commands: closing";
    TIMEOUT = "421 4.4.2 Timeout: nothing received for too long, closing";
    STOPPING = "421 4.3.2 Shutting down: try again later";
    TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections: try again later";
    TOO_MANY_FROM_ADDRESS = "421 4.7.0 Too many connections from your address: close some first";
    OUT_OF_BUFFERS = "421 4.3.1 Out of buffers, and this transfer stalled longest: try again later";
}

/// Every negative reply to XCLIENT, for counting refusals.
pub static XCLIENT_REFUSALS: &[&Reply] = &[
    &XCLIENT_FORM,
    &XCLIENT_ATTRIBUTE,
    &XCLIENT_TWICE,
    &XCLIENT_VALUE,
    &XCLIENT_NAME,
    &XCLIENT_ADDR,
    &XCLIENT_PORT,
    &XCLIENT_PROTO,
    &XCLIENT_HELO,
    &XCLIENT_LOGIN,
    &XCLIENT_NESTED,
    &XCLIENT_DENIED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_xclient_is_counted() {
        let named = ALL.iter().filter(|reply| reply.name.starts_with("XCLIENT_"));
        assert!(named.eq(XCLIENT_REFUSALS.iter()));
    }

    #[test]
    fn every_reply_is_well_formed() {
        for reply in ALL {
            let text = std::str::from_utf8(reply.as_bytes()).unwrap();
            let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (number, line) in lines.iter().enumerate() {
                // RFC 5321 4.5.3.1.5: a reply line has at most 512 octets; keep to a terminal's
                // width.
                assert!(line.len() <= 120, "{line}");
                assert!(line.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{line}");
                assert_eq!(line[..3], reply.code().to_string(), "{line}");
                let last = number + 1 == lines.len();
                assert_eq!(line.as_bytes()[3], if last { b' ' } else { b'-' }, "{line}");
                if !matches!(reply.code(), 334 | 354) {
                    // RFC 2034 4: the class is the first digit of the reply code.
                    let mut parts = line[4..].split(' ').next().unwrap().split('.');
                    assert_eq!(parts.next().unwrap(), &line[..1], "{line}");
                    assert_eq!(
                        parts.filter(|part| part.parse::<u16>().is_ok()).count(),
                        2,
                        "{line}"
                    );
                }
            }
        }
    }
}
