//! Parses a field's value and its parameters: Content-Type, Content-Disposition (RFC 2045 section
//! 5.1, RFC 2183, RFC 2231). Also accepts what mailers send in violation of the standards: comments
//! anywhere, missing semicolons, and meaningless words.
use std::borrow::Cow;

use super::charset::to_unicode;
use super::encoded_word;
use super::header::HeaderField;

/// Maximum number of octets of a field that are parsed.
const FIELD_BYTES_MAX: usize = 64 << 10;

/// A value such as `text/plain`, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameterized {
    /// The value in lower case, without comments and spaces.
    pub value: String,
    parameters: Vec<Parameter>,
}

/// `name=value`, `name*=…`, `name*0=…` or `name*0*=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    /// The name in lower case, without stars.
    name: String,
    /// The section number, if the value is split over several parameters.
    section: Option<u32>,
    /// The name ends with a star: the value has a charset, a language, and octets encoded as %XX.
    is_encoded: bool,
    value: Vec<u8>,
}

impl Parameterized {
    /// Parses any octets, in one pass over the first 64 KiB.
    pub fn parse(field: &HeaderField<'_>) -> Parameterized {
        let text = field.unfolded();
        let mut scanner = Scanner { rest: &text[..text.len().min(FIELD_BYTES_MAX)] };
        let value = scanner.value();
        let parameters = std::iter::from_fn(|| scanner.parameter()).collect();
        Parameterized { value: String::from_utf8_lossy(&value).to_ascii_lowercase(), parameters }
    }

    /// Returns the octets of a parameter, by RFC 2231 or as written; `None` if it is missing or
    /// empty.
    pub fn octets(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let extended = self.sections(name).map(|sections| Cow::Owned(joined(&sections).1));
        let octets = extended.or_else(|| self.plain(name).map(Cow::Borrowed))?;
        (!octets.is_empty()).then_some(octets)
    }

    fn plain(&self, name: &str) -> Option<&[u8]> {
        let plain = |p: &&Parameter| p.name == name && p.section.is_none() && !p.is_encoded;
        Some(&self.parameters.iter().find(plain)?.value)
    }

    /// Returns a parameter as Unicode: by RFC 2231 if it is encoded that way, else as encoded
    /// words, which are forbidden here but common. Returns `None` if it is missing or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.sections(name) {
            Some(sections) if sections.iter().any(|section| section.is_encoded) => {
                let (charset, octets) = joined(&sections);
                to_unicode(&octets, charset).into_owned()
            }
            Some(sections) => encoded_word::decoded(&joined(&sections).1).into_owned(),
            None => encoded_word::decoded(self.plain(name)?).into_owned(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Returns the parameters that form a value by RFC 2231, in order: `name*` alone, or the first
    /// of each section number.
    fn sections(&self, name: &str) -> Option<Vec<&Parameter>> {
        let is_section = |p: &&Parameter| p.name == name && (p.is_encoded || p.section.is_some());
        let mut sections: Vec<&Parameter> = self.parameters.iter().filter(is_section).collect();
        sections.sort_by_key(|p| p.section);
        sections.dedup_by_key(|p| p.section);
        if sections.first()?.section.is_none() {
            sections.truncate(1);
        }
        Some(sections)
    }
}

/// Returns the charset of sections, and their octets, which are joined before they are decoded,
/// because mailers may split a character between sections.
fn joined<'p>(sections: &[&'p Parameter]) -> (Option<&'p str>, Vec<u8>) {
    let (mut charset, mut octets) = (None, Vec::new());
    for (number, section) in sections.iter().enumerate() {
        let mut value = &section.value[..];
        if number == 0 && section.is_encoded {
            let mut parts = value.splitn(3, |b| *b == b'\'');
            if let (Some(name), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                (charset, value) = (std::str::from_utf8(name).ok(), rest);
            }
        }
        if section.is_encoded {
            percent_decode(value, &mut octets)
        } else {
            octets.extend_from_slice(value)
        }
    }
    (charset, octets)
}

impl Parameter {
    /// Interprets `name`, as written with stars. Returns `None` if it is not UTF-8, or if its
    /// section is not a number.
    fn new(name: &[u8], value: Vec<u8>) -> Option<Parameter> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let (name, is_encoded) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (&*name, false),
        };
        let (name, section) = match name.split_once('*') {
            Some((name, section)) => (name, Some(section.parse().ok()?)),
            None => (name, None),
        };
        Some(Parameter { name: name.to_owned(), section, is_encoded, value })
    }
}

/// The rest of a field's text. Each method consumes octets, so parsing is a single pass.
struct Scanner<'t> {
    rest: &'t [u8],
}

impl<'t> Scanner<'t> {
    /// Returns the text before the parameters, without comments, quotes, and white space around
    /// `/`. A word after it is ignored. Empty if the first word is the name of a parameter.
    fn value(&mut self) -> Vec<u8> {
        let start = self.rest;
        let mut value = Vec::new();
        loop {
            self.skip_comments();
            let word = self.until(|b| b.is_ascii_whitespace() || b"(;,=".contains(&b));
            value.extend(word.iter().copied().filter(|b| *b != b'"'));
            self.skip_comments();
            let goes_on = value.ends_with(b"/") || self.rest.starts_with(b"/");
            if word.is_empty() || !goes_on {
                break;
            }
        }
        if self.rest.starts_with(b"=") {
            self.rest = start;
            value.clear();
        }
        value
    }

    /// Returns the next parameter. Other words are skipped, so a semicolon before a parameter can
    /// be missing.
    fn parameter(&mut self) -> Option<Parameter> {
        loop {
            self.skip_comments();
            let octet = *self.rest.first()?;
            if b";,=\"".contains(&octet) {
                self.rest = &self.rest[1..];
                continue;
            }
            let name = self.until(|b| b.is_ascii_whitespace() || b"(;=".contains(&b));
            self.skip_comments();
            let Some(rest) = self.rest.strip_prefix(b"=") else { continue };
            self.rest = rest.trim_ascii_start();
            let value = self.parameter_value(name);
            if let Some(parameter) = Parameter::new(name, value) {
                return Some(parameter);
            }
        }
    }

    /// Reads a quoted value, or a word. File names can have unquoted spaces.
    fn parameter_value(&mut self, name: &[u8]) -> Vec<u8> {
        let stem = name.split(|b| *b == b'*').next().unwrap_or_default();
        let is_name = stem.len() >= 4 && stem[stem.len() - 4..].eq_ignore_ascii_case(b"name");
        if is_name && !self.rest.starts_with(b"\"") {
            return self.until(|b| b == b';').trim_ascii_end().to_vec();
        }
        self.skip_comments();
        match self.rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (value, rest) = unquoted(quoted);
                self.rest = rest;
                value
            }
            None => self.until(|b| b.is_ascii_whitespace() || b"(;".contains(&b)).to_vec(),
        }
    }

    fn until(&mut self, is_end: impl Fn(u8) -> bool) -> &'t [u8] {
        let end = self.rest.iter().position(|b| is_end(*b)).unwrap_or(self.rest.len());
        let (before, rest) = self.rest.split_at(end);
        self.rest = rest;
        before
    }

    /// Skips white space and comments, which can be nested (RFC 5322 section 3.2.2). A comment that
    /// is never closed extends to the end.
    fn skip_comments(&mut self) {
        self.rest = self.rest.trim_ascii_start();
        while self.rest.starts_with(b"(") {
            let (mut depth, mut at) = (0_usize, 0);
            while let Some(octet) = self.rest.get(at) {
                match octet {
                    b'\\' => at += 1,
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            self.rest = self.rest[at.min(self.rest.len())..].trim_ascii_start();
        }
    }
}

/// Returns the text up to the closing quote, unescaped, and the text after the quote.
fn unquoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut octets = Vec::new();
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        at += 1;
        match octet {
            b'"' => break,
            b'\\' => {
                octets.extend(text.get(at));
                at += 1;
            }
            other => octets.push(*other),
        }
    }
    (octets, &text[at.min(text.len())..])
}

pub(super) fn percent_decode(text: &[u8], octets: &mut Vec<u8>) {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                octets.push((high << 4 | low) as u8);
                at += 3;
            }
            (octet, _, _) => {
                octets.push(octet);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parameterized {
        Parameterized::parse(&HeaderField { name_octets: b"Content-Type", raw: text.as_bytes() })
    }

    #[test]
    fn values_are_parsed() {
        for (text, expected) in [
            (" Text/HTML; charset=utf-8\r\n", "text/html"),
            ("text/plain (a comment)", "text/plain"),
            ("text / plain", "text/plain"),
            ("text/ (a) plain (b)", "text/plain"),
            ("(a (nested \\) one)) text (b) /html; x=y", "text/html"),
            ("text/html charset=iso-8859-1", "text/html"),
            ("text/html, charset=iso-8859-1", "text/html"),
            ("\"text/html\"", "text/html"),
            ("base64;", "base64"),
            ("base64 oder so", "base64"),
            ("charset=utf-8", ""),
            ("filename=\"x\"", ""),
            ("", ""),
            (";;;", ""),
            ("attachment", "attachment"),
        ] {
            assert_eq!(parsed(text).value, expected, "{text}");
        }
    }

    #[test]
    fn parameters_are_parsed() {
        for (text, expected) in [
            ("a/b; name=x", Some("x")),
            ("a/b;NAME = \"x; y\" ; z=1", Some("x; y")),
            ("a/b; name=\"a\\\"b\\\\c\"", Some("a\"b\\c")),
            ("a/b; name=my file (1).pdf", Some("my file (1).pdf")),
            ("a/b; name=\"never closed; x=y", Some("never closed; x=y")),
            ("a/b; name=\"a\r\n b\"", Some("a b")),
            ("a/b; name=\"=?utf-8?q?=C3=BC?=.pdf\"", Some("ü.pdf")),
            ("a/b; name*=utf-8'de'%C3%BC%2epdf", Some("ü.pdf")),
            ("a/b; name=x; name*=utf-8''y", Some("y")),
            ("a/b; name*=utf-8%20", Some("utf-8 ")),
            // Sections out of order, a character split between two of them, and a charset with
            // single octets.
            ("a/b; name*1*=%BC.; name*2=pdf; name*0*=utf-8''%C3", Some("ü.pdf")),
            ("a/b; name*0*=iso-8859-1'de'Gr%FC; name*1*=%DFe", Some("Grüße")),
            ("a/b; name*0=one; name*1=two", Some("onetwo")),
            ("a/b; name*x=1; name*99999999999=2", None),
            // Encoded words that mailers split into sections.
            ("a/b; name*0=\"=?utf-8?q?Gr=C3=BC\"; name*1=\"=C3=9Fe?=.pdf\"", Some("Grüße.pdf")),
            ("a/b; name*0==?utf-8?b?R3LDvMOf; name*1=ZQ==?=", Some("Grüße")),
            ("a/b; name*0=a; name*0=b; name*1=c", Some("ac")),
            ("a/b; name*=utf-8''x; name*0=y", Some("x")),
            // Comments, missing semicolons, and meaningless words.
            ("a/b name=\"x\"", Some("x")),
            ("a/b; foo bar name=\"x\" charset=y", Some("x")),
            ("a/b (c; name=no) ; (d) name (e) = \"x\" (f)", Some("x")),
            ("a/b; charset=y name=x", Some("x")),
            ("a/b; charset=\"y\"name=x", Some("x")),
            ("name=x", Some("x")),
            ("a/b; (never closed; name=x", None),
            ("a/b; name=", None),
            ("a/b; name=\"\"", None),
            ("a/b; name", None),
            ("a/b; filename=x", None),
            ("a/b; name=x; name=y", Some("x")),
            ("a/b; name*0*=%", Some("%")),
        ] {
            assert_eq!(parsed(text).text("name").as_deref(), expected, "{text}");
        }
        let charset = parsed("text/plain; charset=us-ascii (Plain text); boundary=\"a b\"");
        assert_eq!(charset.text("charset").as_deref(), Some("us-ascii"));
        assert_eq!(charset.octets("boundary").as_deref(), Some(&b"a b"[..]));
        for text in ["m/x; boundary*0*=''a%20; boundary*1=b", "m/x; boundary*=us-ascii'en'a%20b"] {
            assert_eq!(parsed(text).octets("boundary").as_deref(), Some(&b"a b"[..]), "{text}");
        }
        let charset = parsed("text/plain; charset (a) = (b) utf-8(c)");
        assert_eq!(charset.text("charset").as_deref(), Some("utf-8"));
    }
}
