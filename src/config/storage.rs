//! How much of a message is stored, by recipient domain: the settings `store` and `store_rule`.
//!
//! ```text
//! rule = domain "=" mode ["/" N]
//! domain = "example.org" / "*.example.org" / "[192.0.2.1]" / "*"
//! mode = "full" / "headers" / "envelope" / "none"
//! ```
//!
//! `example.org` matches that domain alone, `*.example.org` all its subdomains, and `*` all
//! recipients that no other rule matches, including those without a domain. The most specific
//! matching rule applies, whatever the order. `/N` keeps one in N of these messages in full, and
//! the others as the mode says.
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// How much of a message is stored, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreMode {
    /// Nothing: the message is only counted.
    Nothing,
    /// The envelope, without any of the payload.
    Envelope,
    /// The envelope, and the payload up to and including the first empty line.
    Headers,
    /// The envelope and the whole payload.
    Full,
}

impl StoreMode {
    const ALL: [StoreMode; 4] =
        [StoreMode::Full, StoreMode::Headers, StoreMode::Envelope, StoreMode::Nothing];

    /// Returns the name in settings.
    fn name(self) -> &'static str {
        match self {
            StoreMode::Full => "full",
            StoreMode::Headers => "headers",
            StoreMode::Envelope => "envelope",
            StoreMode::Nothing => "none",
        }
    }
}

impl FromStr for StoreMode {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<StoreMode, BadRule> {
        StoreMode::ALL.into_iter().find(|mode| mode.name() == text).ok_or(BadRule::Mode)
    }
}

impl fmt::Display for StoreMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule whose syntax was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRule {
    /// The domains of the recipients that it matches.
    pub domain: Domain,
    /// How much of their mail is stored.
    pub store: StoreMode,
    /// One message in this number (at least 2) is kept in full; `None`: the mode applies to all.
    pub one_in: Option<u32>,
}

/// The recipients that a rule matches; domains in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// This domain alone.
    Exactly(String),
    /// Every subdomain of this domain.
    SubdomainsOf(String),
    /// All recipients that no other rule matches.
    Any,
}

/// Why a text is not a rule, or can't be added. Displays what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", self.expected())]
pub enum BadRule {
    /// There is no `=`, or nothing before it.
    NoDomain,
    /// The text before `=` is not a domain.
    Domain,
    /// The text after `=` is not a mode.
    Mode,
    /// The text after `/` is not a number of at least 2.
    OneIn,
    /// `/N` after `full`, which keeps every message in full anyway.
    FullSampled,
    /// The domain already has a rule.
    Twice,
}

impl BadRule {
    /// Returns what was expected instead, with an example, as the object of "expected".
    pub fn expected(self) -> &'static str {
        match self {
            BadRule::NoDomain => "a domain and its mode, as in example.org=headers or *=none",
            BadRule::Domain => "a domain: example.org, *.example.org, [192.0.2.1], or * for all",
            BadRule::Mode => "a mode: 'full', 'headers', 'envelope' or 'none'",
            BadRule::OneIn => {
                "a whole number from 2 to 4294967295 after the slash, to keep one message in N in \
                 full"
            }
            BadRule::FullSampled => "no /N after full, which keeps every message",
            BadRule::Twice => "at most one rule per domain",
        }
    }
}

/// Maximum length of a domain, in octets (RFC 5321 section 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;

impl FromStr for StoreRule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<StoreRule, BadRule> {
        let (domain, mode) = text.split_once('=').ok_or(BadRule::NoDomain)?;
        if domain.is_empty() {
            return Err(BadRule::NoDomain);
        }
        let domain = parse_domain(&domain.to_ascii_lowercase()).ok_or(BadRule::Domain)?;
        let (mode, one_in) = match mode.split_once('/') {
            None => (mode, None),
            Some((mode, n)) => {
                let n = n.parse().ok().filter(|n| *n >= 2).ok_or(BadRule::OneIn)?;
                (mode, Some(n))
            }
        };
        let store = mode.parse()?;
        if store == StoreMode::Full && one_in.is_some() {
            return Err(BadRule::FullSampled);
        }
        Ok(StoreRule { domain, store, one_in })
    }
}

fn parse_domain(text: &str) -> Option<Domain> {
    if text == "*" {
        return Some(Domain::Any);
    }
    if text.starts_with('[') && text.ends_with(']') && text.len() > 2 {
        return (!text.contains(['*', '@', ' '])).then(|| Domain::Exactly(text.into()));
    }
    let (name, below) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let is_label = |label: &str| {
        let letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.chars().all(letter)
    };
    let good = name.len() <= DOMAIN_BYTES_MAX && name.split('.').all(is_label);
    let domain = if below { Domain::SubdomainsOf } else { Domain::Exactly };
    good.then(|| domain(name.into()))
}

impl fmt::Display for StoreRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Domain::Exactly(name) => write!(f, "{name}")?,
            Domain::SubdomainsOf(name) => write!(f, "*.{name}")?,
            Domain::Any => write!(f, "*")?,
        }
        write!(f, "={}", self.store)?;
        self.one_in.map_or(Ok(()), |n| write!(f, "/{n}"))
    }
}

/// Parses a rule and adds it to `rules`.
///
/// Errors: the text is not a rule, or its domain already has one.
pub fn add_rule(rules: &mut Vec<StoreRule>, text: &str) -> Result<(), BadRule> {
    let rule: StoreRule = text.parse()?;
    if rules.iter().any(|other| other.domain == rule.domain) {
        return Err(BadRule::Twice);
    }
    rules.push(rule);
    Ok(())
}

/// The rules as hash tables, to find the rule of a recipient.
#[derive(Debug)]
pub struct Rules {
    exactly: HashMap<Box<[u8]>, usize>,
    below: HashMap<Box<[u8]>, usize>,
    any: Option<usize>,
}

impl Rules {
    /// Returns the rules as hash tables; no two rules may name the same domain.
    pub fn new(rules: &[StoreRule]) -> Rules {
        let (mut exactly, mut below, mut any) = (HashMap::new(), HashMap::new(), None);
        for (index, rule) in rules.iter().enumerate() {
            match &rule.domain {
                Domain::Exactly(name) => drop(exactly.insert(name.as_bytes().into(), index)),
                Domain::SubdomainsOf(name) => drop(below.insert(name.as_bytes().into(), index)),
                Domain::Any => any = Some(index),
            }
        }
        Rules { exactly, below, any }
    }

    /// Returns the index of the rule for a forward-path without brackets. Costs at most one lookup
    /// per label of its domain; allocates nothing.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        let Some(at) = memchr::memrchr(b'@', path) else { return self.any };
        let domain = &path[at + 1..];
        // A trailing dot does not change the domain; `--syntax lenient` accepts it.
        let domain = domain.strip_suffix(b".").unwrap_or(domain);
        let mut lower = [0; DOMAIN_BYTES_MAX];
        let Some(lower) = lower.get_mut(..domain.len()) else { return self.any };
        lower.copy_from_slice(domain);
        lower.make_ascii_lowercase();
        if let Some(rule) = self.exactly.get(&*lower) {
            return Some(*rule);
        }
        let mut rest = &*lower;
        while !self.below.is_empty()
            && let Some(dot) = memchr::memchr(b'.', rest)
        {
            rest = &rest[dot + 1..];
            if let Some(rule) = self.below.get(rest) {
                return Some(*rule);
            }
        }
        self.any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_as_they_were_written() {
        for text in [
            "example.org=headers",
            "*.test=none",
            "*=envelope/10",
            "[192.0.2.1]=full",
            "[ipv6:2001:db8::1]=none/4294967295",
            "b\u{fc}cher.example=headers/2",
        ] {
            let rule: StoreRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        let rule: StoreRule = "Example.ORG=none".parse().unwrap();
        assert_eq!(rule.domain, Domain::Exactly("example.org".into()));
    }

    #[test]
    fn bad_rules_say_what_was_expected() {
        for (text, error) in [
            ("headers", BadRule::NoDomain),
            ("none/10", BadRule::NoDomain),
            ("", BadRule::NoDomain),
            ("=none", BadRule::NoDomain),
            ("a@b.example=none", BadRule::Domain),
            ("*.*=none", BadRule::Domain),
            ("*.=none", BadRule::Domain),
            ("a..b=none", BadRule::Domain),
            ("ex*ample=none", BadRule::Domain),
            (" =none", BadRule::Domain),
            ("[]=none", BadRule::Domain),
            ("*=", BadRule::Mode),
            ("*=nothing", BadRule::Mode),
            ("*=Full", BadRule::Mode),
            ("*=/2", BadRule::Mode),
            ("*=none/", BadRule::OneIn),
            ("*=none/0", BadRule::OneIn),
            ("*=none/1", BadRule::OneIn),
            ("*=none/-2", BadRule::OneIn),
            ("*=none/2/3", BadRule::OneIn),
            ("*=none/4294967296", BadRule::OneIn),
            ("*=full/2", BadRule::FullSampled),
        ] {
            assert_eq!(text.parse::<StoreRule>(), Err(error), "{text}");
        }
        let mut rules = Vec::new();
        add_rule(&mut rules, "a.example=none").unwrap();
        add_rule(&mut rules, "*.a.example=none").unwrap();
        assert_eq!(add_rule(&mut rules, "A.example=full"), Err(BadRule::Twice));
    }

    #[test]
    fn the_most_specific_rule_counts() {
        let mut rules = Vec::new();
        for rule in ["*=none", "*.example=headers", "*.b.example=envelope", "a.b.example=full"] {
            add_rule(&mut rules, rule).unwrap();
        }
        let rules = Rules::new(&rules);
        for (path, rule) in [
            (&b"x@a.b.example"[..], 3),
            (b"x@A.B.Example", 3),
            (b"x@a.b.example.", 3),
            (b"x@c.b.example.", 2),
            (b"x@.", 0),
            (b"x@c.b.example", 2),
            (b"x@d.c.b.example", 2),
            (b"x@b.example", 1),
            (b"x@example", 0),
            (b"x@example.org", 0),
            (b"postmaster", 0),
            (b"\"x@a.b.example\"@other", 0),
            (b"x@", 0),
        ] {
            assert_eq!(rules.find(path), Some(rule), "{}", path.escape_ascii());
        }
        assert_eq!(rules.find(&[b"x@".as_slice(), &[b'a'; 300]].concat()), Some(0));
        assert_eq!(Rules::new(&[]).find(b"a@b"), None);
    }
}
