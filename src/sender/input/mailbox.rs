//! Stored mailboxes, and mailboxes to be written into commands.
use crate::smtp::path::parse_forward;

/// Splits a mailbox into local part and domain; a bare `postmaster` has no domain. Expects a valid
/// mailbox, and returns a best effort for other octets.
pub fn split(mailbox: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut at = 0;
    if mailbox.starts_with(b"\"") {
        at = 1;
        while at < mailbox.len() && mailbox[at] != b'"' {
            at += if mailbox[at] == b'\\' { 2 } else { 1 };
        }
    }
    let rest = mailbox.get(at..).unwrap_or_default();
    match memchr::memchr(b'@', rest) {
        Some(found) => (&mailbox[..at + found], Some(&mailbox[at + found + 1..])),
        None => (mailbox, None),
    }
}

/// Returns whether `text` is a valid path for RCPT, without angle brackets.
pub fn is_mailbox(text: &[u8]) -> bool {
    let path = [b"<", text, b">"].concat();
    // A source route would be accepted, but dropped.
    parse_forward(&path).is_some_and(|(path, rest)| path.mailbox == text && rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_split() {
        for (mailbox, local, domain) in [
            ("a@b", "a", Some("b")),
            ("\"a@b\"@c", "\"a@b\"", Some("c")),
            ("\"a\\\"@b\"@c", "\"a\\\"@b\"", Some("c")),
            ("a@[x:@]", "a", Some("[x:@]")),
            ("postmaster", "postmaster", None),
            ("", "", None),
            ("\"", "\"", None),
            ("\"\\", "\"\\", None),
        ] {
            let (l, d) = split(mailbox.as_bytes());
            assert_eq!((l, d), (local.as_bytes(), domain.map(str::as_bytes)), "{mailbox}");
        }
        for (text, expected) in
            [("a@b", true), ("postmaster", true), ("@x:a@b", false), ("a@b>", false), ("", false)]
        {
            assert_eq!(is_mailbox(text.as_bytes()), expected, "{text}");
        }
    }
}
