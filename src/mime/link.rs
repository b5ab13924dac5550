//! Finds the links of a message.
use std::collections::HashSet;

use memchr::memmem;

use super::html;
use super::part::parts;
use super::role::Roles;
use super::text::{BYTES_MAX, shown};

/// Returns the distinct links in a message's texts, in order. In HTML, these are the link targets,
/// then the URLs in the text; in other text, only the URLs. A URL in a text begins with `http://`,
/// `https://` or `ftp://`. Attachments and attached messages are ignored.
///
/// Links are returned as written, with entities decoded; they need not be well-formed.
pub fn links(message: &[u8]) -> Vec<String> {
    let (mut links, mut seen) = (Vec::new(), HashSet::new());
    let mut left = BYTES_MAX;
    let parts = parts(message);
    for part in shown(&parts, &Roles::of(&parts)) {
        let text = part.unicode(left);
        left = left.saturating_sub(part.body.len());
        let found = if part.is_html() {
            [html::links(&text), written_out(&html::text(&text))].concat()
        } else {
            written_out(&text)
        };
        links.extend(found.into_iter().filter(|link| seen.insert(link.clone())));
    }
    links
}

/// Returns the URLs in plain text. Costs one pass.
fn written_out(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    for colon in memmem::find_iter(text.as_bytes(), "://") {
        let is_scheme = |scheme: &&&str| {
            let start = colon.checked_sub(scheme.len()).filter(|start| *start >= at);
            let name = start.and_then(|start| text.get(start..colon));
            name.is_some_and(|name| name.eq_ignore_ascii_case(scheme))
        };
        let Some(scheme) = ["https", "http", "ftp"].iter().find(is_scheme) else { continue };
        let start = colon - scheme.len();
        // A letter of another script can directly precede a URL: some scripts have no spaces.
        if text[at..start].ends_with(|c: char| c.is_ascii_alphanumeric()) {
            continue;
        }
        if text[at..start].ends_with('<')
            && let Some((address, bytes)) = in_brackets(&text[start..])
        {
            found.push(address);
            at = start + bytes;
            continue;
        }
        let address =
            without_punctuation(&text[start..colon + 3 + address_bytes(&text[colon + 3..])]);
        if address.len() > scheme.len() + 3 {
            found.push(address.to_owned());
            at = start + address.len();
        }
    }
    found
}

/// Maximum length of a URL in angle brackets, in octets.
const BRACKETS_BYTES_MAX: usize = 2048;

/// Returns the URL at the beginning of `text`, which ends before `>`, and the number of octets that
/// it takes in `text`. Line ends within it, and the white space around them, are removed (RFC 3986
/// appendix C); other white space is kept. Returns `None` if no `>` follows within
/// [`BRACKETS_BYTES_MAX`], if `<`, `"`, an empty line or another URL comes first, or if nothing
/// follows `://`.
fn in_brackets(text: &str) -> Option<(String, usize)> {
    let window = &text.as_bytes()[..text.len().min(BRACKETS_BYTES_MAX)];
    let end = memchr::memchr3(b'>', b'<', b'"', window).filter(|at| window[*at] == b'>')?;
    let lines: Vec<&str> = text[..end].lines().map(str::trim).collect();
    let address = lines.concat();
    let begins_another = |word: &str| word.contains("://");
    let is_one = !lines.contains(&"") && !address.split_whitespace().skip(1).any(begins_another);
    let is_one =
        is_one && !address.ends_with("://") && !lines[1..].iter().any(|l| begins_another(l));
    is_one.then_some((address, end))
}

/// Returns the number of octets before the first one that can't belong to a URL.
fn address_bytes(text: &str) -> usize {
    let is_end = |c: char| match c {
        '<' | '>' | '"' | '`' | '\\' => true,
        _ if c.is_ascii() => c.is_ascii_whitespace() || c.is_ascii_control(),
        _ => c.is_whitespace() || c.is_control() || is_wide_punctuation(c),
    };
    text.find(is_end).unwrap_or(text.len())
}

/// Returns whether a character is punctuation of CJK text, or a quote or dash of other text. These
/// appear in URLs only as `%XX`, unlike letters.
fn is_wide_punctuation(c: char) -> bool {
    matches!(c,
        '\u{ab}' | '\u{bb}' | '\u{2010}'..='\u{203a}' | '\u{3001}'..='\u{3004}'
        | '\u{3008}'..='\u{3020}'
        | '\u{3030}' | '\u{303d}' | '\u{30fb}' | '\u{fe10}'..='\u{fe19}' | '\u{fe30}'..='\u{fe6b}'
        | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}')
}

/// Removes the punctuation that ends the sentence, and closing parentheses that the URL did not
/// open.
fn without_punctuation(mut address: &str) -> &str {
    let opened = address.matches('(').count();
    let mut closed = address.matches(')').count();
    while let Some(last) = address.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | ']' | '}' => {}
            ')' if closed > opened => closed -= 1,
            _ => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_plain_text_are_found() {
        for (text, expected) in [
            ("see https://example.org/a?b=c&d=e.", &["https://example.org/a?b=c&d=e"][..]),
            (
                "(http://a.example) <HTTPS://b.example/x>,",
                &["http://a.example", "HTTPS://b.example/x"],
            ),
            (
                "https://a.example/wiki/A_(b) and ftp://c",
                &["https://a.example/wiki/A_(b)", "ftp://c"],
            ),
            ("https://a.example/?u=http://b.example/", &["https://a.example/?u=http://b.example/"]),
            ("xhttp://a mailto:a@b.c :// https:// http://. shttp://x", &[]),
            ("https://münchen.example/straße!", &["https://münchen.example/straße"]),
            // CJK text has no spaces around it, and its own punctuation.
            ("見てhttps://a.example/x。次", &["https://a.example/x"]),
            (
                "（https://a.example/記事）です「http://b.example」",
                &["https://a.example/記事", "http://b.example"],
            ),
            ("“https://a.example”—x", &["https://a.example"]),
            // In angle brackets, over two lines and with a blank.
            ("<https://a.example/abc\r\n  def&u=1> x", &["https://a.example/abcdef&u=1"]),
            ("<https://a.example/my file.pdf>", &["https://a.example/my file.pdf"]),
            ("<https://a.example.>", &["https://a.example."]),
            ("<https://a.example\n\nb>", &["https://a.example"]),
            ("<https://a.example https://b.example>", &["https://a.example", "https://b.example"]),
            ("<https://a.example\nhttps://b.example>", &["https://a.example", "https://b.example"]),
            ("<https://a.example never closed", &["https://a.example"]),
            ("<https://> <https://a.example<b>", &["https://a.example"]),
        ] {
            assert_eq!(written_out(text), expected, "{text}");
        }
    }

    #[test]
    fn links_of_all_texts_are_listed_once() {
        let message = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\n\r\nReset: https://a.example/?t=1&u=2\r\nhttps://b.example/\r\n\
            --b\r\nContent-Type: text/html\r\n\r\n<a href='https://a.example/?t=1&amp;u=2'>x</a> \
            <a href='https://c.example'>https://d.example</a>\r\n\
            --b\r\nContent-Disposition: attachment\r\n\r\nhttps://no.example\r\n--b--\r\n";
        let expected = [
            "https://a.example/?t=1&u=2",
            "https://b.example/",
            "https://c.example",
            "https://d.example",
        ];
        assert_eq!(links(message), expected);
    }

    #[test]
    fn many_links_cost_one_pass() {
        let text = "http://x/()".repeat(50_000);
        assert_eq!(written_out(&text).len(), 1);
        let text = "<http://x ".repeat(50_000);
        assert_eq!(written_out(&text).len(), 50_000);
        let text = "http://x ".repeat(50_000);
        assert_eq!(written_out(&text).len(), 50_000);
    }
}
