//! Where a message links to.
use std::collections::HashSet;

use memchr::memmem;

use super::html;
use super::part::parts;
use super::role::Roles;
use super::text::{BYTES_MAX, shown};

/// The links of a message's texts, each once, in the order they appear: in HTML the targets of
/// links, then addresses written out; in other text addresses written out, which begin with
/// `http://`, `https://` or `ftp://`. Of attachments and attached messages none.
///
/// They are as they stand there, entities decoded; nothing says that they are well-formed.
pub fn links(message: &[u8]) -> Vec<String> {
    let (mut links, mut seen) = (Vec::new(), HashSet::new());
    let mut left = BYTES_MAX;
    let parts = parts(message);
    for part in shown(&parts, &Roles::of(&parts)) {
        let text = part.unicode(left);
        left = left.saturating_sub(part.body.len());
        let found = match part.is_html() {
            true => [html::links(&text), written_out(&html::text(&text))].concat(),
            false => written_out(&text),
        };
        links.extend(found.into_iter().filter(|link| seen.insert(link.clone())));
    }
    links
}

/// Addresses in plain text. Costs one pass.
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
        if text[at..start].ends_with(char::is_alphanumeric) {
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

/// Octets up to what can't belong to an address.
fn address_bytes(text: &str) -> usize {
    let is_end =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '\\');
    text.find(is_end).unwrap_or(text.len())
}

/// What ends the sentence is no part of the address, nor is a parenthesis that it didn't open.
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
    fn addresses_in_plain_text() {
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
        ] {
            assert_eq!(written_out(text), expected, "{text}");
        }
    }

    #[test]
    fn links_of_all_texts_once() {
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
        let text = "http://x ".repeat(50_000);
        assert_eq!(written_out(&text).len(), 50_000);
    }
}
