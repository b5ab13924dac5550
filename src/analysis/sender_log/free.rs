//! Any other text: lines of a program or a client that prints replies.
//!
//! A reply counts only after its code 250 or at the start of a quoted text. The recipient is the
//! only address in the line, apart from addresses that are labeled otherwise (`from=`,
//! `messageId:`). If it is unclear whether some text is an address, no recipient is reported.
use std::borrow::Cow;

use super::address;
use super::answer::{self, Code};
use super::claim::{LoggedClaim, Reading, Recipients};
use super::stamp;

/// Octets that may directly precede an address.
const DELIMITERS: &[u8] = b" \t<\"'([,:;";
/// Keys before `=` that do not introduce an address.
const KEYS: [&[u8]; 7] =
    [b"to", b"rcpt", b"recipient", b"recipients", b"email", b"address", b"from"];
/// Maximum length of a label of an address.
const NAME_BYTES_MAX: usize = 32;

/// Reads a line that no other format recognizes. It counts only if it has a reply after its code or
/// after a quote.
pub(super) fn read(line: &[u8]) -> Reading<'_> {
    let answer = match answer::find(line, Code::Kept) {
        Ok(None) => return Reading::Nothing,
        Err(reason) => return Reading::Bad(reason),
        Ok(Some(answer)) => answer,
    };
    let recipient = match only_address(line) {
        Some(address) => Recipients::One(Cow::Borrowed(address)),
        None => Recipients::Unnamed,
    };
    let is_at_end = answer.is_at_end;
    Reading::Claim(LoggedClaim {
        is_at_end,
        ..LoggedClaim::new(answer, recipient, stamp::leading(line))
    })
}

/// Returns the only address that may be a recipient; `None` if there is none, or more than one.
fn only_address(line: &[u8]) -> Option<&[u8]> {
    let mut only = None;
    for at in memchr::memchr_iter(b'@', line) {
        let (address, is_recipient) = around(line, at)?;
        match only {
            _ if !is_recipient => {}
            None => only = Some(address),
            Some(first) if first == address => {}
            Some(_) => return None,
        }
    }
    only
}

/// Returns the address around an `@`, and whether it may be a recipient; `None` if its beginning or
/// end is unclear.
fn around(line: &[u8], at: usize) -> Option<(&[u8], bool)> {
    // A quote or a slash more likely belongs to the text than to the address.
    let is_of_local = |octet: &&u8| address::is_atext(**octet) && !b"'`/{}|?".contains(octet);
    let mut start = at - line[..at].iter().rev().take_while(is_of_local).count();
    let domain = &line[at + 1..];
    let length = domain.iter().take_while(|octet| address::is_of_domain(**octet)).count();
    let length = domain[..length].iter().rposition(|octet| *octet != b'.')? + 1;
    let end = at + 1 + length;
    let before = line[..start].last();
    if before == Some(&b'\'') && line.get(end) != Some(&b'\'') {
        // For example `O'Brien@b.example`.
        return None;
    }
    if let Some(key_end) = line[start..at].iter().position(|octet| *octet == b'=')
        && before != Some(&b'<')
    {
        if !KEYS.contains(&&line[start..start + key_end]) {
            return None;
        }
        start += key_end + 1;
    } else if !before.is_none_or(|octet| DELIMITERS.contains(octet)) {
        return None;
    }
    let is_whole = start < at && line.get(end) != Some(&b'@') && !line[start..at].contains(&b'=')
        || before == Some(&b'<') && start < at;
    let is_recipient = !is_named_otherwise(&line[..start]);
    is_whole.then_some((&line[start..end], is_recipient))
}

/// Returns whether the label before an address says that it is a sender or a message.
fn is_named_otherwise(before: &[u8]) -> bool {
    let is_between = |octet: &&u8| b" \t<\"'([:=\\".contains(octet);
    let gap = before.iter().rev().take_while(is_between).count();
    let before = &before[..before.len() - gap];
    let is_of_word = |octet: &&u8| octet.is_ascii_alphabetic() || b"-_".contains(octet);
    let length = before.iter().rev().take(NAME_BYTES_MAX).take_while(is_of_word).count();
    let word = before[before.len() - length..].to_ascii_lowercase();
    let is_named = |name: &&[u8]| word.ends_with(name);
    gap > 0 && [b"id".as_slice(), b"from", b"sender", b"orig", b"return-path"].iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{check_bad, check_claim, check_nothing};
    use crate::time::UnixNs;

    #[test]
    fn replies_in_any_text_claim_a_message() {
        for (line, sink, recipient) in [
            // swaks, PHPMailer, smtplib, nodemailer.
            ("<-  250 2.0.0 Ok 17:3 sink-a", Some("sink-a"), None),
            (
                "2026-11-28 10:00:01 SERVER -> CLIENT: 250 2.0.0 Ok 17:3 sink-a",
                Some("sink-a"),
                None,
            ),
            ("reply: b'250 2.0.0 Ok 17:3 sink-a\\r\\n'", Some("sink-a"), None),
            ("data: (250, b'2.0.0 Ok 17:3 sink-a')", Some("sink-a"), None),
            (
                "{ accepted: [ 'a@b.example' ], response: '250 2.0.0 Ok 17:3 sink-a', messageId: \
                 '<1@x.example>' }",
                Some("sink-a"),
                Some("a@b.example"),
            ),
            ("sent to a@b.example: 250 2.0.0 Ok 17:3 sink-a", Some("sink-a"), Some("a@b.example")),
            ("a@b.example. 250 Ok 17:3 in 3 ms", None, Some("a@b.example")),
        ] {
            check_claim(read, line, ("17:3", sink, recipient, None));
        }
        let line = "2026-11-28T10:00:01Z <a@b> 250 Ok 17:3";
        check_claim(
            read,
            line,
            ("17:3", None, Some("a@b"), Some(UnixNs::of_second(1_795_860_001))),
        );
    }

    #[test]
    fn only_the_only_address_is_the_recipient() {
        for (text, expected) in [
            ("<a@b.example>", Some("a@b.example")),
            ("to=a@b.example", Some("a@b.example")),
            ("to=<bounce+c=d.example@b.example>", Some("bounce+c=d.example@b.example")),
            ("from=<s@x.example> to=<a@b.example>", Some("a@b.example")),
            ("sender: s@x.example, a@b.example", Some("a@b.example")),
            ("\"Message-ID\":\"<1@x.example>\"", None),
            ("from=s@x.example", None),
            ("a@b.example c@d.example", None),
            ("a@b.example a@b.example", Some("a@b.example")),
            // The beginning or the end of the address is unclear.
            ("\"a b\"@c.example", None),
            ("O'Brien@b.example", None),
            ("c=d.example@b.example", None),
            ("to=c=d.example@b.example", None),
            ("a@b@c.example", None),
            ("@b.example", None),
            ("a@", None),
            ("x/y@b.example", None),
        ] {
            let line = format!("{text} 250 Ok 17:3");
            check_claim(read, &line, ("17:3", None, expected, None));
        }
    }

    #[test]
    fn lines_without_a_reply_claim_nothing() {
        check_nothing(read, "Ok 17:3 a@b.example");
        check_nothing(read, "250 2.0.0 Ok: queued as 17:3");
        check_bad(read, "250 Ok 17:3 and 250 Ok 17:4", "two message IDs");
    }
}
