//! Decodes octets to Unicode.
use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::transfer::base64;

/// Maximum length of a charset's name that is recognized; the longest known has 45 octets.
const NAME_BYTES_MAX: usize = 45;

/// Decodes any `octets` to text, without a byte order mark.
///
/// `charset` can be any of the WHATWG's, UTF-7, ISO-2022-KR, HZ, and the names that Windows uses
/// for them. Without a charset, with `us-ascii` and with an unknown one, the text is decoded as
/// UTF-8 if it is valid, else as windows-1252, in which every octet is valid. Octets that are
/// invalid in the charset become U+FFFD.
pub fn to_unicode<'o>(octets: &'o [u8], charset: Option<&str>) -> Cow<'o, str> {
    let name = charset.unwrap_or("").trim_matches(|c: char| c.is_whitespace() || c == '\'');
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("utf-8") || is("utf8") {
        return without_mark(utf8(octets));
    }
    if name.is_empty() || is("us-ascii") || is("ascii") || name.len() > NAME_BYTES_MAX {
        return without_mark(guess(octets));
    }
    let lower = name.to_ascii_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, name)| name);
    let of = |name: &str, octets: &[u8]| charset_decoder(name.as_bytes()).map(|d| d(octets));
    let text = match name {
        "utf-7" => Some(utf7(octets)),
        "iso-2022-jp" => of(name, &without_empty_runs(octets)),
        "iso-2022-kr" | "csiso2022kr" => of("euc-kr", &shifted_out(octets)),
        "hz-gb-2312" => of("gbk", &in_braces(octets)),
        _ => of(name, octets),
    };
    without_mark(text.map_or_else(|| guess(octets), Cow::Owned))
}

/// Names that mailers use for charsets that the library knows under other names.
const ALIASES: [(&str, &str); 16] = [
    ("cp932", "shift_jis"),
    ("windows-31j", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("uhc", "euc-kr"),
    ("x-windows-949", "euc-kr"),
    ("cp950", "big5"),
    ("cp51932", "euc-jp"),
    ("iso-2022-jp-1", "iso-2022-jp"),
    ("iso-2022-jp-ms", "iso-2022-jp"),
    ("cp50220", "iso-2022-jp"),
    ("cp50221", "iso-2022-jp"),
    ("csiso2022jp", "iso-2022-jp"),
    ("unicode-1-1-utf-7", "utf-7"),
    ("hz", "hz-gb-2312"),
    ("cp65001", "utf-8"),
];

/// Returns whether `charset` is stateful (has shift sequences, such as ISO-2022-JP).
pub(super) fn has_states(charset: &str) -> bool {
    let begins =
        |name: &str| charset.get(..name.len()).is_some_and(|c| c.eq_ignore_ascii_case(name));
    ["iso-2022-", "csiso2022", "cp5022", "utf-7", "unicode-1-1-utf-7", "hz"].into_iter().any(begins)
}

/// Decodes UTF-7 (RFC 2152). The library's decoder loses text that ends without `-`, and the octet
/// after it.
fn utf7(octets: &[u8]) -> String {
    let (mut text, mut rest) = (String::with_capacity(octets.len()), octets);
    while let Some(plus) = memchr::memchr(b'+', rest) {
        text.push_str(&utf8(&rest[..plus]));
        rest = &rest[plus + 1..];
        let is_coded = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let coded = rest.iter().position(|b| !is_coded(b)).unwrap_or(rest.len());
        // Too short for a character: a plus sign that was not encoded, or `+-`, which encodes one.
        if coded < 3 {
            text.push('+');
            text.push_str(&utf8(&rest[..coded]));
            rest = &rest[coded..];
            rest = rest.strip_prefix(b"-").filter(|_| coded == 0).unwrap_or(rest);
            continue;
        }
        let units = base64(&rest[..coded]);
        let units = units.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        rest = &rest[coded..];
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
    }
    text.push_str(&utf8(rest));
    text
}

/// Removes ISO-2022-JP escape sequences that are directly followed by another one. Mailers that
/// join lines write them; the library considers each an attack, and returns U+FFFD.
fn without_empty_runs(octets: &[u8]) -> Vec<u8> {
    const ESCAPE: u8 = 0x1b;
    let mut kept = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        let length = match &octets[at..] {
            [ESCAPE, b'(', b'B' | b'J' | b'I', ..] | [ESCAPE, b'$', b'@' | b'B', ..] => 3,
            [ESCAPE, b'$', b'(', b'D', ..] => 4,
            _ => 0,
        };
        if length == 0 {
            kept.push(octets[at]);
            at += 1;
            continue;
        }
        if octets.get(at + length) != Some(&ESCAPE) {
            kept.extend_from_slice(&octets[at..at + length]);
        }
        at += length;
    }
    kept
}

/// Converts ISO-2022-KR (RFC 1557) to EUC-KR, where octets between SO and SI have the high bit set.
fn shifted_out(octets: &[u8]) -> Vec<u8> {
    const DESIGNATION: &[u8] = b"\x1b$)C";
    let (mut euc, mut is_out, mut rest) = (Vec::with_capacity(octets.len()), false, octets);
    while let Some((octet, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(DESIGNATION) {
            rest = after;
            continue;
        }
        match octet {
            0x0e => is_out = true,
            0x0f => is_out = false,
            0x21..=0x7e if is_out => euc.push(octet | 0x80),
            _ => {
                // Every line begins in ASCII, whatever the state at the end of the previous one.
                is_out &= *octet != b'\n';
                euc.push(*octet);
            }
        }
        rest = after;
    }
    euc
}

/// Converts HZ (RFC 1843) to GBK, where octets between `~{` and `~}` have the high bit set.
fn in_braces(octets: &[u8]) -> Vec<u8> {
    let (mut gbk, mut is_in, mut rest) = (Vec::with_capacity(octets.len()), false, octets);
    while let Some((octet, after)) = rest.split_first() {
        let (now_in, meant, length) = match rest {
            [b'~', b'{', ..] => (true, None, 2),
            [b'~', b'}', ..] => (false, None, 2),
            [b'~', b'~', ..] if !is_in => (false, Some(b'~'), 2),
            [b'~', b'\n', ..] if !is_in => (false, None, 2),
            [b'~', b'\r', b'\n', ..] if !is_in => (false, None, 3),
            [b'\n', ..] => (false, Some(b'\n'), 1),
            [0x21..=0x7e, ..] if is_in => (true, Some(octet | 0x80), 1),
            _ => (is_in, Some(*octet), 1),
        };
        is_in = now_in;
        gbk.extend(meant);
        rest = after.get(length - 1..).unwrap_or_default();
    }
    gbk
}

/// Decodes UTF-8. Valid text costs only a check, which is faster than the standard library's lossy
/// conversion.
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
    fn charsets_are_decoded() {
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
            (b"Gr\xfc\xdfe", Some("'iso-8859-1'"), "Grüße"),
            // Two consecutive escape sequences, as at the boundary of joined lines.
            (b"\x1b$B%F%9\x1b(B\x1b$B%H\x1b(B", Some("iso-2022-jp"), "テスト"),
            (b"\x83n\x83\x8d\x81[", Some("cp932"), "ハロー"),
            (b"\xbe\xc8\xb3\xe7 \x8c\x63", Some("cp949"), "안녕 똠"),
            (b"\x1b$)Ca \x0e>H3g\x0f b\n", Some("iso-2022-kr"), "a 안녕 b\n"),
            (b"a ~{Dc:C~} b~~c ~\nd", Some("hz-gb-2312"), "a 你好 b~c d"),
            (b"Hi +ZeVnLIqe, +APw-ber +- 1+2 +AKM", Some("utf-7"), "Hi 日本語, über + 1+2 £"),
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
