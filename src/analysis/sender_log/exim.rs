//! Exim: one line of the main log for each recipient.
//!
//! `2026-11-28 10:00:01 1tGabc-000000001Rc-0aBc => a@b.example R=dnslookup T=remote_smtp H=…
//! C="250 2.0.0 Ok 17:3 sink-a"`
//!
//! The first address is the one used in SMTP, without its quotes if it had any. If aliases led to
//! it, or it had quotes, the original address follows in angle brackets. A local delivery (LMTP)
//! may be logged with the local part alone; its domain is then known only if the original address
//! has the same local part.
use std::borrow::Cow;

use super::address;
use super::answer::{self, Code};
use super::claim::{Reading, Recipients};
use super::reason::Reason;
use super::stamp;
use crate::time::UnixNs;

/// Maximum number of words that are searched for the message id, which may follow a syslog header,
/// date, time, zone and process.
const WORDS_BEFORE_ID_MAX: usize = 12;
/// Maximum length of the text that is searched for unquoted addresses; an address has up to 320
/// octets.
const ADDRESSES_BYTES_MAX: usize = 1024;
/// The flag after the id if a recipient got the message: the first or a further one of a
/// transaction, or one whose message was passed on during reception.
const DELIVERED: [&[u8]; 3] = [b"=>", b"->", b">>"];
/// The flag after the id in other lines; `*>` is a delivery that `-N` suppressed.
const OTHER: [&[u8]; 5] = [b"<=", b"==", b"**", b"*>", b"Completed"];

/// Reads a line of Exim's main log, also with a syslog header.
pub(super) fn read(line: &[u8]) -> Reading<'_> {
    let Some((before, flag, rest)) = parts(line) else { return Reading::Foreign };
    if OTHER.contains(&flag) {
        return Reading::Nothing;
    }
    if !DELIVERED.contains(&flag) {
        return Reading::Foreign;
    }
    let (recipient, rest) = match recipient(rest) {
        Ok(found) => found,
        Err(reason) => return Reading::Bad(reason),
    };
    let reply = match confirmation(rest) {
        Confirmation::Absent => return Reading::Nothing,
        Confirmation::Open => return Reading::Bad(Reason::OpenReply("\"")),
        Confirmation::Reply(reply) => reply,
    };
    let answer = match answer::find(reply, Code::Kept) {
        Ok(None) => return Reading::Nothing,
        Err(reason) => return Reading::Bad(reason),
        Ok(Some(answer)) => answer,
    };
    let recipient = recipient.map_or(Recipients::Unnamed, |it| Recipients::One(Cow::Borrowed(it)));
    Reading::claim(answer, recipient, at_ns(before, line))
}

/// Splits a line at its message id into the text before, the flag, and the rest.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut at = 0;
    for word in line.split(|octet| *octet == b' ').take(WORDS_BEFORE_ID_MAX) {
        let end = at + word.len();
        if word.iter().any(|octet| b"<\"".contains(octet)) {
            // Not an id: the text comes from a client, such as an address in another kind of line.
            return None;
        }
        if is_id(word) {
            let rest = line.get(end + 1..)?;
            let flag = rest.split(|octet| *octet == b' ').next()?;
            return Some((&line[..at], flag, rest.get(flag.len() + 1..).unwrap_or_default()));
        }
        at = end + 1;
    }
    None
}

/// Returns whether `word` is an id: `1RwtJa-0009RI-2d`, or since Exim 4.97
/// `1tGabc-00000006Pya-498Q`.
fn is_id(word: &[u8]) -> bool {
    let mut parts = word.split(|octet| *octet == b'-');
    let mut is_part = |lengths: std::ops::RangeInclusive<usize>| {
        parts.next().is_some_and(|part| {
            lengths.contains(&part.len()) && part.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    is_part(6..=6) && is_part(6..=11) && is_part(2..=4) && parts.next().is_none()
}

/// Returns the original address in angle brackets, which may follow intermediate addresses in
/// parentheses, and the text after it. `rest` starts at the space after the first address.
fn original(rest: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut after = rest;
    if let Some(parents) = rest.strip_prefix(b" (") {
        after = parents.get(address::length(parents, b")") + 1..).unwrap_or_default();
    }
    let Some(text) = after.strip_prefix(b" <") else { return (None, rest) };
    let (original, after) = text.split_at(address::length(text, b">"));
    (Some(original), after.get(1..).unwrap_or_default())
}

/// The field `C=`, in which Exim logs the server's reply to the message.
enum Confirmation<'a> {
    Absent,
    /// The quoted value is not closed.
    Open,
    Reply(&'a [u8]),
}

/// Finds the confirmation among the fields. Values may be quoted, with `\` before a quote, so one
/// value cannot pretend to be another field.
fn confirmation(mut rest: &[u8]) -> Confirmation<'_> {
    while let Some(at) = memchr::memchr2(b' ', b'"', rest) {
        let is_quote = rest[at] == b'"';
        let is_confirmation = is_quote && rest[..at].ends_with(b"C=") && at == 2;
        rest = &rest[at + 1..];
        if !is_quote {
            continue;
        }
        let Some(end) = quote_end(rest) else { return Confirmation::Open };
        if is_confirmation {
            return Confirmation::Reply(&rest[..end]);
        }
        rest = &rest[end + 1..];
    }
    Confirmation::Absent
}

/// Returns the offset of the closing quote in `text`, which follows the opening one; `None` if it
/// is missing.
fn quote_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The recipient of a line, and the rest of the line.
type Addresses<'a> = (Option<&'a [u8]>, &'a [u8]);

/// Returns the recipient as used in SMTP, and the text after the addresses; the recipient is `None`
/// if its domain is unknown. `text` follows the flag.
fn recipient(text: &[u8]) -> Result<Addresses<'_>, Reason> {
    let (first, rest) = text.split_at(address::length(text, b" "));
    let (original, rest) = original(rest);
    if !is_at_field(rest) || address::checked(first).is_err() {
        return without_quotes(text);
    }
    let is_local_part = memchr::memrchr(b'@', first).is_none() || first.ends_with(b"\"");
    if !is_local_part {
        return Ok((Some(first), rest));
    }
    let is_same = |original: &&[u8]| {
        original.strip_prefix(first).is_some_and(|domain| domain.starts_with(b"@"))
    };
    Ok((original.filter(is_same).map(address::checked).transpose()?, rest))
}

/// Returns whether the line ends here, or a field such as ` R=` follows.
fn is_at_field(rest: &[u8]) -> bool {
    let Some(field) = rest.strip_prefix(b" ") else { return rest.is_empty() };
    let key = field.iter().take_while(|octet| octet.is_ascii_uppercase()).count();
    key > 0 && field.get(key) == Some(&b'=')
}

/// Returns the recipient if Exim logged its quoted local part without the quotes: `dora d@b.example
/// <"dora d"@b.example>`. The original address has the quotes; it is the recipient if both have the
/// same text.
fn without_quotes(text: &[u8]) -> Result<Addresses<'_>, Reason> {
    let start = &text[..text.len().min(ADDRESSES_BYTES_MAX)];
    for at in memchr::memmem::find_iter(start, b" <\"") {
        let from = at + 2;
        let original = &start[from..][..address::length(&start[from..], b">")];
        if address::unquoted(original).is_some_and(|same| same == text[..at]) {
            return Ok((Some(address::checked(original)?), &text[from + original.len()..]));
        }
    }
    let addresses = memchr::memmem::find(text, b" R=").unwrap_or(text.len());
    Err(Reason::recipient(&text[..addresses]))
}

/// Returns the time of a line. `before` is the text before the id, such as `2026-11-28 10:00:01.123
/// +0100 [12] `. Exim writes the zone only with `log_timezone`; a preceding syslog timestamp also
/// counts.
fn at_ns(before: &[u8], line: &[u8]) -> Option<UnixNs> {
    let words: Vec<&[u8]> = before.split(|octet| *octet == b' ').collect();
    let own = words.windows(3).find_map(|words| {
        let is_zone = words[2].len() == 5 && matches!(words[2][0], b'+' | b'-');
        let text = is_zone.then(|| [words[0], b" ", words[1], words[2]].concat())?;
        stamp::parse(&text)
    });
    own.or_else(|| stamp::leading(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{
        check_bad, check_claim, check_foreign, check_nothing,
    };

    const ID: &str = "2026-11-28 10:00:01 1tGabc-00000006Pya-498Q";
    const FIELDS: &str = "R=smarthost T=remote_smtp H=127.0.0.1 [127.0.0.1] X=TLS1.3:x:256 CV=no \
        K C=\"250 2.0.0 Ok 17:3 sink-a\" QT=1s";

    #[test]
    fn deliveries_claim_the_first_address() {
        for (text, recipient) in [
            ("=> a@b.example", Some("a@b.example")),
            ("-> a@b.example", Some("a@b.example")),
            (">> a@b.example", Some("a@b.example")),
            ("=> a@b.example <list@b.example>", Some("a@b.example")),
            ("=> a@b.example (mid@b.example) <list@b.example>", Some("a@b.example")),
            ("=> \"a b\"@b.example", Some("\"a b\"@b.example")),
            ("=> a b@b.example <\"a b\"@b.example>", Some("\"a b\"@b.example")),
            ("=> e>, R=x@b.example <\"e>, R=x\"@b.example>", Some("\"e>, R=x\"@b.example")),
            ("=> a\"b@b.example <\"a\\\"b\"@b.example>", Some("\"a\\\"b\"@b.example")),
            ("=> a@b.example <\"x C=\\\"250 Ok 9:99\\\"\"@b.example>", Some("a@b.example")),
            // A local delivery: the original address has the domain, if it is the same mailbox.
            ("=> a <a@b.example>", Some("a@b.example")),
            ("=> a <list@b.example>", None),
            ("=> a", None),
        ] {
            let line = format!("{ID} {text} {FIELDS}");
            check_claim(read, &line, ("17:3", Some("sink-a"), recipient, None));
        }
    }

    #[test]
    fn old_ids_processes_zones_and_syslog_are_read() {
        let at_ns = Some(UnixNs::of_second(1_795_860_001));
        for (start, expected) in [
            ("2026-11-28 10:00:01 1RwtJa-0009RI-2d", None),
            ("2026-11-28 10:00:01 [1234] 1RwtJa-0009RI-2d", None),
            ("2026-11-28 11:00:01 +0100 1tGabc-000000001-XY", at_ns),
            ("2026-11-28 11:00:01.000 +0100 [12] 1RwtJa-0009RI-2d", at_ns),
            ("Nov 28 10:00:01 mx exim[12]: 1RwtJa-0009RI-2d", None),
            ("2026-11-28T10:00:01+00:00 mx exim[12]: 1RwtJa-0009RI-2d", at_ns),
            ("Nov 28 10:00:01 mx exim[12]: 2026-11-28 11:00:01 +0100 1RwtJa-0009RI-2d", at_ns),
        ] {
            let line = format!("{start} => a@b.example {FIELDS}");
            check_claim(read, &line, ("17:3", Some("sink-a"), Some("a@b.example"), expected));
        }
    }

    #[test]
    fn what_is_no_delivery_claims_nothing() {
        for text in [
            "== a@b R=x T=remote_smtp defer (-46): SMTP error after 250 Ok 17:3: 450 no",
            "** a@b R=x T=remote_smtp H=h [::1]: 550 no C=\"250 Ok 17:3\"",
            "*> a@b R=x T=remote_smtp H=h [::1] C=\"250 Ok 17:3\"",
            "<= a@b H=h [::1] P=esmtp S=1 T=\"C=\\\"250 Ok 17:3\\\"\"",
            "=> a@b R=local T=maildir",
            "=> a@b R=x T=remote_smtp H=h [::1] C=\"250 OK id=1tGabc-00000006Pya-498Q\"",
            "=> a@b R=x T=remote_smtp DN=\"CN=x C=250 Ok 17:3\"",
            "Completed",
        ] {
            check_nothing(read, &format!("{ID} {text}"));
        }
        check_foreign(read, "SERVER -> CLIENT: 250 2.0.0 Ok 17:3");
        check_foreign(read, &format!("{ID} SMTP error: 250 Ok 17:3"));
    }

    #[test]
    fn what_cannot_be_used_has_its_reason() {
        for (text, reason) in [
            ("=> a@b R=x C=\"250 2.0.0 Ok 17:3", "the reply has no end"),
            ("=> a b@b.example <list@b.example> R=x C=\"250 2.0.0 Ok 17:3\"", "is not an address"),
            ("=> a b@b.example <\"a c\"@b.example> R=x C=\"250 Ok 17:3\"", "is not an address"),
            ("=> a b@b.example R=x C=\"250 2.0.0 Ok 17:3\"", "is not an address"),
            ("=> a\"b@c R=x C=\"250 2.0.0 Ok 17:3\"", "is not an address"),
            ("=> a@b R=x C=\"250 2.0.0 Ok 0:3\"", "0:3 is not a message ID"),
        ] {
            check_bad(read, &format!("{ID} {text}"), reason);
        }
    }
}
