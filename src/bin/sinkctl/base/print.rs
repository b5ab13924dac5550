//! How messages look, one line for a person, one JSON object for a program; and how numbers do.
use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use sinkd::log::{Facts, MessageId, Slot, StorageMode};
use sinkd::plot::Unit;
use sinkd::smtp::envelope;

/// A message in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// `segment:slot`.
    pub id: String,
    /// RFC 3339 with nanoseconds.
    pub received_at: String,
    /// The reverse-path without its brackets; "" is the null reverse-path.
    pub mail_from: String,
    /// Forward-paths as sent, in order, repeats kept.
    pub rcpt_to: Vec<String>,
    /// Octets of the message, stored or not.
    pub size: u32,
    /// What is stored of it: "full", "headers" or "envelope".
    pub store: &'static str,
    /// Of: "chunked", "headers-only", "envelope-only", "reply-not-sent".
    pub flags: Vec<&'static str>,
    /// Rules that the sender broke, and that were tolerated, by name (docs/conformance.md).
    pub deviations: Vec<&'static str>,
    /// The final reply.
    pub reply: String,
    /// MAIL to end of data, microseconds.
    pub transaction_us: u32,
    /// Names the session; the same for all messages of a connection. Text, because a number above
    /// 2^53 is another one to JavaScript.
    pub session: String,
    /// Address of the client; "" if it is not known.
    pub client: String,
}

/// Whether the client got the final reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Sent,
    /// A note in the log says that the 250 did not get out.
    Unsent,
}

impl Reply {
    /// `noted`: the messages that the log has a note about.
    pub fn of(slot: &Slot, noted: &HashSet<MessageId>) -> Reply {
        if noted.contains(&slot.id()) { Reply::Unsent } else { Reply::Sent }
    }
}

impl Entry {
    pub fn new(slot: &Slot, envelope: &[u8], reply: Reply) -> Entry {
        let facts = &slot.facts();
        // An envelope of a newer writer lists as an empty one; `verify` says more.
        let envelope = envelope::decode(envelope).ok();
        let paths = envelope.iter().flat_map(|e| e.recipients());
        let [class, subject, detail] = facts.enhanced;
        Entry {
            id: slot.id().to_string(),
            received_at: rfc3339(facts.received_at_ns),
            mail_from: readable(envelope.map_or(&[], |e| e.mail_from)),
            rcpt_to: paths.map(|r| readable(r.path)).collect(),
            size: facts.message_bytes,
            store: store(facts.mode),
            flags: flags(facts, reply),
            deviations: envelope
                .iter()
                .flat_map(|e| e.deviations.kinds())
                .map(|kind| kind.name())
                .collect(),
            reply: format!("{} {class}.{subject}.{detail}", facts.reply_code),
            transaction_us: facts.transaction_us,
            session: facts.session.to_string(),
            client: envelope.and_then(|e| e.client).map_or(String::new(), |c| c.to_string()),
        }
    }

    /// One line for a person.
    pub fn to_line(&self) -> String {
        let to = match self.rcpt_to.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} (+{})", rest.len()),
        };
        let from = if self.mail_from.is_empty() { "<>" } else { &self.mail_from };
        let flags = if self.flags.is_empty() {
            String::new()
        } else {
            format!("  [{}]", self.flags.join(", "))
        };
        // Milliseconds are enough for an eye.
        let at = format!("{}Z", &self.received_at[..23.min(self.received_at.len() - 1)]);
        format!("{:<10} {at} {:>9}  {from} -> {to}{flags}", self.id, self.size)
    }
}

fn store(mode: StorageMode) -> &'static str {
    match mode {
        StorageMode::Full => "full",
        StorageMode::Headers => "headers",
        StorageMode::Envelope => "envelope",
    }
}

/// Octets of the message that are stored, if not all are.
pub fn stored_of(slot: &Slot) -> Option<u32> {
    let stored = slot.payload_bytes().saturating_sub(slot.facts().dots);
    let is_whole = slot.facts().mode == StorageMode::Full || stored == slot.facts().message_bytes;
    (!is_whole).then_some(stored)
}

fn flags(facts: &Facts, reply: Reply) -> Vec<&'static str> {
    let mut flags = Vec::new();
    match facts.mode {
        StorageMode::Full => {}
        StorageMode::Headers => flags.push("headers-only"),
        StorageMode::Envelope => flags.push("envelope-only"),
    }
    if facts.chunked {
        flags.push("chunked");
    }
    if reply == Reply::Unsent {
        flags.push("reply-not-sent");
    }
    flags
}

/// A count and what is counted: "1,234 messages".
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", Unit::Number.text(n as f64), if n == 1 { one } else { many })
}

/// Seconds as text, in the unit that fits: "12.3 ms".
pub fn seconds(length: f64) -> String {
    Unit::Microseconds.text(length * 1e6)
}

/// RFC 3339 in UTC with all nine digits.
pub fn rfc3339(unix_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(unix_ns)) {
        Ok(time) => format!("{time:.9}"),
        Err(_) => String::from("0000-00-00T00:00:00.000000000Z"),
    }
}

/// Octets as text. UTF-8 stays as it is; an octet that is not UTF-8 becomes `\xNN`, and so does a
/// backslash that would look like the start of one: replacing each `\xNN` gives the octets back.
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

/// `text` for a terminal: control characters would let a mail rewrite the screen.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
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

    #[test]
    fn a_mail_can_not_rewrite_the_screen() {
        assert_eq!(harmless("a\x1b[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\n");
    }
}
