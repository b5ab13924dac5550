//! Parses command lines that break the grammar but are unambiguous, as real programs send them.
//!
//! Used after [`super::grammar::parse`] has refused a line, so a conforming client never reaches
//! this code. Covers only EHLO, HELO, LHLO, MAIL and RCPT. Lines that decide where payload begins
//! (DATA, BDAT) must follow the grammar. CR, LF, NUL and all other control characters within a
//! line, except the tab, stay refused.
//!
//! | kind | accepted |
//! |---|---|
//! | underscore, trailing-dot | `<a@my_host>`, `<a@b.example.>` |
//! | hello-name | EHLO with blanks or any octets above 127 in the name |
//! | blanks | tabs, or spaces in a row, around `FROM:` and the path; spaces between parameters |
//! | auth-parameter | `AUTH=` in MAIL, with any value in printable ASCII |
//! | no-brackets | `MAIL FROM:a@b`, followed by a blank or the end |
//! | no-domain | `<root>`; not `<"root">` |
//! | dots | `<a..b@c>`, `<a.@c>`, `<.a@c>` |
//!
//! The remaining kind, non-ascii, needs no parser: the session detects it.

use super::deviation::{Deviation, Deviations};
use super::grammar::{self, Command, NAME_BYTES_MAX};
use super::param::{self, MailParameters, ParameterError, RcptParameters};
use super::path::{self, PATH_BYTES_MAX, Path};

/// Parses a command line that the grammar refused, without its CRLF.
///
/// Returns the command and the rules it breaks, at least one. Returns `None` if the line is
/// ambiguous, or breaks a rule that is not on the list. Borrows from `line`; allocates nothing.
///
/// ```
/// use sinkd::smtp::{grammar::Command, lenient};
/// let (command, kinds) = lenient::parse(b"RCPT TO: ann@my_host").unwrap();
/// let Command::Rcpt { path, .. } = command else { panic!() };
/// assert_eq!(path.mailbox, b"ann@my_host");
/// assert_eq!(kinds.names(), "underscore, no-brackets");
/// ```
#[cold]
pub fn parse(line: &[u8]) -> Option<(Command<'_>, Deviations)> {
    let line = grammar::trim_trailing_blanks(line);
    let is_control = |&octet: &u8| octet != b'\t' && (octet < b' ' || octet == 0x7f);
    if line.iter().any(is_control) {
        return None;
    }
    let (verb, rest) = line.split_at_checked(4)?;
    let mut reader = Reader { rest, found: Deviations::NONE };
    if !reader.rest.first().is_some_and(is_blank) {
        return None;
    }
    reader.blanks(&[b" "]);
    let command = match &verb.to_ascii_uppercase()[..] {
        b"EHLO" => Command::Ehlo { name: reader.name()? },
        b"HELO" => Command::Helo { name: reader.name()? },
        b"LHLO" => Command::Lhlo { name: reader.name()? },
        b"MAIL" => reader.mail()?,
        b"RCPT" => reader.rcpt()?,
        _ => return None,
    };
    (!reader.found.is_empty()).then_some((command, reader.found))
}

fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// The rest of the line, and the rules broken so far.
struct Reader<'a> {
    rest: &'a [u8],
    found: Deviations,
}

impl<'a> Reader<'a> {
    /// Consumes `bytes` octets; panics if there are fewer.
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Consumes `text`, ignoring case.
    fn expect(&mut self, text: &[u8]) -> Option<()> {
        let (head, rest) = self.rest.split_at_checked(text.len())?;
        self.rest = rest;
        head.eq_ignore_ascii_case(text).then_some(())
    }

    /// Consumes spaces and tabs, if any. A sequence that is not in `right` is a deviation.
    fn blanks(&mut self, right: &[&[u8]]) {
        let count = self.rest.iter().take_while(|octet| is_blank(octet)).count();
        let taken = self.take(count);
        if !right.contains(&taken) {
            self.found.add(Deviation::Blanks);
        }
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        let name = self.take(self.rest.len());
        if !name.iter().all(u8::is_ascii_graphic) {
            self.found.add(Deviation::HelloName);
        }
        matches!(name.len(), 1..=NAME_BYTES_MAX).then_some(name)
    }

    fn mail(&mut self) -> Option<Command<'a>> {
        self.keyword(b"FROM")?;
        let path = if self.rest.starts_with(b"<>") {
            self.take(2);
            Path { mailbox: b"", utf8: false }
        } else {
            self.path()?
        };
        let text = self.parameters()?;
        let mut parameters = MailParameters { text, ..MailParameters::default() };
        for parameter in text.split(is_blank).filter(|parameter| !parameter.is_empty()) {
            match param::add_mail_parameter(&mut parameters, parameter) {
                Ok(()) => {}
                Err(ParameterError::Unknown) if is_auth(parameter) => {
                    self.found.add(Deviation::AuthParameter);
                }
                Err(_) => return None,
            }
        }
        Some(Command::Mail { path, parameters })
    }

    fn rcpt(&mut self) -> Option<Command<'a>> {
        self.keyword(b"TO")?;
        let before = self.found;
        let path = self.path()?;
        if path.mailbox.eq_ignore_ascii_case(b"postmaster") {
            // The only recipient that needs no domain (RFC 5321 4.1.1.3).
            let no_domain = Deviations::only(Deviation::NoDomain);
            self.found = before.union(self.found.without(no_domain));
        }
        let text = self.parameters()?;
        let mut parameters = RcptParameters { text, ..RcptParameters::default() };
        for parameter in text.split(is_blank).filter(|parameter| !parameter.is_empty()) {
            param::add_rcpt_parameter(&mut parameters, parameter).ok()?;
        }
        parameters.utf8 = !text.is_ascii();
        Some(Command::Rcpt { path, parameters })
    }

    /// Consumes `FROM:` or `TO:`, and blanks around the colon. One space after the colon does not
    /// count as a deviation here: `grammar` tolerates it too, although RFC 5321 does not allow it.
    fn keyword(&mut self, word: &[u8]) -> Option<()> {
        self.expect(word)?;
        self.blanks(&[b""]);
        self.expect(b":")?;
        self.blanks(&[b"", b" "]);
        Some(())
    }

    /// Returns all parameters as sent, without the blanks before the first.
    fn parameters(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return Some(b"");
        }
        if !self.rest.first().is_some_and(is_blank) {
            return None;
        }
        self.blanks(&[b" "]);
        let text = self.take(self.rest.len());
        if text.windows(2).any(|pair| pair == b"  ") {
            self.found.add(Deviation::Blanks);
        }
        // Parameters are kept as sent, and may be forwarded: no control character may be among
        // them.
        (!text.contains(&b'\t')).then_some(text)
    }

    fn path(&mut self) -> Option<Path<'a>> {
        let whole = self.rest;
        let has_brackets = self.rest.starts_with(b"<");
        if has_brackets {
            self.take(1);
            self.source_route()?;
        } else {
            self.found.add(Deviation::NoBrackets);
        }
        let (mailbox, has_domain) = self.mailbox()?;
        if has_brackets {
            self.expect(b">")?;
        } else if !self.rest.first().is_none_or(is_blank) {
            return None;
        } else if !has_domain && mailbox.contains(&b'=') {
            // `MAIL FROM: SIZE=5` has an empty path, and a parameter.
            return None;
        }
        let whole = &whole[..whole.len() - self.rest.len()];
        let utf8 = !whole.is_ascii();
        if whole.len() > PATH_BYTES_MAX || (utf8 && std::str::from_utf8(whole).is_err()) {
            return None;
        }
        Some(Path { mailbox, utf8 })
    }

    /// Skips a source route, `@a,@b:`, if there is one.
    fn source_route(&mut self) -> Option<()> {
        if !self.rest.starts_with(b"@") {
            return Some(());
        }
        loop {
            self.expect(b"@")?;
            self.domain()?;
            match self.rest.first()? {
                b',' => self.take(1),
                b':' if self.rest.get(1) != Some(&b'@') => {
                    self.take(1);
                    return Some(());
                }
                _ => return None,
            };
        }
    }

    /// Parses the mailbox; also returns whether it has a domain.
    fn mailbox(&mut self) -> Option<(&'a [u8], bool)> {
        let text = self.rest;
        self.local_part()?;
        let has_domain = self.rest.starts_with(b"@");
        if has_domain {
            self.take(1);
            self.domain()?;
        } else if text.starts_with(b"\"") {
            // `"a@b"` is a local-part, but would look like an address in the log.
            return None;
        } else {
            self.found.add(Deviation::NoDomain);
        }
        Some((&text[..text.len() - self.rest.len()], has_domain))
    }

    fn local_part(&mut self) -> Option<()> {
        if self.rest.starts_with(b"\"") {
            self.take(path::quoted_string_bytes(self.rest)?);
            return Some(());
        }
        let belongs = |octet: &&u8| path::is_atext(**octet) || **octet == b'.';
        let count = self.rest.iter().take_while(belongs).count();
        let text = self.take(count);
        let elements = || text.split(|&octet| octet == b'.');
        if elements().all(<[u8]>::is_empty) {
            return None;
        }
        if elements().any(<[u8]>::is_empty) {
            self.found.add(Deviation::Dots);
        }
        Some(())
    }

    fn domain(&mut self) -> Option<()> {
        if self.rest.starts_with(b"[") {
            self.take(path::domain_bytes(self.rest)?);
            return Some(());
        }
        let belongs = |octet: &&u8| path::is_ldh(**octet) || matches!(**octet, b'_' | b'.');
        let count = self.rest.iter().take_while(belongs).count();
        let text = self.take(count);
        let name = text.strip_suffix(b".").unwrap_or(text);
        if name.len() < text.len() {
            self.found.add(Deviation::TrailingDot);
        }
        if name.contains(&b'_') {
            self.found.add(Deviation::Underscore);
        }
        let is_label = |label: &[u8]| !label.is_empty() && path::has_no_outer_hyphen(label);
        name.split(|&octet| octet == b'.').all(is_label).then_some(())
    }
}

/// Returns whether this is `AUTH=` with a value (RFC 4954 5), which sinkd does not interpret.
fn is_auth(parameter: &[u8]) -> bool {
    let keyword = parameter.get(..5).unwrap_or_default();
    keyword.eq_ignore_ascii_case(b"AUTH=") && parameter[5..].iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a line is accepted: its mailbox or name, its parameters, and its deviations.
    #[track_caller]
    fn accepted(line: &[u8], subject: &[u8], parameters: &[u8], kinds: &str) {
        assert!(grammar::parse(line).is_err(), "{}", line.escape_ascii());
        let (command, found) = parse(line).expect("it is accepted");
        let seen = match command {
            Command::Mail { path, parameters } => (path.mailbox, parameters.text),
            Command::Rcpt { path, parameters } => (path.mailbox, parameters.text),
            Command::Ehlo { name } | Command::Helo { name } | Command::Lhlo { name } => {
                (name, &[][..])
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, (subject, parameters), "{}", line.escape_ascii());
        assert_eq!(found.names(), kinds, "{}", line.escape_ascii());
    }

    #[test]
    fn unambiguous_lines_are_accepted_and_their_deviations_named() {
        for (line, subject, parameters, kinds) in [
            (
                &b"MAIL FROM:<www-data@my_app_1>"[..],
                &b"www-data@my_app_1"[..],
                &b""[..],
                "underscore",
            ),
            (b"RCPT TO:<a@b.example.>", b"a@b.example.", b"", "trailing-dot"),
            (b"RCPT TO:<@a_b,@c.:u@d>", b"u@d", b"", "underscore, trailing-dot"),
            (b"EHLO M\xc3\x9cLLER-PC", b"M\xc3\x9cLLER-PC", b"", "hello-name"),
            (b"HELO M\xdcLLER", b"M\xdcLLER", b"", "hello-name"),
            (b"LHLO my computer", b"my computer", b"", "hello-name"),
            (b"EHLO \t a", b"a", b"", "blanks"),
            (b"MAIL FROM:  <a@b>", b"a@b", b"", "blanks"),
            (b"RCPT TO:\t<c@d>", b"c@d", b"", "blanks"),
            (b"rcpt\tto : <c@d>", b"c@d", b"", "blanks"),
            (b"MAIL  FROM:<>", b"", b"", "blanks"),
            (b"MAIL FROM:<a@b>  SIZE=5", b"a@b", b"SIZE=5", "blanks"),
            (b"MAIL FROM:<a@b>\tSIZE=5", b"a@b", b"SIZE=5", "blanks"),
            (b"RCPT TO:  <PostMaster>", b"PostMaster", b"", "blanks"),
            (
                b"RCPT TO:<c@d> NOTIFY=NEVER  ORCPT=x;y",
                b"c@d",
                b"NOTIFY=NEVER  ORCPT=x;y",
                "blanks",
            ),
            (b"MAIL FROM:<a@b> SIZE=1 AUTH=<>", b"a@b", b"SIZE=1 AUTH=<>", "auth-parameter"),
            (b"MAIL FROM:<a@b> auth=e+3Dmc2", b"a@b", b"auth=e+3Dmc2", "auth-parameter"),
            (b"MAIL FROM: craig@shop.example", b"craig@shop.example", b"", "no-brackets"),
            (b"MAIL FROM:a@b SIZE=5", b"a@b", b"SIZE=5", "no-brackets"),
            (b"RCPT TO:\"a b\"@c", b"\"a b\"@c", b"", "no-brackets"),
            (b"RCPT TO:<root>", b"root", b"", "no-domain"),
            (b"MAIL FROM:<postmaster>", b"postmaster", b"", "no-domain"),
            (b"RCPT TO:postmaster", b"postmaster", b"", "no-brackets"),
            (b"RCPT TO:root", b"root", b"", "no-brackets, no-domain"),
            (b"RCPT TO:<test.test.@test.example>", b"test.test.@test.example", b"", "dots"),
            (b"RCPT TO:<a..b@c>", b"a..b@c", b"", "dots"),
            (b"RCPT TO:<.a@c>", b".a@c", b"", "dots"),
        ] {
            accepted(line, subject, parameters, kinds);
        }
    }

    #[test]
    fn ambiguous_lines_stay_refused() {
        for line in [
            &b"MAIL FROM:<a@b>\0"[..],
            b"MAIL FROM:<a@b>\rRSET",
            b"MAIL FROM:<a@b>\nRSET",
            b"EHLO a\x7f",
            b"EHLO a\x0b",
            b" MAIL FROM:<a@b>",
            b"\tEHLO a",
            b"DATA\t.",
            b"DATA now",
            b"BDAT\t5",
            b"BDAT  5 LAST",
            b"BDAT 5\tLAST",
            b"NOOP\tx",
            b"EHLO",
            b"HELO ",
            b"MAIL FROM:",
            b"MAIL FROM: ",
            b"MAIL FROM: SIZE=5",
            b"MAIL FROM <a@b>",
            b"MAIL <a@b>",
            b"MAIL FROM:<a@b",
            b"MAIL FROM:a@b>",
            b"MAIL FROM:<a b@c>",
            b"MAIL FROM:< a@b>",
            b"MAIL FROM:a@b, c@d",
            b"MAIL FROM:Ann <a@b>",
            b"MAIL FROM:<a@b>SIZE=1",
            b"MAIL FROM:<a@b> SIZE=1  SIZE=1",
            b"MAIL FROM:<a@b> SIZE=5\tRET=HDRS",
            b"MAIL FROM:<a@b> XYZZY=1",
            b"MAIL FROM:<a@b> AUTH",
            b"MAIL FROM:<a@b> AUTH=",
            b"MAIL FROM:<\xff@b>",
            b"RCPT TO:<>",
            b"RCPT TO:<@b>",
            b"RCPT TO:<.@b>",
            b"RCPT TO:<a@>",
            b"RCPT TO:<a@.>",
            b"RCPT TO:<a@b..>",
            b"RCPT TO:<a@b..c>",
            b"RCPT TO:<a@-b>",
            b"RCPT TO:<a@b@c>",
            b"RCPT TO:<\"a@b.example\">",
            b"RCPT TO:\"root\"",
            b"RCPT TO:<@route.example user@example.com>",
            b"RCPT TO:<a@b> AUTH=<>",
            b"MAIL FROM:<a@b>", // breaks no rule: the grammar's to accept
        ] {
            assert_eq!(parse(line), None, "{}", line.escape_ascii());
        }
        let long = format!("EHLO \u{fc}{}", "x".repeat(NAME_BYTES_MAX - 1));
        assert_eq!(parse(long.as_bytes()), None);
        let long = format!("RCPT TO:<{}>", "x".repeat(PATH_BYTES_MAX - 1));
        assert_eq!(parse(long.as_bytes()), None);
        assert!(parse(long.replacen('x', "", 1).as_bytes()).is_some());
    }
}
