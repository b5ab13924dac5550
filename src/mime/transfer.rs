//! Decodes Content-Transfer-Encoding (RFC 2045 section 6), including what mailers send in violation
//! of it.
use std::borrow::Cow;

/// How the octets of a part were encoded for transport (RFC 2045 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, and unknown encodings.
    Identity,
    /// Quoted-printable (RFC 2045 section 6.7).
    QuotedPrintable,
    /// Base64 (RFC 2045 section 6.8).
    Base64,
}

impl Encoding {
    /// Returns the encoding that a Content-Transfer-Encoding field names.
    pub fn of(value: &str) -> Encoding {
        let is = |name: &str| value.trim().eq_ignore_ascii_case(name);
        if is("base64") {
            Encoding::Base64
        } else if is("quoted-printable") {
            Encoding::QuotedPrintable
        } else {
            Encoding::Identity
        }
    }

    /// Returns the decoded octets. Accepts any octets, in one pass; the result is not longer than
    /// the input.
    pub fn decoded(self, octets: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Encoding::Identity => Cow::Borrowed(octets),
            Encoding::QuotedPrintable => Cow::Owned(quoted_printable(octets)),
            Encoding::Base64 => Cow::Owned(base64(octets)),
        }
    }
}

/// Decodes quoted-printable. White space at the end of a line is removed; an `=` that encodes
/// nothing is left unchanged.
pub(super) fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let text = line.trim_ascii_end();
        // The last line may have no line end.
        let end = if line.ends_with(b"\r\n") {
            &b"\r\n"[..]
        } else if line.ends_with(b"\n") {
            &b"\n"[..]
        } else {
            &b""[..]
        };
        let (text, end) = match text.strip_suffix(b"=") {
            Some(text) => (text, &b""[..]),
            None => (text, end),
        };
        unescape(text, &mut decoded);
        decoded.extend_from_slice(end);
    }
    decoded
}

fn unescape(mut text: &[u8], decoded: &mut Vec<u8>) {
    while let Some(escape) = memchr::memchr(b'=', text) {
        decoded.extend_from_slice(&text[..escape]);
        let digit = |at: usize| text.get(escape + at).and_then(|b| char::from(*b).to_digit(16));
        text = match (digit(1), digit(2)) {
            (Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                &text[escape + 3..]
            }
            _ => {
                decoded.push(b'=');
                &text[escape + 1..]
            }
        };
    }
    decoded.extend_from_slice(text);
}

/// Decodes base64. Octets outside of the alphabet are ignored (RFC 2045 section 6.8). But
/// everything from the first line that looks like text is left unchanged: a mailing list's footer
/// after encoded text, or text that was never encoded.
pub(super) fn base64(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len() / 4 * 3 + 3);
    let mut group = Group::default();
    let mut at = 0;
    for line in octets.split_inclusive(|b| *b == b'\n') {
        if looks_like_text(line) {
            group.end(&mut decoded);
            decoded.extend_from_slice(&octets[at..]);
            return decoded;
        }
        line.iter().for_each(|octet| group.take(*octet, &mut decoded));
        at += line.len();
    }
    group.end(&mut decoded);
    decoded
}

/// Returns whether a line has octets outside of base64, and either blanks between words or many
/// such octets. Real base64 lines have few stray octets.
fn looks_like_text(line: &[u8]) -> bool {
    let is_foreign = |b: &u8| VALUES[usize::from(*b)] == FOREIGN;
    if !line.iter().any(is_foreign) {
        return false;
    }
    let line = line.trim_ascii();
    let has_words = line.iter().any(u8::is_ascii_whitespace);
    has_words || line.iter().filter(|b| is_foreign(b)).count() * 4 >= line.len()
}

const SPACE: u8 = 64;
const PAD: u8 = 65;
const FOREIGN: u8 = 66;

/// The meaning of each octet: six bits, or one of the above.
const VALUES: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [FOREIGN; 256];
    let mut value = 0;
    while value < 64 {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values[b' ' as usize] = SPACE;
    values[b'\t' as usize] = SPACE;
    values[b'\r' as usize] = SPACE;
    values[b'\n' as usize] = SPACE;
    values[b'=' as usize] = PAD;
    values
};

/// Up to four characters of six bits each.
#[derive(Default)]
struct Group {
    bits: u32,
    characters: u32,
}

impl Group {
    fn take(&mut self, octet: u8, decoded: &mut Vec<u8>) {
        match VALUES[usize::from(octet)] {
            SPACE | FOREIGN => {}
            PAD => self.end(decoded),
            value => {
                self.bits = self.bits << 6 | u32::from(value);
                self.characters += 1;
                if self.characters == 4 {
                    decoded.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                    *self = Group::default();
                }
            }
        }
    }

    /// Decodes an incomplete group; six bits alone are not an octet.
    fn end(&mut self, decoded: &mut Vec<u8>) {
        let octets = (self.characters * 6 / 8) as usize;
        let bits = self.bits << (6 * (4 - self.characters));
        decoded.extend_from_slice(&bits.to_be_bytes()[1..1 + octets]);
        *self = Group::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use proptest::prelude::*;

    #[test]
    fn quoted_printable_is_decoded() {
        for (text, expected) in [
            (&b""[..], &b""[..]),
            (b"Gr=C3=BC=c3=9Fe", "Grüße".as_bytes()),
            (b"one=\r\ntwo=  \r\nthree  \r\nfour\t\n", b"onetwothree\r\nfour\n"),
            (b"50=% a=b =", b"50=% a=b "),
            (b"=4", b"=4"),
            (b"a=3D=3D\r\n", b"a==\r\n"),
            (b"\r\n\r\n", b"\r\n\r\n"),
        ] {
            assert_eq!(quoted_printable(text), expected, "{text:?}");
        }
    }

    #[test]
    fn base64_is_decoded() {
        for (text, expected) in [
            (&b""[..], &b""[..]),
            (b"QUJD", b"ABC"),
            (b"QU\r\nJD\r\n", b"ABC"),
            (b"QQ==QUI=\r\nQUJD", b"AABABC"),
            (b"QUI", b"AB"),
            (b"Q", b""),
            (b"QUJD\r\n-- \r\na footer", b"ABC-- \r\na footer"),
            (b"Hello, World!", b"Hello, World!"),
            (b"QU!JD\r\n\\QUJDRA==\r\n", b"ABCABCD"),
            (b"\xffQUJDQUJD", b"ABCABC"),
            (b"QUJD\r\n_______\r\nlist", b"ABC_______\r\nlist"),
            (b"====", b""),
        ] {
            assert_eq!(base64(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn encoded_octets_read_back(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&octets);
            prop_assert_eq!(base64(encoded.as_bytes()), octets);
        }
    }
}
