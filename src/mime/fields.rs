//! The fields of a header (RFC 5322 2.2), found by their line breaks; a value is taken apart only
//! when somebody asks for it.
use std::borrow::Cow;
use std::ops::Range;

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};
use memchr::{memchr, memmem};

/// Finds where a header ends; made once, as making it costs as much as a search.
pub(super) struct HeaderEnd {
    crlf: memmem::Finder<'static>,
    lf: memmem::Finder<'static>,
}

impl HeaderEnd {
    pub fn new() -> HeaderEnd {
        HeaderEnd { crlf: memmem::Finder::new(b"\n\r\n"), lf: memmem::Finder::new(b"\n\n") }
    }

    /// Octets of the header that `text` begins with, its empty line included; all if there is none.
    pub fn find(&self, text: &[u8]) -> usize {
        if text.starts_with(b"\r\n") || text.starts_with(b"\n") {
            return 1 + usize::from(text[0] == b'\r');
        }
        let with_cr = self.crlf.find(text).map_or(text.len(), |n| n + 3);
        self.lf.find(&text[..with_cr]).map_or(with_cr, |n| n + 2)
    }
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    /// As it was written, without space around it.
    pub name: &'a [u8],
    /// Where the whole field lies, its line break included.
    pub range: Range<usize>,
    /// Behind the colon, folded as it was, with its line break.
    pub value: &'a [u8],
}

/// The fields of a header, in order; lines that are no field are passed over.
pub(super) fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < header.len() {
            let start = at;
            at = field_end(header, start);
            let line = &header[start..at];
            let Some(colon) = memchr(b':', line) else { continue };
            let name = line[..colon].trim_ascii();
            if !name.is_empty() && !name.contains(&b'\n') {
                return Some(Field { name, range: start..at, value: &line[colon + 1..] });
            }
        }
        None
    })
}

/// Behind the line break that no white space follows.
fn field_end(header: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(n) = memchr(b'\n', &header[at..]) {
        at += n + 1;
        if !matches!(header.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    header.len()
}

impl<'a> Field<'a> {
    /// Is it called so? Upper and lower case are the same.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value as addresses (RFC 5322 3.4).
    pub fn addresses(&self) -> HeaderValue<'a> {
        MessageStream::new(self.value).parse_address()
    }

    /// The value as text, its encoded words decoded (RFC 2047).
    pub fn text(&self) -> HeaderValue<'a> {
        MessageStream::new(self.value).parse_unstructured()
    }

    /// The value as message ids, without their angle brackets.
    pub fn ids(&self) -> HeaderValue<'a> {
        MessageStream::new(self.value).parse_id()
    }

    /// The value as a type with attributes (RFC 2045 5.1, RFC 2183, RFC 2231).
    pub fn kind(&self) -> Option<ContentType<'a>> {
        match MessageStream::new(self.value).parse_content_type() {
            HeaderValue::ContentType(kind) => Some(kind),
            _ => None,
        }
    }
}

/// The header with a line break at its end, without which the library sees no value.
pub(super) fn ended(header: &[u8]) -> Cow<'_, [u8]> {
    match header.last() {
        Some(b'\n') | None => header.into(),
        Some(_) => [header, b"\n"].concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_the_end_of_a_header() {
        let names = |header: &str| {
            let header = header.as_bytes();
            let end = HeaderEnd::new().find(header);
            let names =
                fields(&header[..end]).map(|f| String::from_utf8_lossy(f.name).into_owned());
            (names.collect::<Vec<_>>().join(" "), end)
        };
        let table = [
            ("A: 1\r\nB : 2\r\n 3\r\n\r\nC: 4\r\n", ("A B", 19)),
            ("A: 1\nB: 2\n\t3\n\nC: 4\n", ("A B", 14)),
            ("A: 1\nB: 2\r\n\r\n\n", ("A B", 13)),
            ("no field\n: nor this\nA: 1\n", ("A", 25)),
            (" A: 1\nB: 2", ("A B", 10)),
            ("\r\nA: 1\r\n", ("", 2)),
            ("\nA: 1", ("", 1)),
            ("", ("", 0)),
        ];
        for (header, (expected, end)) in table {
            assert_eq!(names(header), (expected.to_owned(), end), "{header:?}");
        }
    }
}
