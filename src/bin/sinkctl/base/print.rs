//! How messages look, one line for a person, one JSON object for a program; and how numbers do.
use std::collections::HashSet;

use serde::Serialize;
pub use sinkd::analysis::{counted, readable, rfc3339, seconds_text as seconds};
use sinkd::log::{MessageId, Slot, SlotFacts, StorageMode};
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

fn flags(facts: &SlotFacts, reply: Reply) -> Vec<&'static str> {
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

/// `text` for a terminal: control characters would let a mail rewrite the screen.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_can_not_rewrite_the_screen() {
        assert_eq!(harmless("a\x1b[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\n");
    }
}
