//! Header fields as they stand in a message.
use std::borrow::Cow;

use super::encoded_word;

/// Octets of one field's value that are decoded; nobody writes as many.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// A field; borrows from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'m> {
    /// Printable ASCII without a colon, as sent; as text by [`Field::name`].
    pub name_octets: &'m [u8],
    /// All behind the colon, with its folds and its line end.
    pub raw: &'m [u8],
}

impl<'m> Field<'m> {
    /// As text.
    pub fn name(&self) -> Cow<'m, str> {
        String::from_utf8_lossy(self.name_octets)
    }

    /// But for case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name_octets.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Its value on one line, encoded words decoded (`encoded_word`); at most the first MiB of it.
    pub fn decoded(&self) -> String {
        encoded_word::decoded(&self.unfolded()).into_owned()
    }

    /// Its value on one line: a fold is one space, and so is the space around it.
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

/// The fields of a message or part, in order, until an empty line. A line that is no field is left
/// out with its continuations. Costs one pass.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: if begins_with_body(message) { b"" } else { without_mark(message) } }
}

/// Octets before the body: the fields and the empty line. 0 if there is no header at all: if the
/// first line is no field.
pub fn header_bytes(message: &[u8]) -> usize {
    if begins_with_body(message) {
        return 0;
    }
    let mut at = 0;
    while let Some(length) = line_bytes(&message[at..]) {
        let is_empty = message[at..at + length].trim_ascii_end().is_empty();
        at += length;
        if is_empty {
            break;
        }
    }
    at
}

/// Nobody forgot the header: the first line is neither a field nor what mailbox files begin with.
pub(super) fn begins_with_body(message: &[u8]) -> bool {
    let message = without_mark(message);
    let Some(length) = line_bytes(message) else { return false };
    let line = &message[..length];
    let is_empty = line.trim_ascii().is_empty();
    !is_empty && field(line).is_none() && !line.starts_with(b"From ") && !line.starts_with(b">From")
}

/// Without a byte order mark, which editors put before the header.
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
pub struct Fields<'m> {
    rest: &'m [u8],
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        loop {
            let mut length = line_bytes(self.rest)?;
            if self.rest[..length].trim_ascii_end().is_empty() {
                return None;
            }
            while let Some(b' ' | b'\t') = self.rest.get(length)
                && let Some(more) = line_bytes(&self.rest[length..])
                && !self.rest[length..length + more].trim_ascii_end().is_empty()
            {
                length += more;
            }
            let (text, rest) = self.rest.split_at(length);
            self.rest = rest;
            if let Some(field) = field(text) {
                return Some(field);
            }
        }
    }
}

/// The field that begins `text`.
fn field(text: &[u8]) -> Option<Field<'_>> {
    let colon = memchr::memchr2(b':', b'\n', text)?;
    let name = text[..colon].trim_ascii_end();
    let is_name = text[colon] == b':' && !name.is_empty();
    let is_name = is_name && name.iter().all(|b| b.is_ascii_graphic());
    is_name.then_some(Field { name_octets: name, raw: &text[colon + 1..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &[u8]) -> Vec<String> {
        fields(message).map(|f| format!("{}={}", f.name(), f.decoded())).collect()
    }

    #[test]
    fn messages_and_their_fields() {
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
            (b"A: 1\r\nno field\r\n at all\r\nB: 2\r\n\r\n", &["A=1", "B=2"], 33),
            (b"Hello,\r\n\r\nA: 1\r\n", &[], 0),
            (b"A: 1\r\n \r\nB: 2\r\n", &["A=1"], 9),
            (b"S: =?utf-8?q?=C3=BC?=\r\n =?utf-8?q?=C3=A4?=\r\n\r\n", &["S=üä"], 46),
            (b"\0\0\0", &[], 0),
        ] {
            assert_eq!(shown(message), expected, "{}", String::from_utf8_lossy(message));
            assert_eq!(header_bytes(message), header, "{}", String::from_utf8_lossy(message));
        }
    }
}
