//! Address patterns of the fields `from:`, `to:` and `cc:`.
use std::fmt;

use super::pattern::value;

/// A pattern for addresses. Texts are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AddressPattern {
    /// `<>`: the null reverse-path.
    Null,
    /// `ann@example.org`: this address.
    Whole(String),
    /// `@example.org`: all addresses in this domain, without subdomains.
    Domain(String),
    /// `example.org`: all addresses in this domain and its subdomains. Also matches an address
    /// without a domain, such as `postmaster`.
    WithSubdomains(String),
    /// `bounce+*@example.org`: all addresses that match, where each `*` stands for any text.
    Matching(String),
}

impl AddressPattern {
    /// Parses an address pattern without `*`. Returns `None` if it is not valid.
    pub(super) fn parse(text: &str) -> Option<AddressPattern> {
        if text == "<>" {
            return Some(AddressPattern::Null);
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
            None => AddressPattern::WithSubdomains(lower),
            Some("") => AddressPattern::Domain(domain.to_owned()),
            // A local-part with a space must be quoted.
            Some(local) if local.starts_with('"') || local.chars().all(is_domain) => {
                AddressPattern::Whole(lower)
            }
            Some(_) => return None,
        })
    }

    /// Parses a pattern with at least one `*`. Returns `None` if no address can match it.
    pub(super) fn parse_wildcard(text: &str) -> Option<AddressPattern> {
        let is_good = |c: char| !c.is_whitespace() && !matches!(c, '<' | '>' | ',' | '"');
        text.chars().all(is_good).then(|| AddressPattern::Matching(text.to_lowercase()))
    }

    /// Returns whether the address `candidate` matches. The null reverse-path never does: callers
    /// decide about [`AddressPattern::Null`].
    pub(super) fn is(&self, candidate: &str) -> bool {
        let domain = candidate.rsplit_once('@').map(|(_, domain)| domain);
        match self {
            AddressPattern::Null => false,
            AddressPattern::Whole(whole) => is_same(candidate, whole),
            AddressPattern::Domain(wanted) => domain.is_some_and(|d| is_same(d, wanted)),
            AddressPattern::WithSubdomains(wanted) => is_below(domain.unwrap_or(candidate), wanted),
            AddressPattern::Matching(_) if candidate.is_empty() => false,
            AddressPattern::Matching(wanted) => is_like(&candidate.to_lowercase(), wanted),
        }
    }
}

/// Compares case-insensitively. `lower` must be in lower case.
fn is_same(text: &str, lower: &str) -> bool {
    text.eq_ignore_ascii_case(lower) || (!text.is_ascii() && text.to_lowercase() == lower)
}

/// Returns whether `domain` is `wanted` or a subdomain of it. `wanted` must be in lower case.
fn is_below(domain: &str, wanted: &str) -> bool {
    if is_same(domain, wanted) {
        return true;
    }
    let start = domain.len().checked_sub(wanted.len());
    let Some(start) = start.filter(|s| *s > 0) else { return false };
    // Lower case can have a different length, so this may not be a character boundary.
    let parts = domain.is_char_boundary(start).then(|| domain.split_at(start));
    parts.is_some_and(|(above, end)| above.ends_with('.') && is_same(end, wanted))
}

/// Returns whether `text` matches `wanted`, in which each `*` stands for any text. The text between
/// two stars is matched where it first occurs, which leaves the most for the rest, so one pass is
/// enough.
fn is_like(text: &str, wanted: &str) -> bool {
    let (start, rest) = wanted.split_once('*').unwrap_or((wanted, ""));
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inside = text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    let Some(mut inside) = inside else { return false };
    middle.split('*').all(|piece| match inside.find(piece) {
        Some(at) => {
            inside = &inside[at + piece.len()..];
            true
        }
        None => false,
    })
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressPattern::Null => f.write_str("<>"),
            AddressPattern::Whole(text) | AddressPattern::WithSubdomains(text) => value(f, text),
            AddressPattern::Domain(domain) => value(f, &format!("@{domain}")),
            AddressPattern::Matching(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_patterns_match_addresses() {
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
            let address = AddressPattern::parse(wanted).unwrap();
            assert_eq!(address.is(candidate), expected, "{wanted} {candidate}");
        }
    }

    #[test]
    fn a_star_stands_for_any_part_of_an_address() {
        for (wanted, candidate, expected) in [
            ("bounce+*", "Bounce+ann=example.com@news.example", true),
            ("bounce+*", "nobounce+x@news.example", false),
            ("bounce*@news.example", "bounce-1@news.example", true),
            ("bounce*@news.example", "bounce-1@other.example", false),
            ("*@news.example", "a@news.example", true),
            ("*+*=example.com@*", "b+ann=example.com@x", true),
            ("*+*=example.com@*", "b=example.com+ann@x", false),
            ("a*a", "a", false),
            ("a**a", "aba", true),
            ("*", "ann@example.org", true),
            ("*", "", false),
            ("GRÜ*", "grüsse@x", true),
        ] {
            let address = AddressPattern::parse_wildcard(wanted).unwrap();
            assert_eq!(address.is(candidate), expected, "{wanted} {candidate}");
        }
        assert_eq!(AddressPattern::parse_wildcard("a,b*"), None);
    }

    #[test]
    fn invalid_address_patterns_are_refused() {
        for text in ["", "@", "ann@", "Ann Smith", "Ann <ann@example.org>", "a,b", "a b@x.org"] {
            assert_eq!(AddressPattern::parse(text), None, "{text}");
        }
    }
}
