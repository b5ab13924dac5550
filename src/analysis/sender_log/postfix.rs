//! Postfix: each delivery agent logs one line for each recipient, by syslog or by postlogd.
//!
//! `Nov 28 10:00:01 mx postfix/smtp[12]: 4XyZ: to=<a@b.example>, orig_to=<c@d.example>,
//! relay=…, delay=0.1, delays=…, dsn=2.0.0, status=sent (250 2.0.0 Ok 17:3 sink-a)`
//!
//! `to=` is the recipient as used in SMTP. Since Postfix 3.5, addresses are quoted as in SMTP
//! (`info_log_address_format`). Before, they had no quotes, and an address that needs them is
//! reported as unusable.
use std::borrow::Cow;

use memchr::memmem;

use super::address;
use super::answer::{self, Code};
use super::claim::{Reading, Recipients};
use super::reason::Reason;
use super::stamp;

/// The text between the queue id and the recipient.
const TO: &[u8] = b": to=<";
const ORIGINAL: &[u8] = b"orig_to=<";
const STATUS: &[u8] = b", status=";

/// Reads a line of Postfix's log. A line without a recipient after a queue id is foreign.
pub(super) fn read(line: &[u8]) -> Reading<'_> {
    let Some(at) = memmem::find(line, TO) else { return Reading::Foreign };
    if !is_after_process(&line[..at]) {
        return Reading::Foreign;
    }
    let text = &line[at + TO.len()..];
    let (recipient, rest) = text.split_at(address::length(text, b">"));
    let Some(rest) = rest.strip_prefix(b">, ") else {
        // An address logged without its quotes, such as `a>b@c.example`.
        return Reading::Bad(Reason::recipient(recipient));
    };
    // A quoted part of the original recipient may contain anything, even a status.
    let rest = match rest.strip_prefix(ORIGINAL) {
        Some(original) => original[address::length(original, b">")..].get(1..).unwrap_or_default(),
        None => rest,
    };
    let Some(at) = memmem::find(rest, STATUS) else { return Reading::Foreign };
    if let Some(end) = memchr::memrchr(b'>', &rest[..at]) {
        // Without its quotes, an address such as `e>, relay=x@b.example` looks like two fields.
        let addresses = &text[..text.len() - rest.len() + end];
        return Reading::Bad(Reason::recipient(addresses));
    }
    let Some(reply) = rest[at + STATUS.len()..].strip_prefix(b"sent (") else {
        return Reading::Nothing;
    };
    let Some(end) = memchr::memrchr(b')', reply) else {
        return Reading::Bad(Reason::OpenReply(")"));
    };
    match answer::find(&reply[..end], Code::Kept) {
        Ok(None) => Reading::Nothing,
        Err(reason) => Reading::Bad(reason),
        Ok(Some(answer)) => match address::checked(recipient) {
            Err(reason) => Reading::Bad(reason),
            Ok(recipient) => {
                let recipient = Recipients::One(Cow::Borrowed(recipient));
                Reading::claim(answer, recipient, stamp::leading(line))
            }
        },
    }
}

/// Returns whether the text ends with a process and a queue id: `postfix/smtp[12]: 4XyZ`.
fn is_after_process(before: &[u8]) -> bool {
    let id = before.iter().rev().take_while(|octet| octet.is_ascii_alphanumeric()).count();
    id > 0 && before[..before.len() - id].ends_with(b"]: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{
        check_bad, check_claim, check_foreign, check_nothing,
    };
    use crate::time::UnixNs;

    const RELAY: &str = "relay=127.0.0.1[127.0.0.1]:2525, delay=0.05, delays=0.02/0/0.01/0.02, \
        dsn=2.0.0";

    fn sent(to: &str) -> String {
        format!(
            "Nov 28 10:00:01 mx postfix/smtp[12]: 4XyZ1: {to}, {RELAY}, status=sent (250 2.0.0 Ok \
             17:3 sink-a)"
        )
    }

    #[test]
    fn a_sent_line_claims_its_recipient() {
        for (to, recipient) in [
            ("to=<a@b.example>", "a@b.example"),
            ("to=<a@b.example>, orig_to=<root>", "a@b.example"),
            ("to=<\"a b\"@b.example>", "\"a b\"@b.example"),
            ("to=<\"a>, relay=x\"@b.example>", "\"a>, relay=x\"@b.example"),
            (
                "to=<a@b.example>, orig_to=<\"x>, status=sent (250 Ok 9:99)\"@y.example>",
                "a@b.example",
            ),
        ] {
            check_claim(read, &sent(to), ("17:3", Some("sink-a"), Some(recipient), None));
        }
    }

    #[test]
    fn times_count_with_year_and_zone_alone() {
        let line = sent("to=<a@b.example>");
        let line = line.strip_prefix("Nov 28 10:00:01").unwrap();
        let at_ns = UnixNs::new(1_795_860_001_234_567_000);
        let line = format!("2026-11-28T10:00:01.234567+00:00{line}");
        check_claim(read, &line, ("17:3", Some("sink-a"), Some("a@b.example"), Some(at_ns)));
    }

    #[test]
    fn lmtp_older_servers_and_filters_are_read() {
        for reply in ["250 2.1.5 Ok 17:3", "250 Ok 17:3", "250 2.0.0 from MTA: 250 2.0.0 Ok 17:3"] {
            let line = format!("x postfix/lmtp[1]: A: to=<a@b>, {RELAY}, status=sent ({reply})");
            check_claim(read, &line, ("17:3", None, Some("a@b"), None));
        }
    }

    #[test]
    fn another_status_or_reply_claims_nothing() {
        for end in [
            "status=deferred (host x said: 450 4.0.0 no, 250 2.0.0 Ok 17:3 (in reply to DATA))",
            "status=bounced (250 2.0.0 Ok 17:3)",
            "status=deliverable (250 2.0.0 Ok 17:3)",
            "status=sent (delivered to maildir)",
            "status=sent (250 2.0.0 Ok: queued as 4XyZ)",
        ] {
            check_nothing(read, &format!("x postfix/smtp[1]: A: to=<a@b>, {RELAY}, {end}"));
        }
        check_foreign(read, "x postfix/qmgr[1]: 4XyZ: from=<a@b>, size=3, nrcpt=1 (queue active)");
        check_foreign(read, "said: to=<a@b>, 250 2.0.0 Ok 17:3");
        let bare = sent("to=<a@b>").replace("[12]", "");
        check_foreign(read, &bare);
    }

    #[test]
    fn what_cannot_be_used_has_its_reason() {
        for (to, reason) in [
            ("to=<a b@b.example>", "\"a b@b.example\" is not an address"),
            ("to=<e>, relay=x@b.example>", "\"e>, relay=x@b.example\" is not an address"),
            ("to=<a@b>, orig_to=<e>, relay=x@b.example>", "is not an address"),
            ("to=<a>b@b.example>", "\"a\" is not an address"),
            ("to=<\"a b@b.example>", "is not an address"),
            ("to=<>", "\"\" is not an address"),
        ] {
            check_bad(read, &sent(to), reason);
        }
        check_bad(read, sent("to=<a@b>").trim_end_matches(')'), "the reply has no end");
    }
}
