//! Whom `from:`, `to:` and `cc:` mean.
use std::fmt;

use super::pattern::value;

/// An address or a group of them. Texts are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `<>`: the null reverse-path.
    Null,
    /// `ann@example.org`: this one.
    Whole(String),
    /// `@example.org`: all of this domain, not of those below it.
    Domain(String),
    /// `example.org`: all of this domain and of those below it; or the address without a domain,
    /// such as `postmaster`.
    Below(String),
}

impl Address {
    /// `None` if it can't be one.
    pub(super) fn parse(text: &str) -> Option<Address> {
        if text == "<>" {
            return Some(Address::Null);
        }
        let inside = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        let lower = inside.to_lowercase();
        let (local, domain) = match lower.rsplit_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, &*lower),
        };
        let is_domain = |c: char| !c.is_whitespace() && !matches!(c, '<' | '>' | ',' | '"');
        if domain.is_empty() || !domain.chars().all(is_domain) {
            return None;
        }
        Some(match local {
            None => Address::Below(lower),
            Some("") => Address::Domain(domain.to_owned()),
            // A local part with a space is a quoted one.
            Some(local) if local.starts_with('"') || local.chars().all(is_domain) => {
                Address::Whole(lower)
            }
            Some(_) => return None,
        })
    }

    /// Is it `candidate`, or is `candidate` among them? The null reverse-path is never asked for
    /// here.
    pub(super) fn is(&self, candidate: &str) -> bool {
        let domain = candidate.rsplit_once('@').map(|(_, domain)| domain);
        match self {
            Address::Null => false,
            Address::Whole(whole) => is_same(candidate, whole),
            Address::Domain(wanted) => domain.is_some_and(|d| is_same(d, wanted)),
            Address::Below(wanted) => is_below(domain.unwrap_or(candidate), wanted),
        }
    }
}

/// But for case. `lower` is in lower case.
fn is_same(text: &str, lower: &str) -> bool {
    text.eq_ignore_ascii_case(lower) || (!text.is_ascii() && text.to_lowercase() == lower)
}

/// Is `domain` the one wanted, or one below it? `wanted` is in lower case.
fn is_below(domain: &str, wanted: &str) -> bool {
    if is_same(domain, wanted) {
        return true;
    }
    let start = domain.len().checked_sub(wanted.len());
    let Some(start) = start.filter(|s| *s > 0) else { return false };
    // Lower case may have another length; then a dot is looked for at a place where none is.
    let parts = domain.is_char_boundary(start).then(|| domain.split_at(start));
    parts.is_some_and(|(above, end)| above.ends_with('.') && is_same(end, wanted))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Null => f.write_str("<>"),
            Address::Whole(text) | Address::Below(text) => value(f, text),
            Address::Domain(domain) => value(f, &format!("@{domain}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_meant() {
        for (wanted, candidate, expected) in [
            ("ann@example.org", "Ann@Example.ORG", true),
            ("<Ann@example.org>", "ann@example.org", true),
            ("ann@example.org", "ann@sub.example.org", false),
            ("ann@example.org", "joann@example.org", false),
            ("example.org", "ann@example.org", true),
            ("example.org", "ann@a.b.Example.org", true),
            ("example.org", "ann@badexample.org", false),
            ("example.org", "example.org@other.net", false),
            ("org", "ann@example.org", true),
            ("@example.org", "ann@example.org", true),
            ("@example.org", "ann@sub.example.org", false),
            ("postmaster", "Postmaster", true),
            ("postmaster", "postmaster@example.org", false),
            ("[127.0.0.1]", "ann@[127.0.0.1]", true),
            ("\"a b\"@example.org", "\"A b\"@example.org", true),
            ("GRÜSSE@exämple.org", "grüsse@EXÄMPLE.org", true),
            ("exämple.org", "x@mail.EXÄMPLE.org", true),
            ("example.org", "", false),
            ("<>", "", false),
        ] {
            let address = Address::parse(wanted).unwrap();
            assert_eq!(address.is(candidate), expected, "{wanted} {candidate}");
        }
    }

    #[test]
    fn who_can_not_be_meant() {
        for text in ["", "@", "ann@", "Ann Smith", "Ann <ann@example.org>", "a,b", "a b@x.org"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
