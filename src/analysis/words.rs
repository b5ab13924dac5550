//! Formats numbers, times and octets for sentences.
use std::fmt::Display;

use jiff::Timestamp;
use serde::Serializer;

use crate::plot::PlotUnit;
use crate::wording::duration;

/// Formats a count and its noun: "1,234 messages".
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", PlotUnit::Number.text(n as f64), if n == 1 { one } else { many })
}

/// Serializes values as the sentences that they display, for `serialize_with`.
pub fn sentences<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(T::to_string))
}

/// Formats seconds in a suitable unit: "12.3 ms".
pub fn seconds(length: f64) -> String {
    duration(length * 1e6)
}

/// Formats a time as RFC 3339 in UTC with nine decimals.
pub fn rfc3339(unix_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(unix_ns)) {
        Ok(time) => format!("{time:.9}"),
        Err(_) => String::from("0000-00-00T00:00:00.000000000Z"),
    }
}

/// Formats octets as text. UTF-8 stays unchanged. Other octets become `\xNN`, and so does a
/// backslash that would look like the start of one, so replacing each `\xNN` restores the octets.
pub fn readable(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        let valid = chunk.valid();
        for (at, letter) in valid.char_indices() {
            let rest = valid.as_bytes()[at + letter.len_utf8()..].get(..3);
            let looks_escaped = letter == '\\'
                && rest.is_some_and(|r| r[0] == b'x' && r[1..].iter().all(u8::is_ascii_hexdigit));
            if looks_escaped {
                text.push_str("\\x5c");
            } else {
                text.push(letter);
            }
        }
        for octet in chunk.invalid() {
            text.push_str(&format!("\\x{octet:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(text: &str) -> Vec<u8> {
        let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((&first, after)) = rest.split_first() {
            let hex = after.get(1..3).and_then(|h| std::str::from_utf8(h).ok());
            let octet = hex.and_then(|h| u8::from_str_radix(h, 16).ok());
            match octet {
                Some(octet) if first == b'\\' && after[0] == b'x' => {
                    octets.push(octet);
                    rest = &after[3..];
                }
                _ => {
                    octets.push(first);
                    rest = after;
                }
            }
        }
        octets
    }

    #[test]
    fn octets_that_are_not_utf8_are_escaped_reversibly() {
        for (octets, text) in [
            (&b"ann@example.org"[..], "ann@example.org"),
            ("\u{fc}@example.org".as_bytes(), "\u{fc}@example.org"),
            (b"\xff@x", "\\xff@x"),
            (b"\"a\\\"b\"@x", "\"a\\\"b\"@x"),
            (b"\\xff", "\\x5cxff"),
            (b"\\xfg", "\\xfg"),
            (b"\\x\xff", "\\x\\xff"),
        ] {
            assert_eq!(readable(octets), text);
            assert_eq!(back(text), octets, "{text}");
        }
    }

    #[test]
    fn times_have_nine_digits() {
        assert_eq!(rfc3339(1_795_248_000_500_000_001), "2026-11-21T08:00:00.500000001Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    }
}
