//! Header fields as they stand in a message.
use std::borrow::Cow;

use super::encoded_word;

/// Octets of one field's value that are decoded; no real field is that long.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// A field; borrows from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderField<'m> {
    /// Printable ASCII without a colon, as sent; as text by [`HeaderField::name`].
    pub name_octets: &'m [u8],
    /// All after the colon, with its folds and its line end.
    pub raw: &'m [u8],
}

impl<'m> HeaderField<'m> {
    /// The name of the field as text.
    pub fn name(&self) -> Cow<'m, str> {
        String::from_utf8_lossy(self.name_octets)
    }

    /// Returns whether the field has this name, without regard to case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name_octets.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value of the field on one line, encoded words decoded (`encoded_word`); at most its
    /// first MiB.
    pub fn decoded(&self) -> String {
        encoded_word::decoded(&self.unfolded()).into_owned()
    }

    /// The value of the field on one line: a fold is one space, and so is the space around it.
    pub fn unfolded(&self) -> Cow<'m, [u8]> {
        let value = self.raw[..self.raw.len().min(VALUE_BYTES_MAX)].trim_ascii();
        if !value.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            return Cow::Borrowed(value);
        }
        let lines = value.split(|b| matches!(b, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
        let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        Cow::Owned(lines.join(&b' '))
    }
}

/// The fields of a message or part, in order, until the header ends. Costs one pass.
///
/// An empty line ends a header. A line of blanks does not, it is a fold (RFC 5322 section 4.2).
/// Without an empty line, the body begins at the first line that is not a field.
pub fn fields(message: &[u8]) -> HeaderFields<'_> {
    HeaderFields { rest: without_mark(message), has_begun: false }
}

/// Octets before the body: the fields and the empty line. 0 if the message has no header at all,
/// because its first line is not a field.
pub fn header_bytes(message: &[u8]) -> usize {
    header_bytes_until(message, |_| false)
}

/// Measures the header as [`header_bytes`] does; a line for which `is_end`, called with the
/// position of the line, returns true ends the header too.
pub(super) fn header_bytes_until(message: &[u8], is_end: impl Fn(usize) -> bool) -> usize {
    let mark = message.len() - without_mark(message).len();
    let (mut at, mut has_begun) = (mark, false);
    while let Some((line, length)) = line(&message[at..], has_begun) {
        if is_end(at) {
            break;
        }
        match line {
            HeaderLine::Body => break,
            HeaderLine::Empty => return at + length,
            HeaderLine::Field(_) | HeaderLine::Fold | HeaderLine::Mark => has_begun = true,
        }
        at += length;
    }
    // A mark before a body belongs to the body.
    if at == mark { 0 } else { at }
}

/// What a line of a header is.
enum HeaderLine<'m> {
    /// The line begins a field, which may go on in folds.
    Field(HeaderField<'m>),
    /// The line continues the one before, or has blanks alone.
    Fold,
    /// The line that mailbox files begin a message with. It means nothing.
    Mark,
    Empty,
    /// No part of a header.
    Body,
}

/// The first line of `text`, and its octets. `has_begun`: a header's line stands before it.
fn line(text: &[u8], has_begun: bool) -> Option<(HeaderLine<'_>, usize)> {
    let length = line_bytes(text)?;
    let line = &text[..length];
    let is_blank = || line.trim_ascii().is_empty();
    let found = match line[0] {
        b'\r' | b'\n' if is_blank() => HeaderLine::Empty,
        b' ' | b'\t' if has_begun || is_blank() => HeaderLine::Fold,
        // The first line of all has no line to continue.
        b' ' | b'\t' => field(line.trim_ascii_start()).map_or(HeaderLine::Body, HeaderLine::Field),
        _ => match field(line) {
            Some(field) => HeaderLine::Field(field),
            None if line.starts_with(b">From ") => HeaderLine::Mark,
            None if line.starts_with(b"From ") && !has_begun => HeaderLine::Mark,
            None => HeaderLine::Body,
        },
    };
    Some((found, length))
}

/// Returns the message without a byte order mark, which editors put before the header.
fn without_mark(message: &[u8]) -> &[u8] {
    message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message)
}

/// Octets of the first line with its end; `None` if there is nothing.
pub(super) fn line_bytes(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    Some(memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1))
}

/// See [`fields`].
#[derive(Debug, Clone)]
pub struct HeaderFields<'m> {
    rest: &'m [u8],
    has_begun: bool,
}

impl<'m> Iterator for HeaderFields<'m> {
    type Item = HeaderField<'m>;

    fn next(&mut self) -> Option<HeaderField<'m>> {
        loop {
            let (found, length) = line(self.rest, self.has_begun)?;
            self.has_begun = true;
            match found {
                HeaderLine::Field(field) => return Some(self.folded(field, length)),
                HeaderLine::Fold | HeaderLine::Mark => self.rest = &self.rest[length..],
                HeaderLine::Empty | HeaderLine::Body => {
                    self.rest = b"";
                    return None;
                }
            }
        }
    }
}

impl<'m> HeaderFields<'m> {
    /// `field` with the folds after its first line, which has `length` octets.
    fn folded(&mut self, field: HeaderField<'m>, mut length: usize) -> HeaderField<'m> {
        let first = length;
        while let Some(b' ' | b'\t') = self.rest.get(length)
            && let Some(more) = line_bytes(&self.rest[length..])
        {
            length += more;
        }
        let start = first - field.raw.len();
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        HeaderField { raw: &text[start..], ..field }
    }
}

/// The field that begins `text`. A line that begins with two dashes is meant as a delimiter, and
/// one that begins with an address as text.
fn field(text: &[u8]) -> Option<HeaderField<'_>> {
    let colon = memchr::memchr2(b':', b'\n', text)?;
    let (name, raw) = (text[..colon].trim_ascii_end(), &text[colon + 1..]);
    let is_name = text[colon] == b':' && !name.is_empty();
    let is_name = is_name && name.iter().all(|b| b.is_ascii_graphic());
    let is_other = name.starts_with(b"--") || raw.starts_with(b"//");
    (is_name && !is_other).then_some(HeaderField { name_octets: name, raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &[u8]) -> Vec<String> {
        fields(message).map(|f| format!("{}={}", f.name(), f.decoded())).collect()
    }

    #[test]
    fn an_empty_line_ends_a_header_and_so_does_a_line_that_is_not_a_field() {
        for (message, expected, header) in [
            (&b""[..], &[][..], 0),
            (b"\r\nbody", &[], 2),
            (b"A: 1\r\nB:2\r\n\r\nC: 3\r\n", &["A=1", "B=2"], 13),
            (b"A: 1\nB:2\n\nC: 3\n", &["A=1", "B=2"], 10),
            (b"A: 1\r\n two\r\n\t three \r\n\r\n", &["A=1 two three"], 24),
            (b"A: 1", &["A=1"], 4),
            (b"A : 1\r\n\r\n", &["A=1"], 9),
            (b"A:\r\n\r\n", &["A="], 6),
            (b"\xef\xbb\xbfA: 1\r\n\r\n", &["A=1"], 11),
            (b"From ann Mon Jan 1 00:00:00\r\nA: 1\r\n\r\n", &["A=1"], 37),
            // The empty line was forgotten.
            (b"A: 1\r\nno field\r\n at all\r\nB: 2\r\n\r\n", &["A=1"], 6),
            (b"A: 1\r\n--b:c\r\nB: 2\r\n\r\n", &["A=1"], 6),
            (b"A: 1\r\nhttps://a.example\r\n", &["A=1"], 6),
            (b"A: 1\r\n>From - Mon Jan 26 17:20:56 2026\r\nB: 2\r\n\r\n", &["A=1", "B=2"], 48),
            (b"Hello,\r\n\r\nA: 1\r\n", &[], 0),
            // Blanks are a fold, and before the first field nothing at all.
            (b"A: 1\r\n \r\nB: 2\r\n\r\n", &["A=1", "B=2"], 17),
            (b"A: 1\r\n \t \r\n two\r\n\r\n", &["A=1 two"], 19),
            (b"A: 1\r\n \r\nwords\r\n", &["A=1"], 9),
            (b"   \r\nA: 1\r\n\r\n", &["A=1"], 13),
            (b" A: 1\r\nB: 2\r\n\r\n", &["A=1", "B=2"], 15),
            (b" some words\r\n\r\n", &[], 0),
            (b"S: =?utf-8?q?=C3=BC?=\r\n =?utf-8?q?=C3=A4?=\r\n\r\n", &["S=üä"], 46),
            (b"\0\0\0", &[], 0),
        ] {
            assert_eq!(shown(message), expected, "{}", String::from_utf8_lossy(message));
            assert_eq!(header_bytes(message), header, "{}", String::from_utf8_lossy(message));
        }
    }
}
