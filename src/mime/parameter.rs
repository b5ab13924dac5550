//! A field's value and its parameters: Content-Type, Content-Disposition (RFC 2045 5.1, RFC 2183,
//! RFC 2231), for what mailers send as well as for what they should.
use super::charset::to_unicode;
use super::encoded_word;
use super::header::Field;

/// Octets of a field that are looked at.
const FIELD_BYTES_MAX: usize = 64 << 10;

/// A value such as `text/plain`, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameterized {
    /// In lower case, without comments and spaces.
    pub value: String,
    parameters: Vec<Parameter>,
}

/// `name=value`, `name*=…`, `name*0=…` or `name*0*=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    /// In lower case, without stars.
    name: String,
    /// Its number if it is one of several that are one value.
    section: Option<u32>,
    /// A star stands at its end: charset, language and octets as %XX.
    is_encoded: bool,
    value: Vec<u8>,
}

impl Parameterized {
    /// Total; costs one pass over the first 64 KiB.
    pub fn parse(field: &Field<'_>) -> Parameterized {
        let text = field.unfolded();
        let mut pieces = pieces(&text[..text.len().min(FIELD_BYTES_MAX)]).into_iter();
        let value = pieces.next().unwrap_or_default();
        let value = value.split(|b| *b == b'(').next().unwrap_or_default();
        let value: Vec<u8> = value.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        Parameterized {
            value: String::from_utf8_lossy(&value).to_ascii_lowercase(),
            parameters: pieces.filter_map(Parameter::parse).collect(),
        }
    }

    /// The octets of a parameter as they stand; `None` if it is not there, or empty.
    pub fn octets(&self, name: &str) -> Option<&[u8]> {
        let plain = |p: &&Parameter| p.name == name && p.section.is_none() && !p.is_encoded;
        let value = &self.parameters.iter().find(plain)?.value[..];
        (!value.is_empty()).then_some(value)
    }

    /// A parameter as Unicode: in the way of RFC 2231 if it is there in that way, else as encoded
    /// words, which must not stand here and do. `None` if it is not there, or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = self
            .extended(name)
            .or_else(|| Some(encoded_word::decoded(self.octets(name)?).into_owned()))?;
        (!text.is_empty()).then_some(text)
    }

    /// All sections of a parameter decoded together: mailers cut characters in two.
    fn extended(&self, name: &str) -> Option<String> {
        let is_section = |p: &&Parameter| p.name == name && (p.is_encoded || p.section.is_some());
        let mut sections: Vec<&Parameter> = self.parameters.iter().filter(is_section).collect();
        sections.sort_by_key(|p| p.section);
        let first = sections.first()?;
        let mut parts = first.value.splitn(3, |b| *b == b'\'');
        let charset = match (first.is_encoded, parts.next(), parts.next(), parts.next()) {
            (true, Some(charset), Some(_), Some(_)) => std::str::from_utf8(charset).ok(),
            _ => None,
        };
        let mut octets = Vec::new();
        for (number, section) in sections.iter().enumerate() {
            let value = match number {
                0 if charset.is_some() => first.value.splitn(3, |b| *b == b'\'').nth(2),
                _ => Some(&section.value[..]),
            };
            match section.is_encoded {
                true => percent_decode(value.unwrap_or_default(), &mut octets),
                false => octets.extend_from_slice(value.unwrap_or_default()),
            }
        }
        Some(to_unicode(&octets, charset).into_owned())
    }
}

impl Parameter {
    fn parse(piece: &[u8]) -> Option<Parameter> {
        let equals = memchr::memchr(b'=', piece)?;
        let name = std::str::from_utf8(&piece[..equals]).ok()?.trim().to_ascii_lowercase();
        let (name, is_encoded) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (&*name, false),
        };
        let (name, section) = match name.split_once('*') {
            Some((name, section)) => (name, Some(section.parse().ok()?)),
            None => (name, None),
        };
        let value = piece[equals + 1..].trim_ascii();
        let value = match value.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted),
            None => token(name, value).to_vec(),
        };
        Some(Parameter { name: name.to_owned(), section, is_encoded, value })
    }
}

/// A value without quotes ends at a space, a comment behind it is none of it; but names of files
/// have spaces that nobody quoted.
fn token<'v>(name: &str, value: &'v [u8]) -> &'v [u8] {
    if name.ends_with("name") {
        return value;
    }
    let is_end = |b: &u8| b.is_ascii_whitespace() || *b == b'(';
    &value[..value.iter().position(is_end).unwrap_or(value.len())]
}

/// Up to the closing quote, `\"` and the like undone.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(octet) = rest.next() {
        match octet {
            b'"' => break,
            b'\\' => octets.extend(rest.next()),
            other => octets.push(*other),
        }
    }
    octets
}

/// Splits at semicolons that don't stand in quotes.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let (mut in_quotes, mut is_escaped) = (false, false);
    let mut is_end = |octet: &u8| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match octet {
            b'\\' if in_quotes => is_escaped = !was_escaped,
            b'"' if !was_escaped => in_quotes = !in_quotes,
            _ => {}
        }
        *octet == b';' && !in_quotes
    };
    text.split(|octet| is_end(octet)).collect()
}

fn percent_decode(text: &[u8], octets: &mut Vec<u8>) {
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
        Parameterized::parse(&Field { name_octets: b"Content-Type", raw: text.as_bytes() })
    }

    #[test]
    fn values() {
        for (text, expected) in [
            (" Text/HTML; charset=utf-8\r\n", "text/html"),
            ("text/plain (a comment)", "text/plain"),
            ("text / plain", "text/plain"),
            ("", ""),
            (";;;", ""),
            ("attachment", "attachment"),
        ] {
            assert_eq!(parsed(text).value, expected, "{text}");
        }
    }

    #[test]
    fn parameters() {
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
            // Sections out of order, a character in two of them, a charset of one octet.
            ("a/b; name*1*=%BC.; name*2=pdf; name*0*=utf-8''%C3", Some("ü.pdf")),
            ("a/b; name*0*=iso-8859-1'de'Gr%FC; name*1*=%DFe", Some("Grüße")),
            ("a/b; name*0=one; name*1=two", Some("onetwo")),
            ("a/b; name*x=1; name*99999999999=2", None),
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
        assert_eq!(charset.octets("boundary"), Some(&b"a b"[..]));
    }
}
