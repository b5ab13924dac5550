//! Reverse-path and forward-path (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3 for octets above 127).
//!
//! ```text
//! Path       = "<" [ A-d-l ":" ] Mailbox ">"        A-d-l = At-domain *( "," At-domain )
//! Mailbox    = Local-part "@" ( Domain / address-literal )
//! Local-part = Dot-string / Quoted-string
//! ```
//!
//! The limits of 4.5.3.1.1 to 4.5.3.1.3 (64, 255, 256 octets) are the minimum that a server must
//! accept. This parser accepts paths of up to [`PATH_BYTES_MAX`] and does not limit the parts.

/// Maximum length of a path, including angle brackets and source route, in octets.
pub const PATH_BYTES_MAX: usize = 1024;

/// A path with valid syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    /// The mailbox without angle brackets and source route; empty for the null reverse-path.
    pub mailbox: &'a [u8],
    /// Whether there are octets above 127 (valid UTF-8), which require SMTPUTF8.
    pub utf8: bool,
}

/// Parses a reverse-path, including `<>`. Returns the path and the text after its `>`, or `None`
/// for bad syntax.
pub fn parse_reverse(text: &[u8]) -> Option<(Path<'_>, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"<>") {
        return Some((Path { mailbox: b"", utf8: false }, rest));
    }
    parse(text)
}

/// Parses a forward-path, including `<postmaster>` without a domain (RFC 5321 4.1.1.3, 4.5.1).
pub fn parse_forward(text: &[u8]) -> Option<(Path<'_>, &[u8])> {
    let postmaster = text.get(1..11).unwrap_or_default();
    if postmaster.eq_ignore_ascii_case(b"postmaster")
        && text[0] == b'<'
        && text.get(11) == Some(&b'>')
    {
        return Some((Path { mailbox: postmaster, utf8: false }, &text[12..]));
    }
    parse(text)
}

impl Path<'_> {
    /// Returns whether the domain has more than one label or is an address literal. The null
    /// reverse-path and `postmaster` need no domain, and count as fully qualified.
    pub fn is_fully_qualified(&self) -> bool {
        let Some(at) = memchr::memrchr(b'@', self.mailbox) else {
            return self.mailbox.is_empty() || self.mailbox.eq_ignore_ascii_case(b"postmaster");
        };
        let domain = &self.mailbox[at + 1..];
        domain.starts_with(b"[") || domain.contains(&b'.')
    }
}

fn parse(text: &[u8]) -> Option<(Path<'_>, &[u8])> {
    let inner = skip_source_route(text.strip_prefix(b"<")?)?;
    let mailbox = &inner[..mailbox_bytes(inner)?];
    let rest = inner[mailbox.len()..].strip_prefix(b">")?;
    let whole = &text[..text.len() - rest.len()];
    if whole.len() > PATH_BYTES_MAX {
        return None;
    }
    let utf8 = !whole.is_ascii();
    if utf8 && std::str::from_utf8(whole).is_err() {
        return None;
    }
    Some((Path { mailbox, utf8 }, rest))
}

/// Skips a source route, `@a,@b:`, which is accepted and ignored (RFC 5321 4.1.1.3, appendix C).
fn skip_source_route(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let Some(domain) = rest.strip_prefix(b"@") {
        rest = &domain[domain_bytes(domain)?..];
        match rest.split_first()? {
            (b':', mailbox) if !mailbox.starts_with(b"@") => return Some(mailbox),
            (b',', next) if next.starts_with(b"@") => rest = next,
            _ => return None,
        }
    }
    Some(rest)
}

/// Returns the length of the mailbox at the start of `text`.
fn mailbox_bytes(text: &[u8]) -> Option<usize> {
    let local = if text.starts_with(b"\"") {
        quoted_string_bytes(text)?
    } else {
        dotted_bytes(text, is_atext)?
    };
    let domain = text[local..].strip_prefix(b"@")?;
    Some(local + 1 + domain_bytes(domain)?)
}

/// Returns the length of non-empty atoms joined by dots, where each octet satisfies `belongs`.
fn dotted_bytes(text: &[u8], belongs: fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let element = text[at..].iter().take_while(|&&octet| belongs(octet)).count();
        at += element;
        if element == 0 {
            return None;
        }
        if text.get(at) != Some(&b'.') {
            return Some(at);
        }
        at += 1;
    }
}

pub(super) fn quoted_string_bytes(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if matches!(text.get(at + 1), Some(b' '..=b'~')) => at += 2,
            b'\\' | 0..=31 | 127 => return None,
            _ => at += 1,
        }
    }
}

pub(super) fn domain_bytes(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"[") {
        let end = memchr::memchr(b']', text)?;
        return is_address_literal(&text[1..end]).then_some(end + 1);
    }
    let bytes = dotted_bytes(text, is_ldh)?;
    let labels = text[..bytes].split(|&octet| octet == b'.');
    labels.into_iter().all(has_no_outer_hyphen).then_some(bytes)
}

/// Returns whether the label has no hyphen at either end (RFC 5321 4.1.2).
pub(super) fn has_no_outer_hyphen(label: &[u8]) -> bool {
    label.first() != Some(&b'-') && label.last() != Some(&b'-')
}

/// Checks the text between the square brackets (RFC 5321 4.1.3).
fn is_address_literal(text: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', text) else { return is_ipv4(text) };
    let (tag, content) = (&text[..colon], &text[colon + 1..]);
    if tag.eq_ignore_ascii_case(b"IPv6") {
        let address = std::str::from_utf8(content).ok();
        return address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let is_tag = !tag.is_empty()
        && tag.iter().all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && tag.last() != Some(&b'-');
    is_tag && !content.is_empty() && content.iter().all(|octet| matches!(octet, 33..=90 | 94..=126))
}

/// Checks for four numbers of one to three digits, up to 255.
fn is_ipv4(text: &[u8]) -> bool {
    let mut parts = 0;
    let is_number = |part: &[u8]| {
        let value = part.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit & 15));
        matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit) && value <= 255
    };
    for part in text.split(|&octet| octet == b'.') {
        parts += 1;
        if parts > 4 || part.len() > 3 || !is_number(part) {
            return false;
        }
    }
    parts == 4
}

/// Returns whether the octet is atext (RFC 5322 3.2.3) or part of UTF-8 (RFC 6531 3.3).
pub(super) fn is_atext(octet: u8) -> bool {
    matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+'
        | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~' | 128..)
}

/// Returns whether the octet is a letter, digit or hyphen, or part of a U-label (RFC 6531 3.3).
pub(super) fn is_ldh(octet: u8) -> bool {
    matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | 128..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn good(text: &str, mailbox: &str) {
        let (path, rest) = parse_reverse(text.as_bytes()).expect(text);
        assert_eq!(path.mailbox, mailbox.as_bytes(), "{text}");
        assert_eq!(path.utf8, !text.is_ascii(), "{text}");
        assert_eq!(rest, b"", "{text}");
        let forward = parse_forward(text.as_bytes()).expect(text);
        assert_eq!(forward, (path, rest), "{text}");
    }

    #[test]
    fn paths_are_parsed() {
        good("<a@b>", "a@b");
        good("<Jörg@bücher.example>", "Jörg@bücher.example"); // RFC 6531 3.3
        good("<a.b.c@d.e.f>", "a.b.c@d.e.f");
        good("<!#$%&'*+-/=?^_`{|}~@b>", "!#$%&'*+-/=?^_`{|}~@b");
        good("<\"a b\"@c>", "\"a b\"@c"); // Quoted-string
        good("<\"a>\\\"\\\\@\"@c>", "\"a>\\\"\\\\@\"@c");
        good("<\"\"@c>", "\"\"@c"); // empty quoted local-part: *QcontentSMTP
        good("<@a,@b:u@c>", "u@c"); // source route, appendix C
        good("<@[1.2.3.4]:u@c>", "u@c");
        good("<u@[1.2.3.4]>", "u@[1.2.3.4]"); // 4.1.3
        good("<u@[001.2.3.255]>", "u@[001.2.3.255]");
        good("<u@[IPv6:::1]>", "u@[IPv6:::1]");
        good("<u@[ipv6:2001:db8::192.0.2.1]>", "u@[ipv6:2001:db8::192.0.2.1]");
        good("<u@[x-tag:any/thing:else]>", "u@[x-tag:any/thing:else]");
        good("<u@xn--bcher-kva.example>", "u@xn--bcher-kva.example");
        good("<u@1.2>", "u@1.2");
    }

    #[test]
    fn bad_paths_are_refused() {
        for text in [
            "",
            "<",
            ">",
            "a@b",
            "<a@b",
            "a@b>",
            "<a>",
            "<a@>",
            "<@b>",
            "<a@b@c>",
            "<a b@c>",
            "< a@b>",
            "<a@b >",
            "<a..b@c>",
            "<.a@c>",
            "<a.@c>",
            "<a@b..c>",
            "<a@.b>",
            "<a@b.>",
            "<a@-b>",
            "<a@b->",
            "<a@b_c>",
            "<a@[]>",
            "<a@[1.2.3]>",
            "<a@[1.2.3.4.5]>",
            "<a@[1.2.3.256]>",
            "<a@[1.2.3.4444]>",
            "<a@[IPv6:1.2.3.4]>",
            "<a@[IPv6:]>",
            "<a@[tag-:x]>",
            "<a@[:x]>",
            "<a@[tag:]>",
            "<a@[1.2.3.4>",
            "<a@[1.2.3.4]x>",
            "<\"a@b>",
            "<\"a\"b@c>",
            "<\"a\\\">",
            "<@a:>",
            "<@a,b:u@c>",
            "<@a@b:u@c>",
            "<@a:@b:u@c>",
            "<@a,@b,u@c>",
            "<<a@b>>",
            "<(a)@b>",
            "<postmaste>",
            "<postmasters>",
        ] {
            assert_eq!(parse_reverse(text.as_bytes()), None, "{text}");
            assert_eq!(parse_forward(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn octets_that_are_not_utf8_are_refused() {
        for text in
            [&b"<\xff@b>"[..], b"<a@\xc3>", b"<\"\x80\"@b>", b"<@\xc3:a@b>", b"<a\xc0\x80@b>"]
        {
            assert_eq!(parse_reverse(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn null_reverse_path_and_bare_postmaster_have_one_place_each() {
        assert_eq!(parse_reverse(b"<> X").unwrap().1, b" X");
        assert_eq!(parse_forward(b"<>"), None);
        assert_eq!(parse_reverse(b"<postmaster>"), None);
        let (path, rest) = parse_forward(b"<PostMaster> NOTIFY=NEVER").unwrap();
        assert_eq!((path.mailbox, rest), (&b"PostMaster"[..], &b" NOTIFY=NEVER"[..]));
    }

    #[test]
    fn paths_end_at_path_bytes_max() {
        let path = |bytes: usize| format!("<{}@b>", "a".repeat(bytes - 4)).into_bytes();
        assert!(parse_reverse(&path(PATH_BYTES_MAX - 1)).is_some());
        assert!(parse_reverse(&path(PATH_BYTES_MAX)).is_some());
        assert!(parse_reverse(&path(PATH_BYTES_MAX + 1)).is_none());
    }
}
