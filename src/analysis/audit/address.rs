//! Decides when two spellings denote the same address (RFC 5321 sections 2.3.11, 2.4 and 4.1.2).

/// Which differences between addresses are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressFolding {
    /// Whether local parts that differ only in case are one address.
    pub case: LocalCase,
    /// Whether local parts that differ only after a plus sign are one address.
    pub plus: PlusPart,
}

/// Whether the case of a local part matters; the case of a domain never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalCase {
    /// Case matters, as in RFC 5321.
    #[default]
    Kept,
    /// Case is ignored: `Ada@example.com` and `ada@example.com` are one address.
    Ignored,
}

/// Whether `ada+news@example.com` and `ada@example.com` are different addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlusPart {
    /// The two are different, as RFC 5321 treats them.
    #[default]
    Kept,
    /// The two are the same: the plus sign and everything up to the domain are dropped. A local
    /// part that begins with a plus sign stays unchanged.
    Folded,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressFault {
    /// The address is empty.
    #[error("no address")]
    Empty,
    /// The text has no `@`, and is not `postmaster`.
    #[error("no '@' in the address")]
    NoDomain,
    /// Nothing is before or after the `@`.
    #[error("nothing before or after the '@'")]
    EmptyPart,
    /// A quoted local part is not closed, or is followed by other text.
    #[error("the quotes in the local part are not closed before the '@'")]
    Quotes,
    /// The text also contains a name, or several addresses.
    #[error("expected a bare address such as ann@example.org, without a name")]
    NotBare,
    /// The text contains control characters, characters without width, or spaces other than the
    /// ASCII one.
    #[error("an invisible character in the address")]
    Invisible,
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The domain cannot be converted to A-labels (RFC 5890).
    #[error("the domain is not valid")]
    Domain,
}

/// Appends the canonical form of `address`, which is equal for all its spellings: the local part
/// without quotes and escapes, the domain in lower case and as A-labels.
///
/// ASCII addresses cost one copy. Errors: `address` is not a single address; `out` is then
/// unchanged.
pub fn push_canonical(
    address: &[u8],
    folding: AddressFolding,
    out: &mut Vec<u8>,
) -> Result<(), AddressFault> {
    let start = out.len();
    let pushed = push_parts(address, folding, out);
    if pushed.is_err() {
        out.truncate(start);
    }
    pushed
}

/// Appends the canonical form of a path that a client sent. A path that is not an address is
/// appended unchanged, so only identical octets are equal.
pub fn push_path(path: &[u8], folding: AddressFolding, out: &mut Vec<u8>) {
    if push_canonical(path, folding, out).is_err() {
        out.extend_from_slice(path);
    }
}

fn push_parts(
    address: &[u8],
    folding: AddressFolding,
    out: &mut Vec<u8>,
) -> Result<(), AddressFault> {
    if address.is_empty() {
        return Err(AddressFault::Empty);
    }
    // The only address without a domain (RFC 5321 section 4.1.1.3).
    if address.eq_ignore_ascii_case(b"postmaster") {
        out.extend_from_slice(b"postmaster");
        return Ok(());
    }
    let start = out.len();
    let domain = match address {
        [b'"', quoted @ ..] => push_quoted(quoted, out)?,
        _ => push_dot_string(address, out)?,
    };
    if out.len() == start || domain.is_empty() {
        return Err(AddressFault::EmptyPart);
    }
    fold_local(folding, start, out)?;
    out.push(b'@');
    push_domain(domain, out)
}

/// Appends the local part without its quotes; returns the domain.
fn push_quoted<'a>(quoted: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], AddressFault> {
    let mut rest = quoted;
    loop {
        match rest {
            [b'\\', octet, after @ ..] => {
                out.push(*octet);
                rest = after;
            }
            [b'"', b'@', domain @ ..] => return Ok(domain),
            [b'"', ..] | [] => return Err(AddressFault::Quotes),
            [octet, after @ ..] => {
                out.push(*octet);
                rest = after;
            }
        }
    }
}

fn push_dot_string<'a>(address: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], AddressFault> {
    let is_foreign = |octet: &u8| {
        octet.is_ascii_whitespace() || matches!(octet, b'<' | b'>' | b',' | b';' | b'"')
    };
    if address.iter().any(is_foreign) {
        return Err(AddressFault::NotBare);
    }
    let at = memchr::memrchr(b'@', address).ok_or(AddressFault::NoDomain)?;
    let local = &address[..at];
    if local.contains(&b'@') {
        return Err(AddressFault::NotBare);
    }
    out.extend_from_slice(local);
    Ok(&address[at + 1..])
}

fn fold_local(
    folding: AddressFolding,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), AddressFault> {
    if folding.plus == PlusPart::Folded
        && let Some(plus @ 1..) = memchr::memchr(b'+', &out[start..])
    {
        out.truncate(start + plus);
    }
    if folding.case == LocalCase::Ignored {
        if out[start..].is_ascii() {
            out[start..].make_ascii_lowercase();
        } else {
            let lower = str::from_utf8(&out[start..]).map_err(|_| AddressFault::NotUtf8)?;
            let lower = lower.to_lowercase();
            out.truncate(start);
            out.extend_from_slice(lower.as_bytes());
        }
    }
    Ok(())
}

fn push_domain(domain: &[u8], out: &mut Vec<u8>) -> Result<(), AddressFault> {
    if domain.is_ascii() {
        let start = out.len();
        out.extend_from_slice(domain);
        out[start..].make_ascii_lowercase();
        return Ok(());
    }
    let domain = str::from_utf8(domain).map_err(|_| AddressFault::NotUtf8)?;
    let ascii = idna::domain_to_ascii(domain).map_err(|_| AddressFault::Domain)?;
    out.extend_from_slice(ascii.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(address: &[u8], folding: AddressFolding) -> Result<String, AddressFault> {
        let mut out = b"kept ".to_vec();
        let pushed = push_canonical(address, folding, &mut out);
        let text = String::from_utf8(out).unwrap();
        let form = text.strip_prefix("kept ").unwrap().to_owned();
        assert!(pushed.is_ok() || form.is_empty(), "{form}");
        pushed.map(|()| form)
    }

    #[test]
    fn spellings_of_one_address_have_one_form() {
        for (address, expected) in [
            ("ada@example.com", "ada@example.com"),
            ("Ada@EXAMPLE.com", "Ada@example.com"),
            ("\"ada\"@example.com", "ada@example.com"),
            ("\"a\\da\"@example.com", "ada@example.com"),
            ("\"a b\"@example.com", "a b@example.com"),
            ("\"a@b\"@example.com", "a@b@example.com"),
            ("\"a\\\"b\"@example.com", "a\"b@example.com"),
            ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@B\u{dc}CHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--BCHER-kva.example", "ada@xn--bcher-kva.example"),
            ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
            ("ada+news@example.com", "ada+news@example.com"),
            ("PostMaster", "postmaster"),
        ] {
            let found = form(address.as_bytes(), AddressFolding::default());
            assert_eq!(found.as_deref(), Ok(expected), "{address}");
        }
    }

    #[test]
    fn case_and_plus_parts_are_folded_on_request() {
        let folding = AddressFolding { case: LocalCase::Ignored, plus: PlusPart::Folded };
        for (address, expected) in [
            ("Ada+News@example.com", "ada@example.com"),
            ("+Ada@example.com", "+ada@example.com"),
            ("\"Ada+x\"@example.com", "ada@example.com"),
            ("\u{dc}+1@example.com", "\u{fc}@example.com"),
        ] {
            assert_eq!(form(address.as_bytes(), folding).as_deref(), Ok(expected), "{address}");
        }
    }

    #[test]
    fn what_is_not_one_address_is_an_error_with_the_reason() {
        for (address, fault) in [
            (&b""[..], AddressFault::Empty),
            (b"ada", AddressFault::NoDomain),
            (b"@example.com", AddressFault::EmptyPart),
            (b"ada@", AddressFault::EmptyPart),
            (b"\"\"@example.com", AddressFault::EmptyPart),
            (b"\"ada@example.com", AddressFault::Quotes),
            (b"\"ada\"x@example.com", AddressFault::Quotes),
            (b"Ada <ada@example.com>", AddressFault::NotBare),
            (b"<ada@example.com>", AddressFault::NotBare),
            (b"a@example.com,b@example.com", AddressFault::NotBare),
            (b"a@b@example.com", AddressFault::NotBare),
            (b"ada@b\xfccher.example", AddressFault::NotUtf8),
            ("ada@\u{202e}.example".as_bytes(), AddressFault::Domain),
        ] {
            let found = form(address, AddressFolding::default());
            assert_eq!(found, Err(fault), "{}", String::from_utf8_lossy(address));
        }
    }

    #[test]
    fn a_path_that_is_no_address_stays_as_it_is() {
        let mut out = Vec::new();
        push_path(b"Odd One", AddressFolding::default(), &mut out);
        assert_eq!(out, b"Odd One");
    }
}
