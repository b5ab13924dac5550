//! Parses the names of the sink, of listeners and of hosts, the greeting, and lists of extensions.
use super::value::quoted;
use crate::smtp::extension::Extension;

pub(super) const NAME: &str = "a name of 1 to 64 letters, digits, '.', '-' and '_'";
pub(super) const HOSTNAME: &str = "a name of 1 to 255 ASCII characters without spaces";
pub(super) const GREETING: &str =
    "1 to 20 lines of 1 to 500 printable ASCII characters, with \\n between them";
pub(super) const EXTENSIONS: &str = "keywords of EHLO with commas between them: PIPELINING, SIZE, \
                                     8BITMIME, SMTPUTF8, CHUNKING, BINARYMIME, \
                                     ENHANCEDSTATUSCODES, DSN, LIMITS, HELP";

/// The word for "no value" in settings.
const NONE: &str = "none";
const NAME_BYTES_MAX: usize = 64;
const HOSTNAME_BYTES_MAX: usize = 255;
const GREETING_LINES_MAX: usize = 20;
/// A reply line has at most 512 octets including code and CRLF (RFC 5321 section 4.5.3.1.5).
const GREETING_LINE_BYTES_MAX: usize = 500;

/// Parses the name of a sink or a listener. It appears in replies, queries and the labels of
/// metrics.
pub(super) fn name(text: &str) -> Option<String> {
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    let is_name = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good);
    (is_name && text != NONE).then(|| text.to_owned())
}

pub(super) fn hostname(text: &str) -> Option<String> {
    let is_bounded = (1..=HOSTNAME_BYTES_MAX).contains(&text.len());
    (is_bounded && text.bytes().all(|octet| octet.is_ascii_graphic())).then(|| text.to_owned())
}

/// Parses the text after 220. It can't end the reply early or break its syntax, because sinkd adds
/// the code and the separator to each line.
pub(super) fn greeting(text: &str) -> Option<String> {
    let is_line = |line: &str| {
        let is_bounded = (1..=GREETING_LINE_BYTES_MAX).contains(&line.len());
        is_bounded && line.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic())
    };
    let is_bounded = text.split('\n').count() <= GREETING_LINES_MAX;
    (is_bounded && text.split('\n').all(is_line) && text != NONE).then(|| text.to_owned())
}

/// Parses comma-separated keywords without duplicates.
pub(super) fn extensions(text: &str) -> Option<Vec<Extension>> {
    let mut found = Vec::new();
    for keyword in text.split(',') {
        let extension = keyword.trim().parse().ok()?;
        if found.contains(&extension) {
            return None;
        }
        found.push(extension);
    }
    Some(found)
}

pub(super) fn show_extensions(extensions: &[Extension]) -> String {
    let shown: Vec<String> = extensions.iter().map(|it| quoted(it.keyword())).collect();
    format!("[{}]", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_bounded_lines_of_printable_ascii() {
        for good in ["x", "a b\nc", &"x".repeat(500), &["y"; 20].join("\n")] {
            assert_eq!(greeting(good).as_deref(), Some(good));
        }
        let (long, many) = ("x".repeat(501), ["y"; 21].join("\n"));
        for bad in ["", "none", "\n", "a\n", "a\r\nb", "a\tb", "\u{e9}", "a\0", &long, &many] {
            assert_eq!(greeting(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn names_fit_into_replies_and_queries() {
        for (text, is_name) in [
            ("sink-a", true),
            ("a.b_1", true),
            ("", false),
            ("none", false),
            ("a b", false),
            ("a\r\n250", false),
            ("\u{e9}", false),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(name(text).is_some(), is_name, "{text:?}");
        }
    }

    #[test]
    fn extensions_are_keywords_each_once() {
        use Extension::{Pipelining, Size};
        assert_eq!(extensions("pipelining, SIZE"), Some(vec![Pipelining, Size]));
        for bad in ["", "SIZE,", "SIZE,SIZE", "STARTTLS", "SIZE DSN"] {
            assert_eq!(extensions(bad), None, "{bad}");
        }
    }
}
