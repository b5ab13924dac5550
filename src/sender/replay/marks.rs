//! Header fields added before each message, which distinguish it from the original.
use std::io::Write;

use crate::log::Slot;
use crate::time::UnixNs;

/// Maximum number of marks.
const MARKS_MAX: usize = 32;
/// Maximum length of a header line without its CRLF (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;
/// Maximum length of a placeholder's value; the longest value is a time.
const PLACEHOLDER_BYTES_MAX: usize = 35;

/// The fields, parsed.
#[derive(Debug, Clone, Default)]
pub struct Marks(Vec<MarkField>);

#[derive(Debug, Clone)]
struct MarkField {
    name: String,
    value: Vec<MarkPiece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MarkPiece {
    Text(String),
    /// `{id}`: the id of the original.
    Id,
    /// `{time}`: when the original was received (RFC 3339).
    Time,
}

/// Why a text is not a mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAMark {
    /// The text has no `=`.
    #[error("expected NAME=VALUE, such as X-Replay=run-7, found '{0}'")]
    NoValue(String),
    /// The name does not make exactly one header field.
    #[error(
        "expected the name of a header field: printable ASCII characters without a colon or a \
         space, found '{0}'"
    )]
    Name(String),
    /// The value contains a line end, which would begin another field or the body.
    #[error(
        "expected a value of printable ASCII characters in one line, found '{}'",
        .0.escape_debug()
    )]
    Value(String),
    /// A placeholder is unknown: the text, and the placeholder.
    #[error("expected the placeholder {{id}} or {{time}}, found '{{{1}}}' in '{0}'")]
    Placeholder(String, String),
    /// A line would be too long.
    #[error("expected a line of at most {LINE_BYTES_MAX} bytes, found '{0}'")]
    Long(String),
    /// There are too many marks.
    #[error("expected at most {MARKS_MAX} marks; put several texts into one mark")]
    Many,
}

impl Marks {
    /// Parses marks of the form `NAME=VALUE`. In a value, `{id}` is the id of the original message,
    /// and `{time}` the time at which it was received.
    ///
    /// Errors: a mark is not a header field (RFC 5322 section 2.2), or would be several.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Marks, NotAMark> {
        if texts.len() > MARKS_MAX {
            return Err(NotAMark::Many);
        }
        texts
            .iter()
            .map(|text| MarkField::parse(text.as_ref()))
            .collect::<Result<_, _>>()
            .map(Marks)
    }

    /// Returns whether no mark was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the fields to `head`, one line each.
    pub fn write(&self, slot: &Slot, head: &mut Vec<u8>) {
        for mark in &self.0 {
            head.extend_from_slice(mark.name.as_bytes());
            head.extend_from_slice(b": ");
            for piece in &mark.value {
                let written = match piece {
                    MarkPiece::Text(text) => head.write_all(text.as_bytes()),
                    MarkPiece::Id => write!(head, "{}", slot.id()),
                    MarkPiece::Time => write_time(slot.facts().received_at_ns, head),
                };
                written.expect("writing into memory always works");
            }
            head.extend_from_slice(b"\r\n");
        }
    }
}

fn write_time(unix_ns: UnixNs, head: &mut Vec<u8>) -> std::io::Result<()> {
    write!(head, "{:.9}", unix_ns.timestamp())
}

impl MarkField {
    fn parse(text: &str) -> Result<MarkField, NotAMark> {
        let (name, value) = text.split_once('=').ok_or_else(|| NotAMark::NoValue(text.into()))?;
        // The allowed characters are ftext (RFC 5322 section 3.6.8).
        if name.is_empty() || !name.bytes().all(|b| matches!(b, 33..=57 | 59..=126)) {
            return Err(NotAMark::Name(text.into()));
        }
        if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(NotAMark::Value(text.into()));
        }
        let placeholder = |UnknownWord(word)| NotAMark::Placeholder(text.into(), word.into());
        let value = pieces(value).map_err(placeholder)?;
        let octets = |piece: &MarkPiece| match piece {
            MarkPiece::Text(text) => text.len(),
            MarkPiece::Id | MarkPiece::Time => PLACEHOLDER_BYTES_MAX,
        };
        if name.len() + 2 + value.iter().map(octets).sum::<usize>() > LINE_BYTES_MAX {
            return Err(NotAMark::Long(text.into()));
        }
        Ok(MarkField { name: name.to_owned(), value })
    }
}

/// A lower-case word in braces that is not a placeholder.
struct UnknownWord<'a>(&'a str);

/// Splits a value into its pieces. Braces around anything but a lower-case word are text.
fn pieces(value: &str) -> Result<Vec<MarkPiece>, UnknownWord<'_>> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), value);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let word = from[1..].split_once('}').map_or("", |(word, _)| word);
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase()) {
            text.push('{');
            rest = &from[1..];
            continue;
        }
        let piece = match word {
            "id" => MarkPiece::Id,
            "time" => MarkPiece::Time,
            _ => return Err(UnknownWord(word)),
        };
        if !text.is_empty() {
            pieces.push(MarkPiece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece);
        rest = &from[word.len() + 2..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(MarkPiece::Text(text));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MessageId;
    use crate::sender::replay::testkit;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let id = MessageId { segment: 17, slot: 3 };
        let slot = testkit::slot_of(id, UnixNs::new(1_795_248_000_500_000_001));
        let mut head = Vec::new();
        Marks::parse(&[text]).expect(text).write(&slot, &mut head);
        assert_eq!(String::from_utf8(head).unwrap(), expected, "{text}");
    }

    #[test]
    fn marks_become_header_lines() {
        check("X-Replay=run 7", "X-Replay: run 7\r\n");
        check("X-Replay=", "X-Replay: \r\n");
        check("X=a=b", "X: a=b\r\n");
        check("X-Id={id}", "X-Id: 17:3\r\n");
        check("X={id} of {time};", "X: 17:3 of 2026-11-21T08:00:00.500000001Z;\r\n");
        check("X={} {ID} {{id} {", "X: {} {ID} {17:3 {\r\n");
    }

    #[test]
    fn nothing_else_gets_into_the_header() {
        let long = format!("X={}", "a".repeat(996));
        for text in [
            "",
            "X",
            "=a",
            "X Y=a",
            "X:Y=a",
            "X\r\nBcc=a",
            "\u{fc}=a",
            "X=a\r\nBcc: b",
            "X=a\nb",
            "X=a\rb",
            "X=a\tb",
            "X=a\0",
            "X=\u{fc}",
            "X={to}",
            &long,
        ] {
            assert!(Marks::parse(&[text]).is_err(), "{text:?}");
        }
        assert!(Marks::parse(&[&long[..long.len() - 1]]).is_ok());
        for (count, is_ok) in [(31, true), (32, true), (33, false)] {
            assert_eq!(Marks::parse(&vec!["X=a"; count]).is_ok(), is_ok, "{count}");
        }
    }
}
