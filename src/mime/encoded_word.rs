//! Decodes encoded words in header fields (RFC 2047), as mailers write them.
use std::borrow::Cow;

use memchr::memmem;

use super::charset::{has_states, to_unicode};
use super::transfer::{base64, quoted_printable};

/// Maximum length of an encoded word's text; RFC 2047 allows 75 octets for the whole word. Bounds
/// the search after each `=?` that begins no word.
const TEXT_BYTES_MAX: usize = 1024;

/// Decodes a field's value: encoded words, and all other text as UTF-8 or windows-1252.
///
/// White space between two encoded words is removed. The base64 or Q encoding of each word is
/// decoded separately, but the octets of words with the same charset are converted together,
/// because mailers split characters between words. In charsets with states, each word starts anew
/// (RFC 2047 section 3). Spaces within an encoded word are tolerated, and invalid words are left
/// unchanged. Accepts any octets, in one pass.
pub fn decoded(value: &[u8]) -> Cow<'_, str> {
    let Some(first) = memmem::find(value, b"=?") else { return to_unicode(value, None) };
    let mut text = String::with_capacity(value.len());
    let mut run = WordRun::default();
    let (mut at, mut plain) = (first, 0);
    loop {
        match word(&value[at..]) {
            Some((word, length)) => {
                let between = &value[plain..at];
                if run.charset.is_none() || !between.trim_ascii().is_empty() {
                    run.end(&mut text);
                    text.push_str(&to_unicode(between, None));
                }
                run.take(&word, &mut text);
                at += length;
                plain = at;
            }
            None => at += 2,
        }
        match memmem::find(&value[at..], b"=?") {
            Some(next) => at += next,
            None => break,
        }
    }
    run.end(&mut text);
    text.push_str(&to_unicode(&value[plain..], None));
    Cow::Owned(text)
}

/// Replaces every encoded word by `_`, and every beginning without an end by `=_`, so that a parser
/// can read the rest of the field. One pass.
pub(super) fn blanked(value: &[u8]) -> Vec<u8> {
    let mut blanked = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memmem::find(rest, b"=?") {
        blanked.extend_from_slice(&rest[..at]);
        let (instead, length) = match word(&rest[at..]) {
            Some((_, length)) => (&b"_"[..], length),
            None => (&b"=_"[..], 2),
        };
        blanked.extend_from_slice(instead);
        rest = &rest[at + length..];
    }
    blanked.extend_from_slice(rest);
    blanked
}

struct Word<'v> {
    charset: &'v str,
    octets: Vec<u8>,
}

/// Consecutive encoded words of the same charset.
#[derive(Default)]
struct WordRun<'v> {
    charset: Option<&'v str>,
    octets: Vec<u8>,
}

impl<'v> WordRun<'v> {
    fn take(&mut self, word: &Word<'v>, text: &mut String) {
        let goes_on = |c: &str| c.eq_ignore_ascii_case(word.charset) && !has_states(c);
        if !self.charset.is_some_and(goes_on) {
            self.end(text);
        }
        self.charset = Some(word.charset);
        self.octets.extend_from_slice(&word.octets);
    }

    fn end(&mut self, text: &mut String) {
        if let Some(charset) = self.charset.take() {
            text.push_str(&to_unicode(&self.octets, Some(charset)));
            self.octets.clear();
        }
    }
}

/// Returns the encoded word at the beginning of `value`, decoded from base64 or Q, and its length
/// in octets; `None` if there is none, or it is invalid.
fn word(value: &[u8]) -> Option<(Word<'_>, usize)> {
    let rest = value.strip_prefix(b"=?")?;
    let charset_end = memchr::memchr(b'?', &rest[..rest.len().min(64)])?;
    let charset = std::str::from_utf8(&rest[..charset_end]).ok()?;
    // RFC 2231 section 5: a language can follow.
    let charset = charset.split('*').next().filter(|c| !c.is_empty() && !c.contains(' '))?;
    let (encoding, rest) = rest[charset_end + 1..].split_first()?;
    let rest = rest.strip_prefix(b"?")?;
    let end = memmem::find(&rest[..rest.len().min(TEXT_BYTES_MAX)], b"?=")?;
    if memmem::find(&rest[..end], b"=?").is_some() {
        // The word was never closed, and another one begins.
        return None;
    }
    let octets = match encoding {
        b'b' | b'B' => base64(&rest[..end]),
        b'q' | b'Q' => {
            let spaced = |b: &u8| if *b == b'_' { b' ' } else { *b };
            let text: Vec<u8> = rest[..end].iter().map(spaced).collect();
            // A space at the end is part of the text, and no line ends here.
            let kept = text.trim_ascii_end().len();
            let mut octets = quoted_printable(&text[..kept]);
            octets.extend_from_slice(&text[kept..]);
            octets
        }
        _ => return None,
    };
    // The lengths of "=?", "?", the letter, "?", and "?=".
    Some((Word { charset, octets }, 2 + charset_end + 3 + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_blanked_and_the_rest_is_not() {
        for (value, expected) in [
            (&b"Ann <ann@x>"[..], &b"Ann <ann@x>"[..]),
            (b"=?utf-8?q?Doe,_Ann?= <ann@x>, b@x", b"_ <ann@x>, b@x"),
            (b"=?a?q?=?b", b"=_a?q?=_b"),
            (b"=?", b"=_"),
        ] {
            assert_eq!(blanked(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn encoded_words_are_decoded() {
        for (value, expected) in [
            (&b"plain"[..], "plain"),
            (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            (b"=?UTF-8?B?R3LDvMOfZQ==?= Ann", "Grüße Ann"),
            (b"a =?iso-8859-1?Q?=E4_b?= c", "a ä b c"),
            (b"=?utf-8?q?a?= =?utf-8?q?b?=  =?iso-8859-1?q?=FC?=", "abü"),
            // A split character.
            (b"=?utf-8?b?R3LDvMM=?= =?utf-8?b?n2U=?=", "Grüße"),
            (b"=?koi8-r?B?8NLJ18XU?=", "Привет"),
            (b"=?iso-2022-jp?B?GyRCJU8lbSE8GyhC?=", "ハロー"),
            (b"=?gb2312?B?xOO6ww==?=", "你好"),
            // Padding within a run, and states left over from a word.
            (b"=?utf-8?b?YQ==?= =?utf-8?b?Yg==?=", "ab"),
            (b"=?iso-2022-jp?B?GyRCJUY=?= =?iso-2022-jp?B?YQ==?=", "テa"),
            (b"=?utf-7?q?+AGE?= =?utf-7?q?+AGI-?=", "ab"),
            (b"=?utf-8?b?R3L!DvMOfZQ==?=", "Grüße"),
            (b"=?utf-8*de?q?Gr=C3=BCn?=", "Grün"),
            (b"=?utf-8?q?with spaces in it?= x", "with spaces in it x"),
            (b"=?utf-8?q?end_?= x", "end  x"),
            (b"Gr\xfcn =?utf-8?q?=C3=BC?=", "Grün ü"),
            // Invalid words are left unchanged.
            (b"=?utf-8?x?abc?= =?", "=?utf-8?x?abc?= =?"),
            (b"=?utf-8?q?never ends", "=?utf-8?q?never ends"),
            (b"=? =??q?a?= =?=?=?", "=? =??q?a?= =?=?=?"),
            (b"=?not-a-charset?q?a=C3=BC?=", "aü"),
            (b"=?utf-8?q?a?b?=", "a?b"),
            (b"=?utf-8?q??=", ""),
        ] {
            assert_eq!(decoded(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }
}
