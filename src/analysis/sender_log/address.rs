//! Addresses in logs: where they end, and whether SMTP could have carried them.
use super::reason::Reason;

/// Returns the length of the address at the start of `text`: up to the first unquoted octet that is
/// in `stops`, or to the end.
pub(super) fn length(text: &[u8], stops: &[u8]) -> usize {
    let from = quoted_length(text).unwrap_or(0);
    text[from..].iter().position(|octet| stops.contains(octet)).map_or(text.len(), |at| from + at)
}

/// Returns the length of the quoted string at the start, including its quotes.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut rest = text.strip_prefix(b"\"")?.iter().enumerate();
    while let Some((at, octet)) = rest.next() {
        match octet {
            b'"' => return Some(at + 2),
            b'\\' => drop(rest.next()),
            _ => {}
        }
    }
    None
}

/// Returns a quoted address without its quotes and backslashes; `None` if it is not quoted.
pub(super) fn unquoted(address: &[u8]) -> Option<Vec<u8>> {
    let (local, domain) = address.split_at(quoted_length(address)?);
    let mut octets = local[1..local.len() - 1].iter();
    let mut text = Vec::with_capacity(address.len());
    while let Some(octet) = octets.next() {
        // A backslash always precedes an octet, because the string is closed.
        text.push(if *octet == b'\\' { *octets.next()? } else { *octet });
    }
    text.extend_from_slice(domain);
    Some(text)
}

/// Returns `address` if SMTP could have carried it: a local part that is a dot-string or quoted,
/// and a domain or an address literal; a local part alone, such as `postmaster`, is allowed, too.
/// Non-ASCII octets are allowed in local parts and domains (RFC 6531).
///
/// Errors: SMTP could not have carried it, as with an unquoted local part that contains a space.
/// Older Postfix versions log such local parts without their quotes, so they cannot be compared.
pub(super) fn checked(address: &[u8]) -> Result<&[u8], Reason> {
    let local = quoted_length(address)
        .unwrap_or_else(|| address.iter().take_while(|octet| is_atext(**octet)).count());
    let is_good = match address[local..].split_first() {
        None => local > 0,
        Some((b'@', domain)) => local > 0 && is_domain(domain),
        Some(_) => false,
    };
    if is_good { Ok(address) } else { Err(Reason::recipient(address)) }
}

/// Returns whether an unquoted local part may contain the octet.
pub(super) fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet >= 0x80 || b".!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// Returns whether a domain may contain the octet: letters, digits, `.`, `-`, `_` and non-ASCII.
pub(super) fn is_of_domain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet >= 0x80 || b".-_".contains(&octet)
}

fn is_domain(domain: &[u8]) -> bool {
    match domain.strip_prefix(b"[").and_then(|literal| literal.strip_suffix(b"]")) {
        Some(literal) => literal.iter().all(|o| o.is_ascii_graphic() && !b"[]\\<>".contains(o)),
        None => !domain.is_empty() && domain.iter().all(|octet| is_of_domain(*octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_smtp_writes() {
        for (address, expected) in [
            ("a@b.example", true),
            ("a.b+c=d@b.example", true),
            ("o'brien@b.example", true),
            ("postmaster", true),
            ("\"a b\"@b.example", true),
            ("\"a>, relay=x\"@b.example", true),
            ("\"a\\\"b\"@b.example", true),
            ("a@[192.0.2.1]", true),
            ("a@[IPv6:2001:db8::1]", true),
            ("grüße@bücher.example", true),
            ("a..b@b.example", true),
            ("", false),
            ("@b.example", false),
            ("a@", false),
            ("a b@b.example", false),
            ("a\"b@b.example", false),
            ("\"a b@b.example", false),
            ("\"a\"b@b.example", false),
            ("a@b@c.example", false),
            ("a@b c", false),
            ("<a@b.example>", false),
            ("a@[1.2.3.4", false),
        ] {
            assert_eq!(checked(address.as_bytes()).is_ok(), expected, "{address}");
        }
        assert!(checked(b"J\xf6rg@b.example").is_ok(), "Latin-1 is kept as it is");
    }

    #[test]
    fn an_address_is_taken_out_of_its_quotes() {
        for (address, expected) in [
            ("\"a b\"@c", Some("a b@c")),
            ("\"a\\\"\\\\b\"@c", Some("a\"\\b@c")),
            ("\"\"@c", Some("@c")),
            ("a@c", None),
            ("\"a@c", None),
        ] {
            assert_eq!(unquoted(address.as_bytes()).as_deref(), expected.map(str::as_bytes));
        }
    }

    #[test]
    fn an_address_ends_outside_of_its_quotes() {
        for (text, expected) in [
            ("a@b>, c", "a@b"),
            ("\"a>b\"@c>, d", "\"a>b\"@c"),
            ("\"a\\\">b\"@c>", "\"a\\\">b\"@c"),
            ("\"a>b", "\"a"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(length(text.as_bytes(), b">"), expected.len(), "{text}");
        }
    }
}
