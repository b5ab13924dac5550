//! Octets to Unicode.
use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets of a charset's name that are looked at; the longest known has 45.
const NAME_BYTES_MAX: usize = 45;

/// `octets` as text, whatever they are; a byte order mark is left out.
///
/// As `charset` says, if it is one of those known (the WHATWG's, UTF-7, and some more). Without it,
/// with `us-ascii` and with an unknown one: UTF-8 if it is valid, else windows-1252, which every
/// octet means something in. What is not valid in a charset becomes U+FFFD.
pub fn to_unicode<'o>(octets: &'o [u8], charset: Option<&str>) -> Cow<'o, str> {
    let name = charset.unwrap_or("").trim();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let decoder = match name.len() {
        1..=NAME_BYTES_MAX if !is("us-ascii") && !is("ascii") => charset_decoder(name.as_bytes()),
        _ => None,
    };
    let text = match decoder {
        _ if is("utf-8") || is("utf8") => utf8(octets),
        Some(decode) => Cow::Owned(decode(octets)),
        None => guess(octets),
    };
    without_mark(text)
}

/// What is valid is checked faster than the library's lossy way does.
fn utf8(octets: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
}

fn guess(octets: &[u8]) -> Cow<'_, str> {
    match (std::str::from_utf8(octets), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => Cow::Borrowed(text),
        (Err(_), Some(decode)) => Cow::Owned(decode(octets)),
        (Err(_), None) => String::from_utf8_lossy(octets),
    }
}

fn without_mark(text: Cow<'_, str>) -> Cow<'_, str> {
    const MARK: char = '\u{feff}';
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)),
        Cow::Owned(text) => match text.strip_prefix(MARK) {
            Some(rest) => Cow::Owned(rest.to_owned()),
            None => Cow::Owned(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_their_text() {
        for (octets, charset, expected) in [
            (&b"plain"[..], None, "plain"),
            (b"Gr\xc3\xbc\xc3\x9fe", None, "Grüße"),
            (b"Gr\xfc\xdfe", None, "Grüße"),
            (b"Gr\xc3\xbc\xc3\x9fe", Some("us-ascii"), "Grüße"),
            (b"Gr\xc3\xbc\xc3\x9fe", Some("x-unknown"), "Grüße"),
            (b"Gr\xfc\xdfe", Some("ISO-8859-1"), "Grüße"),
            (b"Gr\xfcn", Some("UTF-8"), "Gr\u{fffd}n"),
            (b"Gr\xc3\xbcn", Some("iso-8859-1"), "GrÃ¼n"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", Some("koi8-r"), "Привет"),
            (b"\x1b$B%O%m!<\x1b(B", Some("iso-2022-jp"), "ハロー"),
            (b"\xc4\xe3\xba\xc3", Some("gb2312"), "你好"),
            (b"\xff\xfea\0b\0", Some("utf-16"), "ab"),
            (b"\xef\xbb\xbfmark", Some("utf-8"), "mark"),
            (b"\xef\xbb\xbfmark", None, "mark"),
            (b"", Some(""), ""),
        ] {
            assert_eq!(to_unicode(octets, charset), expected, "{octets:?} {charset:?}");
        }
        to_unicode(b"a", Some(&"x".repeat(1000)));
    }
}
