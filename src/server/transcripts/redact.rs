//! The part of a client's command line that a transcript may show.
use std::fmt::Write as _;

use crate::wording::escaped;

/// Limit on the octets of a line that are shown.
const SHOWN_BYTES_MAX: usize = 512;

/// Replaces a secret.
pub const LEFT_OUT: &str = "<left out>";

/// Verbs whose arguments contain no secrets.
const VERBS: [&str; 17] = [
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN", "HELP",
    "QUIT", "STARTTLS", "ETRN", "TURN", "XCLIENT",
];

/// AUTH mechanisms that are shown. Anything else in that position may be a misplaced secret.
const MECHANISMS: [&str; 14] = [
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
    "GSSAPI",
    "NTLM",
    "EXTERNAL",
    "ANONYMOUS",
];

/// Whether all of a line is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineExtent {
    /// The whole line, without its CRLF.
    Whole,
    /// The beginning of a line that is too long.
    Beginning,
}

/// Redacts the lines of one session. It has state because a secret can be on a line of its own.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Whether the client has sent AUTH: lines that are not commands may then be secrets.
    after_auth: bool,
    /// Whether the last line was too long, so that its rest follows.
    inside_line: bool,
}

impl Redactor {
    /// Returns the text to show for a line, or for the beginning of one that is too long. `None`:
    /// it is the rest of a line that was shown.
    pub fn command(&mut self, line: &[u8], extent: LineExtent) -> Option<String> {
        let is_rest = std::mem::replace(&mut self.inside_line, extent == LineExtent::Beginning);
        if is_rest {
            return None;
        }
        // A lone CR or LF doesn't end a command, but the client may think it does.
        let mut lines = line.split(|octet| matches!(octet, b'\r' | b'\n'));
        let auth = lines.find_map(|line| arguments_of_auth(line));
        let mut shown = match auth {
            Some(arguments) => {
                self.after_auth = true;
                without_secret(arguments)
            }
            None if self.after_auth && !is_command(line) => LEFT_OUT.to_owned(),
            None => escape(line),
        };
        if extent == LineExtent::Beginning {
            shown.push_str(" <line too long>");
        }
        Some(shown)
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t' | 0);
    line.split(is_blank).filter(|word| !word.is_empty())
}

/// Returns what follows the verb, if the verb is AUTH.
fn arguments_of_auth(line: &[u8]) -> Option<&[u8]> {
    let start = line.iter().position(u8::is_ascii_alphanumeric)?;
    let line = &line[start..];
    let (verb, arguments) = line.split_at_checked(4)?;
    // A missing blank after AUTH must not reveal a secret. No other verb begins with AUTH.
    verb.eq_ignore_ascii_case(b"AUTH").then_some(arguments)
}

fn without_secret(arguments: &[u8]) -> String {
    let mut words = words(arguments);
    let known = |word: &[u8]| {
        MECHANISMS.iter().find(|name| word.eq_ignore_ascii_case(name.as_bytes())).copied()
    };
    match (words.next(), words.next()) {
        (None, _) => "AUTH".to_owned(),
        (Some(word), rest) => match (known(word), rest) {
            (Some(mechanism), None) => format!("AUTH {mechanism}"),
            (Some(mechanism), Some(_)) => format!("AUTH {mechanism} {LEFT_OUT}"),
            (None, _) => format!("AUTH {LEFT_OUT}"),
        },
    }
}

fn is_command(line: &[u8]) -> bool {
    let verb = words(line).next().unwrap_or_default();
    VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known.as_bytes()))
}

/// Returns octets as a line of text: UTF-8 stays, but control characters and other octets become
/// `\xNN`.
pub fn escape(octets: &[u8]) -> String {
    let shown = &octets[..octets.len().min(SHOWN_BYTES_MAX)];
    let mut text = escaped(shown);
    if octets.len() > shown.len() {
        let more = octets.len() - shown.len();
        write!(text, " <and {more} octets>").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (line, shown) in [
            (&b"AUTH PLAIN AGFubgBzZWNyZXQ="[..], "AUTH PLAIN <left out>"),
            (b"auth login", "AUTH LOGIN"),
            (b"AUTH", "AUTH"),
            (b"AUTH  CRAM-MD5  secret more", "AUTH CRAM-MD5 <left out>"),
            (b"AUTH\tPLAIN\tsecret", "AUTH PLAIN <left out>"),
            (b"AUTH PLAIN\0secret", "AUTH PLAIN <left out>"),
            (b" AUTH secret", "AUTH <left out>"),
            (b"AUTH=secret", "AUTH <left out>"),
            (b"NOOP\nAUTH PLAIN secret", "AUTH PLAIN <left out>"),
            (b"AUTHPLAIN secret", "AUTH PLAIN <left out>"),
            (b"AUTHOR secret", "AUTH <left out>"),
            (b"MAIL FROM:<a@b> AUTH=<>", "MAIL FROM:<a@b> AUTH=<>"),
        ] {
            let found = Redactor::default().command(line, LineExtent::Whole).unwrap();
            assert_eq!(found, shown, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn lines_after_auth_that_are_not_commands_are_left_out() {
        let mut redactor = Redactor::default();
        let mut shown = |line: &[u8]| redactor.command(line, LineExtent::Whole).unwrap();
        assert_eq!(shown(b"XYZZY"), "XYZZY");
        assert_eq!(shown(b"AUTH LOGIN"), "AUTH LOGIN");
        assert_eq!(shown(b"YW5u"), "<left out>");
        assert_eq!(shown(b"c2VjcmV0"), "<left out>");
        assert_eq!(shown(b"mail from:<a@b>"), "mail from:<a@b>");
        assert_eq!(shown(b"XCLIENT PORT=25"), "XCLIENT PORT=25");
        assert_eq!(shown(b""), "<left out>");
    }

    #[test]
    fn the_rest_of_a_line_that_grew_too_long_is_not_shown() {
        let mut redactor = Redactor::default();
        let long = [&b"AUTH PLAIN "[..], &[b's'; 4000]].concat();
        let shown = redactor.command(&long, LineExtent::Beginning);
        assert_eq!(shown.as_deref(), Some("AUTH PLAIN <left out> <line too long>"));
        assert_eq!(redactor.command(b"secret", LineExtent::Beginning), None);
        assert_eq!(redactor.command(b"secret", LineExtent::Whole), None);
        assert_eq!(redactor.command(b"NOOP", LineExtent::Whole).as_deref(), Some("NOOP"));
    }

    #[test]
    fn a_line_cannot_control_the_terminal() {
        for (octets, shown) in [
            (&b"a\x1b[2J\r\x07"[..], "a\\x1b[2J\\x0d\\x07"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"\xff\x80", "\\xff\\x80"),
            ("\u{85}\u{202e}".as_bytes(), "\\xc2\\x85\\xe2\\x80\\xae"),
        ] {
            assert_eq!(escape(octets), shown);
        }
        let long = escape(&[b'x'; 600]);
        assert!(long.ends_with("x <and 88 octets>") && long.len() < 540, "{long}");
    }
}
