//! Reads header fields as they appear in a message.
use std::borrow::Cow;

use super::encoded_word;

/// Maximum number of octets of a field's value that are decoded; no real field is longer.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// A header field as it was received, borrowed from the message. Nothing is decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderField<'m> {
    /// The name as sent: printable ASCII without a colon. [`HeaderField::name`] returns it as text.
    pub name_octets: &'m [u8],
    /// Everything after the colon, including folds and line end.
    pub raw: &'m [u8],
}

impl<'m> HeaderField<'m> {
    /// Returns the name as sent, with its case. Allocates nothing, because names are ASCII.
    pub fn name(&self) -> Cow<'m, str> {
        String::from_utf8_lossy(self.name_octets)
    }

    /// Returns whether the field has this name. Ignores ASCII case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name_octets.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the value on one line, with encoded words decoded (`encoded_word`); at most its
    /// first MiB.
    pub fn decoded(&self) -> String {
        encoded_word::decoded(&self.unfolded()).into_owned()
    }

    /// Returns the value on one line, at most its first MiB: a fold, with the white space around
    /// it, becomes one space.
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

/// Iterates over the header fields of a message or part. Costs one pass.
///
/// An empty line ends the header. A line of blanks is a fold instead (RFC 5322 section 4.2).
/// Without an empty line, the body begins at the first line that is not a field.
pub fn fields(message: &[u8]) -> HeaderFields<'_> {
    HeaderFields { rest: without_mark(message), next: LinePosition::First }
}

/// Returns the number of octets before the body: the fields and the empty line. 0 if there is no
/// header, because the first line is not a field.
pub fn header_bytes(message: &[u8]) -> usize {
    header_bytes_until(message, |_| false)
}

/// Returns the length of the header like [`header_bytes`]. The header also ends before a line for
/// whose position `is_end` returns true.
pub(super) fn header_bytes_until(message: &[u8], is_end: impl Fn(usize) -> bool) -> usize {
    let mark = message.len() - without_mark(message).len();
    let (mut at, mut position) = (mark, LinePosition::First);
    while let Some((line, length)) = line(&message[at..], position) {
        if is_end(at) {
            break;
        }
        match line {
            HeaderLine::Body => break,
            HeaderLine::Empty => return at + length,
            HeaderLine::Field(_) | HeaderLine::Fold | HeaderLine::Mark => {}
        }
        position = LinePosition::Later;
        at += length;
    }
    // A byte order mark directly before a body belongs to the body.
    if at == mark { 0 } else { at }
}

/// The role of a line in a header.
enum HeaderLine<'m> {
    /// The beginning of a field, which can continue in folds.
    Field(HeaderField<'m>),
    /// A continuation of the previous line, or a line of blanks.
    Fold,
    /// The line with which mbox files begin a message. It is skipped.
    Mark,
    Empty,
    /// A line that is not part of the header.
    Body,
}

/// Whether another line of the header precedes a line. The first line can't continue a field, but
/// can be the separator of an mbox file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinePosition {
    First,
    Later,
}

/// Returns the first line of `text`, which is at `position` of its header, and its length.
fn line(text: &[u8], position: LinePosition) -> Option<(HeaderLine<'_>, usize)> {
    let length = line_bytes(text)?;
    let line = &text[..length];
    let is_blank = || line.trim_ascii().is_empty();
    let found = match line[0] {
        b'\r' | b'\n' if is_blank() => HeaderLine::Empty,
        b' ' | b'\t' if position == LinePosition::Later || is_blank() => HeaderLine::Fold,
        // The first line has no line to continue.
        b' ' | b'\t' => field(line.trim_ascii_start()).map_or(HeaderLine::Body, HeaderLine::Field),
        _ => match field(line) {
            Some(field) => HeaderLine::Field(field),
            None if line.starts_with(b">From ") => HeaderLine::Mark,
            None if line.starts_with(b"From ") && position == LinePosition::First => {
                HeaderLine::Mark
            }
            None => HeaderLine::Body,
        },
    };
    Some((found, length))
}

/// Returns the message without a byte order mark, which editors add before the header.
fn without_mark(message: &[u8]) -> &[u8] {
    message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message)
}

/// Returns the length of the first line including its end; `None` if there is none.
pub(super) fn line_bytes(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    Some(memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1))
}

/// An iterator over header fields: see [`fields`].
#[derive(Debug, Clone)]
pub struct HeaderFields<'m> {
    rest: &'m [u8],
    /// Whether `rest` begins with the first line of the header.
    next: LinePosition,
}

impl<'m> Iterator for HeaderFields<'m> {
    type Item = HeaderField<'m>;

    fn next(&mut self) -> Option<HeaderField<'m>> {
        loop {
            let (found, length) = line(self.rest, self.next)?;
            self.next = LinePosition::Later;
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
    /// Extends `field`, whose first line has `length` octets, by the folds after it.
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

/// Parses the field at the beginning of `text`. A line that begins with two dashes counts as a
/// delimiter, and one that begins with a URL as text.
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
            // The empty line is missing.
            (b"A: 1\r\nno field\r\n at all\r\nB: 2\r\n\r\n", &["A=1"], 6),
            (b"A: 1\r\n--b:c\r\nB: 2\r\n\r\n", &["A=1"], 6),
            (b"A: 1\r\nhttps://a.example\r\n", &["A=1"], 6),
            (b"A: 1\r\n>From - Mon Jan 26 17:20:56 2026\r\nB: 2\r\n\r\n", &["A=1", "B=2"], 48),
            (b"Hello,\r\n\r\nA: 1\r\n", &[], 0),
            // Blanks are a fold; before the first field they are ignored.
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
