//! Extracts text and links from HTML.
//!
//! Does not use the library's `html_to_text`, which joins table cells and blocks, so that their
//! words are not found, and takes the content of `<style type="…">` for text.
use mail_parser::decoders::html::add_html_token;
use memchr::memchr;

use super::charset::to_unicode;

/// Maximum length of an entity's name, in octets; the longest known has 31.
const ENTITY_BYTES_MAX: usize = 40;

/// Elements whose content is not displayed.
const UNSEEN: [&str; 4] = ["script", "style", "template", "title"];

/// Elements that begin and end a line.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "tr",
    "ul",
];

/// Returns the visible text of `html`: entities decoded, one line per block, a space between cells,
/// and runs of white space collapsed. Accepts any text, in one pass. The result is not longer than
/// `html`, apart from the few entities that are longer than their names.
pub fn text(html: &str) -> String {
    let mut lines = TextLines { text: String::with_capacity(html.len() / 2), gap: Gap::None };
    for token in tokens(html) {
        match token {
            HtmlToken::Text(text) => lines.push_text(text),
            HtmlToken::Tag(name, _) if is_one_of(name, &BLOCKS) => lines.gap = Gap::Line,
            HtmlToken::Tag(name, _) if is_one_of(name, &["td", "th"]) => {
                lines.gap = lines.gap.max(Gap::Space);
            }
            HtmlToken::Tag(..) => {}
        }
    }
    lines.text
}

/// Returns the `href` values of links and areas in `html`, in order, with entities decoded. Empty
/// ones and anchors on the page itself are left out.
pub fn links(html: &str) -> Vec<String> {
    let of = |token| match token {
        HtmlToken::Tag(name, attributes) if is_one_of(name, &["a", "area"]) => href(attributes),
        _ => None,
    };
    tokens(html).filter_map(of).collect()
}

/// Number of octets in which browsers look for a charset.
const CHARSET_BYTES: usize = 1024;

/// Returns the charset that HTML declares in its first 1024 octets, before it is decoded, or that
/// its UTF-8 byte order mark implies, as in browsers. A declaration of UTF-16 counts as UTF-8,
/// because it would be unreadable in UTF-16.
pub(super) fn charset(html: &[u8]) -> Option<String> {
    if html.starts_with(b"\xef\xbb\xbf") {
        return Some("utf-8".into());
    }
    let start = String::from_utf8_lossy(&html[..html.len().min(CHARSET_BYTES)]);
    let charset = tokens(&start).find_map(|token| match token {
        HtmlToken::Tag(name, attributes) if name.eq_ignore_ascii_case("meta") => {
            charset_at(attributes).map(|range| attributes[range].to_owned())
        }
        _ => None,
    })?;
    match charset.get(..6) {
        Some(name) if name.eq_ignore_ascii_case("utf-16") => Some("utf-8".into()),
        _ => Some(charset),
    }
}

/// Returns `html` with `utf-8` in place of each charset that it declares. If it declares none, adds
/// a declaration if there is a place for it; a fragment without `<html>` and `<head>` is left
/// unchanged. One pass.
pub(super) fn with_utf8_charset(html: &str) -> String {
    const META: &str = "<meta charset=\"utf-8\">";
    let offset = |part: &str| part.as_ptr() as usize - html.as_ptr() as usize;
    let (mut changed, mut at, mut head, mut root) =
        (String::with_capacity(html.len()), 0, None, None);
    for token in tokens(html) {
        let HtmlToken::Tag(name, attributes) = token else { continue };
        // An end tag has a slash before its name.
        let is_start = !html[..offset(name)].ends_with('/');
        let after = offset(attributes) + attributes.len() + 1;
        if name.eq_ignore_ascii_case("meta")
            && let Some(range) = charset_at(attributes)
        {
            changed.push_str(&html[at..offset(attributes) + range.start]);
            changed.push_str("utf-8");
            at = offset(attributes) + range.end;
        } else if is_start && name.eq_ignore_ascii_case("head") {
            head.get_or_insert(after);
        } else if is_start && name.eq_ignore_ascii_case("html") {
            root.get_or_insert(after);
        }
    }
    if at == 0
        && let Some(place) = head.or(root)
    {
        changed.push_str(&html[..place]);
        changed.push_str(META);
        at = place;
    }
    changed + &html[at..]
}

/// Returns the range of the charset in the attributes of `<meta>`: in `charset=…`, or in the older
/// form, within `content=…`.
fn charset_at(attributes: &str) -> Option<std::ops::Range<usize>> {
    const NAME: &[u8] = b"charset";
    let is_space = |b: &u8| b.is_ascii_whitespace();
    let octets = attributes.as_bytes();
    let count =
        |from: usize, is: &dyn Fn(&u8) -> bool| octets[from..].iter().take_while(|b| is(b)).count();
    let mut names = octets.windows(NAME.len()).enumerate();
    names.find_map(|(at, name)| {
        let after = at + NAME.len();
        let equals = after + count(after, &is_space);
        if !name.eq_ignore_ascii_case(NAME) || octets.get(equals) != Some(&b'=') {
            return None;
        }
        let start = equals + 1;
        let start = start + count(start, &|b| is_space(b) || matches!(b, b'"' | b'\''));
        let bytes = count(start, &|b| b.is_ascii_alphanumeric() || b"-_:.".contains(b));
        (bytes > 0).then_some(start..start + bytes)
    })
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// The separator between two words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

struct TextLines {
    text: String,
    gap: Gap,
}

impl TextLines {
    fn push_text(&mut self, mut text: &str) {
        while let Some(at) = memchr(b'&', text.as_bytes()) {
            self.push_letters(&text[..at]);
            let (letters, bytes) = entity(&text[at..], EntityPlace::Text);
            self.push_letters(&letters);
            text = &text[at + bytes..];
        }
        self.push_letters(text);
    }

    fn push_letters(&mut self, letters: &str) {
        for (number, word) in letters.split(char::is_whitespace).enumerate() {
            if number > 0 {
                self.gap = self.gap.max(Gap::Space);
            }
            if !word.is_empty() {
                self.push_word(word);
            }
        }
    }

    fn push_word(&mut self, word: &str) {
        match self.gap {
            _ if self.text.is_empty() => {}
            Gap::None => {}
            Gap::Space => self.text.push(' '),
            Gap::Line => self.text.push('\n'),
        }
        self.gap = Gap::None;
        self.text.push_str(word);
    }
}

/// Where an entity is: text and attribute values have different rules for entities without a
/// semicolon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EntityPlace {
    Text,
    /// What looks like a legacy entity is often a parameter there: `?a=b&copy=2`.
    Attribute,
}

/// Returns the meaning of the entity at the beginning of `text`, and its length; `&` itself if it
/// is not an entity. Follows the HTML standard (13.2.5.72 to 80): numbers and legacy names need no
/// semicolon.
fn entity(text: &str, place: EntityPlace) -> (String, usize) {
    let octets = &text.as_bytes()[1..text.len().min(ENTITY_BYTES_MAX)];
    if let Some(digits) = octets.strip_prefix(b"#") {
        return numeric(digits).unwrap_or_else(|| (String::from("&"), 1));
    }
    let name = octets.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    if octets.get(name) == Some(&b';')
        && let Some(letters) = named(&octets[..name])
    {
        return (letters, 1 + name + 1);
    }
    for length in (2..=name.min(LEGACY_BYTES_MAX)).rev() {
        let Ok(at) = LEGACY.binary_search_by(|legacy| legacy.as_bytes().cmp(&octets[..length]))
        else {
            continue;
        };
        let goes_on = |b: &u8| b.is_ascii_alphanumeric() || *b == b'=';
        let is_parameter =
            place == EntityPlace::Attribute && octets.get(length).is_some_and(goes_on);
        if !is_parameter && let Some(letters) = named(LEGACY[at].as_bytes()) {
            let semicolon = usize::from(octets.get(length) == Some(&b';'));
            return (letters, 1 + length + semicolon);
        }
        break;
    }
    (String::from("&"), 1)
}

fn named(name: &[u8]) -> Option<String> {
    let entity = [b"&", name, b";"].concat();
    let mut letters = String::new();
    add_html_token(&mut letters, &entity, false);
    (letters.as_bytes() != entity).then_some(letters)
}

/// Decodes a numeric entity; `digits` is the text after `&#`. Returns its meaning and its length;
/// `None` if no digit follows.
fn numeric(digits: &[u8]) -> Option<(String, usize)> {
    let (radix, mark) = if matches!(digits, [b'x' | b'X', ..]) { (16, 1) } else { (10, 0) };
    let value = |b: &u8| char::from(*b).to_digit(radix);
    let (mut code, mut count) = (0_u32, 0);
    for digit in digits[mark..].iter().map_while(value) {
        code = code.saturating_mul(radix).saturating_add(digit);
        count += 1;
    }
    if count == 0 {
        return None;
    }
    let semicolon = usize::from(digits.get(mark + count) == Some(&b';'));
    let letters = match code {
        0 => String::from(char::REPLACEMENT_CHARACTER),
        // Pages with these numbers mean windows-1252.
        0x80..=0x9f => to_unicode(&[code as u8], Some("windows-1252")).into_owned(),
        _ => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string(),
    };
    Some((letters, 2 + mark + count + semicolon))
}

/// Length of the longest name below, in octets.
const LEGACY_BYTES_MAX: usize = 6;

/// Entities that need no semicolon, sorted for a binary search.
#[rustfmt::skip]
const LEGACY: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil",
    "ETH", "Eacute", "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT",
    "Ntilde", "Oacute", "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "REG", "THORN",
    "Uacute", "Ucirc", "Ugrave", "Uuml", "Yacute", "aacute", "acirc", "acute", "aelig", "agrave",
    "amp", "aring", "atilde", "auml", "brvbar", "ccedil", "cedil", "cent", "copy", "curren", "deg",
    "divide", "eacute", "ecirc", "egrave", "eth", "euml", "frac12", "frac14", "frac34", "gt",
    "iacute", "icirc", "iexcl", "igrave", "iquest", "iuml", "laquo", "lt", "macr", "micro",
    "middot", "nbsp", "not", "ntilde", "oacute", "ocirc", "ograve", "ordf", "ordm", "oslash",
    "otilde", "ouml", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect", "shy", "sup1",
    "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml",
];

pub(super) fn unescaped(text: &str) -> String {
    let (mut letters, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        let (decoded, bytes) = entity(&rest[at..], EntityPlace::Attribute);
        letters.push_str(&rest[..at]);
        letters.push_str(&decoded);
        rest = &rest[at + bytes..];
    }
    letters + rest
}

/// Returns the link in the first `href` of a tag, with entities decoded; `None` if it is empty or
/// an anchor.
fn href(attributes: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '=')?;
        let name = &rest[..end];
        let after = rest[end..].trim_ascii_start();
        let Some(value) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let value = value.trim_ascii_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => {
                value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len()))
            }
        };
        if name.eq_ignore_ascii_case("href") {
            let link = unescaped(value).replace(['\t', '\r', '\n'], "");
            let link = link.trim();
            return (!link.is_empty() && !link.starts_with('#')).then(|| link.to_owned());
        }
        rest = after;
    }
}

enum HtmlToken<'h> {
    Text(&'h str),
    /// The name of a start or end tag, and its attributes.
    Tag(&'h str, &'h str),
}

/// Splits `html` into texts and tags, without comments, declarations and content that is not
/// displayed.
fn tokens(html: &str) -> Tokens<'_> {
    Tokens { rest: html }
}

struct Tokens<'h> {
    rest: &'h str,
}

impl<'h> Iterator for Tokens<'h> {
    type Item = HtmlToken<'h>;

    fn next(&mut self) -> Option<HtmlToken<'h>> {
        loop {
            let rest = self.rest;
            match rest.as_bytes() {
                [] => return None,
                [b'<', b'!', b'-', b'-', ..] => self.skip_past(2, "-->"),
                [b'<', b'!' | b'?', ..] => self.skip_past(2, ">"),
                [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => {
                    return self.tag(&rest[2..]);
                }
                [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                    return self.start_tag(&rest[1..]);
                }
                octets => {
                    // A "<" that does not begin a tag is text.
                    let end = memchr(b'<', &octets[1..]).map_or(octets.len(), |at| at + 1);
                    self.rest = &rest[end..];
                    return Some(HtmlToken::Text(&rest[..end]));
                }
            }
        }
    }
}

impl<'h> Tokens<'h> {
    /// Skips everything up to `end`, which is searched for from octet `from` on; if it is missing,
    /// skips the rest.
    fn skip_past(&mut self, from: usize, end: &str) {
        let found = self.rest[from..].find(end).map(|at| from + at + end.len());
        self.rest = found.map_or("", |at| &self.rest[at..]);
    }

    /// Reads a tag; `tag` begins with its name. A tag that is never closed ends the text, as in
    /// browsers.
    fn tag(&mut self, tag: &'h str) -> Option<HtmlToken<'h>> {
        let is_name = |c: char| !c.is_ascii_whitespace() && c != '/' && c != '>';
        let name = &tag[..tag.find(|c| !is_name(c)).unwrap_or(tag.len())];
        let Some(close) = tag_end(tag) else {
            self.rest = "";
            return None;
        };
        self.rest = &tag[close + 1..];
        Some(HtmlToken::Tag(name, &tag[name.len()..close]))
    }

    /// Reads a start tag, and skips the content of its element if that is not displayed.
    fn start_tag(&mut self, tag: &'h str) -> Option<HtmlToken<'h>> {
        let token = self.tag(tag)?;
        if let HtmlToken::Tag(name, _) = token
            && is_one_of(name, &UNSEEN)
        {
            self.skip_content(name);
        }
        Some(token)
    }

    /// Skips to the end tag of an element whose content is not displayed.
    fn skip_content(&mut self, name: &str) {
        let mut rest = self.rest;
        while let Some(at) = rest.find("</") {
            rest = &rest[at..];
            let found = rest.as_bytes()[2..].get(..name.len());
            if found.is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes())) {
                self.rest = rest;
                return;
            }
            rest = &rest[2..];
        }
        self.rest = "";
    }
}

/// Returns the position of the tag's `>`, ignoring those in quoted values.
fn tag_end(tag: &str) -> Option<usize> {
    let (mut quote, mut is_value) = (None, false);
    for (at, octet) in tag.bytes().enumerate() {
        match (quote, octet) {
            (Some(open), _) if octet == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if is_value => quote = Some(octet),
            (None, _) => {}
        }
        is_value = octet == b'=' || (is_value && octet.is_ascii_whitespace());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_converted_to_text() {
        for (html, expected) in [
            ("", ""),
            ("<p>Hello, <b>W</b>orld!</p>", "Hello, World!"),
            ("<table><tr><td>Price</td><td>10</td></tr><tr><td>x</table>", "Price 10\nx"),
            ("<div>one</div><div>two</div>three<br>four<br/>five", "one\ntwo\nthree\nfour\nfive"),
            ("<STYLE type='text/css'>p > a {}</style>a<style>b", "a"),
            ("<script>if (a < b) '</scr'</SCRIPT >x<title>t</title>", "x"),
            ("a<!-- b -- > c --->d<!-->e<!DOCTYPE html>f<?xml?>g", "adefg"),
            (
                "&lt;a&gt; &amp;amp; &eacute;&#233;&#xE9; &unknown; &amp & a&nbsp;b &#0;",
                "<a> &amp; ééé &unknown; & & a b \u{fffd}",
            ),
            ("&copy2026 &notit; &notin; &eacut &#233 x&#xE9", "©2026 ¬it; ∉ &eacut é xé"),
            (
                "&#x80;&#150;&#xd800;&#x110000;&#99999999999; &# &#x; &;",
                "€–\u{fffd}\u{fffd}\u{fffd} &# &#x; &;",
            ),
            ("a < b and 3<4 <> </>", "a < b and 3<4 <> </>"),
            ("<a title=\"x > y\" href=z>t</a>", "t"),
            ("<a title=it's>t</a>", "t"),
            ("text <unclosed", "text"),
            ("  \r\n a \t b  ", "a b"),
        ] {
            assert_eq!(text(html), expected, "{html}");
        }
    }

    #[test]
    fn html_charsets_are_found() {
        for (html, expected) in [
            ("<meta charset=koi8-r>", Some("koi8-r")),
            ("<html><head><META CHARSET = 'UTF-8' />", Some("UTF-8")),
            (
                "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=windows-1251\">",
                Some("windows-1251"),
            ),
            ("<meta name=charset><meta charset=\"\"><meta charset=x>", Some("x")),
            ("<meta charset=utf-16le>", Some("utf-8")),
            ("\u{feff}<meta charset=koi8-r>", Some("utf-8")),
            ("<!-- <meta charset=koi8-r> --><p charset=x>charset=y", None),
            (&format!("{}<meta charset=koi8-r>", " ".repeat(CHARSET_BYTES)), None),
            ("", None),
        ] {
            assert_eq!(charset(html.as_bytes()).as_deref(), expected, "{html}");
        }
    }

    #[test]
    fn html_links_are_found() {
        for (html, expected) in [
            (
                "<a href=\"https://a.example/?x=1&amp;y=2\">a</a>",
                &["https://a.example/?x=1&y=2"][..],
            ),
            (
                "<a href='https://a.example/?x=1&copy=2&reg=3&lt4&amp;y&gt;&not'>",
                &["https://a.example/?x=1&copy=2&reg=3&lt4&y>¬"],
            ),
            ("<A class=b HREF = 'c d' >", &["c d"]),
            ("<a href=plain/>", &["plain/"]),
            ("<area disabled href=x><link href=y><img src=z>", &["x"]),
            ("<a href=''><a href='#top'><a href><a name=href>", &[]),
            ("<a data-href=no href='\nyes\n'>", &["yes"]),
            (
                "<!-- <a href=hidden> --><a href=\"mailto:ann@example.org\">",
                &["mailto:ann@example.org"],
            ),
            ("<a href=\"never closed>", &[]),
        ] {
            assert_eq!(links(html), expected, "{html}");
        }
    }
}
