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
/// The links are as they stand there, entities decoded; nothing says that they are well-formed.
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
        // A letter of another script is not part of a scheme: such a script has no spaces.
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

/// Octets of an address in angle brackets; beyond them none is looked for.
const BRACKETS_BYTES_MAX: usize = 2048;

/// The address that `text` begins with up to `>`, and its octets there. Line ends in it and the
/// white space around them break lines (RFC 3986 appendix C), other blanks belong to it.
/// `None` if it doesn't end, or if another paragraph or another address begins before.
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

/// Octets up to what can't belong to an address.
fn address_bytes(text: &str) -> usize {
    let is_end = |c: char| match c {
        '<' | '>' | '"' | '`' | '\\' => true,
        _ if c.is_ascii() => c.is_ascii_whitespace() || c.is_ascii_control(),
        _ => c.is_whitespace() || c.is_control() || is_wide_punctuation(c),
    };
    text.find(is_end).unwrap_or(text.len())
}

/// Punctuation of CJK text, and quotes and dashes of others. It stands in addresses only as `%XX`;
/// letters do stand there.
fn is_wide_punctuation(c: char) -> bool {
    matches!(c,
        '\u{ab}' | '\u{bb}' | '\u{2010}'..='\u{203a}' | '\u{3001}'..='\u{3004}'
        | '\u{3008}'..='\u{3020}'
        | '\u{3030}' | '\u{303d}' | '\u{30fb}' | '\u{fe10}'..='\u{fe19}' | '\u{fe30}'..='\u{fe6b}'
        | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}')
}

/// Strips the punctuation that ends the sentence, and a parenthesis that the address didn't open.
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
            // CJK text has no spaces around, and punctuation of its own.
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
        let text = "<http://x ".repeat(50_000);
        assert_eq!(written_out(&text).len(), 50_000);
        let text = "http://x ".repeat(50_000);
        assert_eq!(written_out(&text).len(), 50_000);
    }
}
