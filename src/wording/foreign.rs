//! Text from outside (mail, clients, lists, other servers) in output: it must not rewrite the
//! terminal, reverse the order of what is shown, or hide characters.
use std::fmt::Write as _;

/// Shown in place of a harmful character.
const REPLACEMENT: char = '\u{fffd}';

/// Replaces characters that could change how other text is shown. Line feeds and tabs stay.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if is_harmful(c) && c != '\n' && c != '\t' { REPLACEMENT } else { c };
    text.chars().map(shown).collect()
}

/// Like [`printable`], as one line: line feeds and tabs become spaces.
pub fn printable_line(text: &str) -> String {
    text.chars().map(in_line).collect()
}

/// Returns the first `chars_max` characters as a line, and `...` if there are more.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.chars().take(chars_max).map(in_line).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Formats octets as one line that shows each of them: UTF-8 stays unchanged; other octets, and the
/// octets of line feeds, tabs and characters that [`printable`] replaces, become `\xNN`.
pub fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_harmful(letter) {
                push_hex(letter.encode_utf8(&mut [0; 4]).as_bytes(), &mut text)
            } else {
                text.push(letter)
            }
        }
        push_hex(chunk.invalid(), &mut text);
    }
    text
}

/// Formats octets as text for programs. UTF-8 stays unchanged, including control characters. Other
/// octets become `\xNN`, and so does a backslash that would look like the start of one, so
/// replacing each `\xNN` restores the octets.
pub fn readable(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        let valid = chunk.valid();
        for (at, letter) in valid.char_indices() {
            let rest = valid.as_bytes()[at + letter.len_utf8()..].get(..3);
            let looks_escaped = letter == '\\'
                && rest.is_some_and(|r| r[0] == b'x' && r[1..].iter().all(u8::is_ascii_hexdigit));
            if looks_escaped { push_hex(b"\\", &mut text) } else { text.push(letter) }
        }
        push_hex(chunk.invalid(), &mut text);
    }
    text
}

fn in_line(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        _ if is_harmful(c) => REPLACEMENT,
        _ => c,
    }
}

/// Returns whether a character is a control character, a line or paragraph separator, a mark that
/// changes the direction of text, or an invisible character such as U+200B. The zero-width
/// non-joiner (U+200C) and joiner (U+200D) are harmless: Persian, Hindi and emoji need them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn push_hex(octets: &[u8], text: &mut String) {
    for octet in octets {
        write!(text, "\\x{octet:02x}").expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_change_how_other_text_is_shown() {
        // The text, and how it is printed, printed in one line, and escaped.
        for (text, shown, line, octets) in [
            ("gr\u{fc}n \u{1f600}", "gr\u{fc}n \u{1f600}", "gr\u{fc}n \u{1f600}", None),
            // Clears the screen; sets the title of the window, in both encodings of OSC.
            ("a\x1b[2Jb", "a\u{fffd}[2Jb", "a\u{fffd}[2Jb", Some("a\\x1b[2Jb")),
            (
                "\x1b]0;t\x07",
                "\u{fffd}]0;t\u{fffd}",
                "\u{fffd}]0;t\u{fffd}",
                Some("\\x1b]0;t\\x07"),
            ),
            (
                "\u{9d}0;t\u{9c}",
                "\u{fffd}0;t\u{fffd}",
                "\u{fffd}0;t\u{fffd}",
                Some("\\xc2\\x9d0;t\\xc2\\x9c"),
            ),
            // Overwrites the line; deletes characters.
            ("ok\rno", "ok\u{fffd}no", "ok\u{fffd}no", Some("ok\\x0dno")),
            ("a\x08\x7f", "a\u{fffd}\u{fffd}", "a\u{fffd}\u{fffd}", Some("a\\x08\\x7f")),
            ("a\n\tb", "a\n\tb", "a  b", Some("a\\x0a\\x09b")),
            ("a\u{2028}b", "a\u{fffd}b", "a\u{fffd}b", Some("a\\xe2\\x80\\xa8b")),
            // Would be shown as `exe.jpg`.
            (
                "\u{202e}gpj.exe",
                "\u{fffd}gpj.exe",
                "\u{fffd}gpj.exe",
                Some("\\xe2\\x80\\xaegpj.exe"),
            ),
            (
                "\u{2067}a\u{2069}",
                "\u{fffd}a\u{fffd}",
                "\u{fffd}a\u{fffd}",
                Some("\\xe2\\x81\\xa7a\\xe2\\x81\\xa9"),
            ),
            // Looks like `ab`.
            ("a\u{200b}b", "a\u{fffd}b", "a\u{fffd}b", Some("a\\xe2\\x80\\x8bb")),
            ("\u{feff}a", "\u{fffd}a", "\u{fffd}a", Some("\\xef\\xbb\\xbfa")),
            ("\u{646}\u{200c}\u{647}", "\u{646}\u{200c}\u{647}", "\u{646}\u{200c}\u{647}", None),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
            assert_eq!(printable_line(text), line, "{text:?}");
            assert_eq!(excerpt(text, 100), line, "{text:?}");
            assert_eq!(escaped(text.as_bytes()), octets.unwrap_or(text), "{text:?}");
            assert_eq!(readable(text.as_bytes()), text, "programs get the text unchanged");
        }
        assert_eq!(escaped(b"\xff\x80a"), "\\xff\\x80a");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        for (chars, shown) in
            [(4, "\u{fc}\u{fc}\u{fc}\u{fc}"), (3, "\u{fc}\u{fc}\u{fc}..."), (0, "...")]
        {
            assert_eq!(excerpt("\u{fc}\u{fc}\u{fc}\u{fc}", chars), shown);
        }
        let long = "\u{202e}".repeat(1 << 20);
        assert_eq!(excerpt(&long, 60).chars().count(), 63);
        assert_eq!(printable(&long).chars().count(), 1 << 20);
    }

    fn back(text: &str) -> Vec<u8> {
        let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((&first, after)) = rest.split_first() {
            let hex = after.get(1..3).and_then(|h| std::str::from_utf8(h).ok());
            let octet = hex.and_then(|h| u8::from_str_radix(h, 16).ok());
            match octet {
                Some(octet) if first == b'\\' && after[0] == b'x' => {
                    octets.push(octet);
                    rest = &after[3..];
                }
                _ => {
                    octets.push(first);
                    rest = after;
                }
            }
        }
        octets
    }

    #[test]
    fn octets_that_are_not_utf8_are_escaped_reversibly() {
        for (octets, text) in [
            (&b"ann@example.org"[..], "ann@example.org"),
            ("\u{fc}@example.org".as_bytes(), "\u{fc}@example.org"),
            (b"\xff@x", "\\xff@x"),
            (b"\"a\\\"b\"@x", "\"a\\\"b\"@x"),
            (b"\\xff", "\\x5cxff"),
            (b"\\xfg", "\\xfg"),
            (b"\\x\xff", "\\x\\xff"),
        ] {
            assert_eq!(readable(octets), text);
            assert_eq!(back(text), octets, "{text}");
        }
    }
}
