//! Converts the HTML of a message to a self-contained page that browsers display correctly.
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::header::fields;
use super::html;
use super::parameter::percent_decode;
use super::part::{Part, PartKind, Parts};

/// Maximum total size of `data:` URLs in the HTML of one message; beyond it, `cid:` URLs are left
/// unchanged.
const EMBEDDED_BYTES_MAX: usize = 32 << 20;
/// Maximum length of a Content-ID, in octets.
const ID_BYTES_MAX: usize = 1024;

/// The parts that HTML can refer to by their Content-ID (RFC 2392), by index.
pub struct ByContentId {
    numbers: HashMap<Vec<u8>, usize>,
}

impl ByContentId {
    /// Collects all parts with an ID and content. Costs one pass over their headers.
    pub fn of(parts: &Parts<'_>) -> ByContentId {
        let mut numbers = HashMap::new();
        for (number, part) in
            parts.parts.iter().enumerate().filter(|(_, p)| p.kind == PartKind::Leaf)
        {
            if let Some(field) = fields(part.header).find(|field| field.is_named("Content-ID")) {
                let id = field.unfolded();
                let id = id.strip_prefix(b"<").unwrap_or(&id);
                let id = id.split(|b| *b == b'>').next().unwrap_or_default();
                numbers.entry(id.trim_ascii().to_vec()).or_insert(number);
            }
        }
        ByContentId { numbers }
    }

    /// Returns `html`, in which the result of `address` for a part's index replaces each `cid:` URL
    /// that refers to the part. If the result is `None`, the URL is left unchanged. Accepts any
    /// octets, in one pass, in any charset that extends ASCII.
    pub fn rewritten(
        &self,
        html: &[u8],
        address: &mut dyn FnMut(usize) -> Option<String>,
    ) -> Vec<u8> {
        let (mut rewritten, mut at) = (Vec::with_capacity(html.len()), 0);
        for colon in memchr::memchr_iter(b':', html).filter(|_| !self.numbers.is_empty()) {
            let Some(start) = begin_of_cid(html, colon).filter(|start| *start >= at) else {
                continue;
            };
            let id = &html[colon + 1..html.len().min(colon + 1 + ID_BYTES_MAX)];
            let is_end = |b: &u8| b.is_ascii_whitespace() || b"\"'<>):".contains(b);
            let id = &id[..id.iter().position(is_end).unwrap_or(id.len())];
            if let Some(address) = self.number(id).and_then(&mut *address) {
                rewritten.extend_from_slice(&html[at..start]);
                rewritten.extend_from_slice(address.as_bytes());
                at = colon + 1 + id.len();
            }
        }
        rewritten.extend_from_slice(&html[at..]);
        rewritten
    }

    fn number(&self, id: &[u8]) -> Option<usize> {
        let found = self.numbers.get(id).or_else(|| {
            let mut decoded = Vec::new();
            percent_decode(html::unescaped(&String::from_utf8_lossy(id)).as_bytes(), &mut decoded);
            self.numbers.get(&decoded)
        });
        found.copied()
    }
}

/// Returns where `cid` begins before the colon, if it begins a URL.
fn begin_of_cid(html: &[u8], colon: usize) -> Option<usize> {
    let start = colon.checked_sub(3)?;
    let is_cid = html[start..colon].eq_ignore_ascii_case(b"cid");
    let begins = start.checked_sub(1).is_some_and(|before| b"\"'=(".contains(&html[before]));
    (is_cid && begins).then_some(start)
}

/// Creates the pages of one message, which show its inline images.
pub(super) struct Pages<'p, 'm> {
    parts: &'p Parts<'m>,
    by_id: ByContentId,
    /// Number of octets that can still be embedded.
    left: usize,
}

impl<'p, 'm> Pages<'p, 'm> {
    pub fn of(parts: &'p Parts<'m>) -> Pages<'p, 'm> {
        Pages { parts, by_id: ByContentId::of(parts), left: EMBEDDED_BYTES_MAX }
    }

    /// Returns the decoded `html` as a page that declares UTF-8 and contains its images.
    pub fn page(&mut self, html: &str) -> String {
        let (parts, left) = (self.parts, &mut self.left);
        let mut embedded = |number: usize| data_address(&parts.parts[number], left);
        let html = html::with_utf8_charset(html);
        let page = self.by_id.rewritten(html.as_bytes(), &mut embedded);
        String::from_utf8_lossy(&page).into_owned()
    }
}

/// Returns the part as a `data:` URL (RFC 2397). Returns `None` for text other than CSS and for
/// unusual content types, which are not embedded, and if the URL exceeds what is left.
fn data_address(part: &Part<'_>, left: &mut usize) -> Option<String> {
    let kind = &*part.content_type;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/+.-".contains(&b);
    let is_text = kind.starts_with("text/") && kind != "text/css";
    if is_text || !kind.bytes().all(is_plain) || part.body.len() > *left {
        return None;
    }
    let address = format!("data:{kind};base64,{}", STANDARD.encode(part.content()));
    *left = left.checked_sub(address.len())?;
    Some(address)
}

#[cfg(test)]
mod tests {
    use crate::mime::text::html;

    fn message(page: &str) -> String {
        format!(
            "Content-Type: multipart/related; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n{page}\r\n\
             --b\r\nContent-Type: image/png\r\nContent-ID: <a b@x>\r\n\r\nABC\r\n\
             --b\r\nContent-Type: text/plain\r\nContent-ID: <t>\r\n\r\nABC\r\n--b--\r\n"
        )
    }

    #[test]
    fn images_are_embedded_and_the_charset_is_utf8() {
        const DATA: &str = "data:image/png;base64,QUJD";
        for (page, expected) in [
            ("<img src=\"cid:a%20b@x\">", format!("<img src=\"{DATA}\">")),
            ("<td background='CID:a%20b@x'>", format!("<td background='{DATA}'>")),
            ("<p style='x: url(cid:a%20b@x)'>", format!("<p style='x: url({DATA})'>")),
            ("<img src=cid:a%20b@x>", format!("<img src={DATA}>")),
            (
                "<a href=\"cid:t\">cid:a%20b@x <img src='cid:no'>",
                "<a href=\"cid:t\">cid:a%20b@x <img src='cid:no'>".into(),
            ),
            ("<meta charset='iso-8859-1'>", "<meta charset='utf-8'>".into()),
            (
                "<head><META http-equiv=x content=\"text/html;charset=koi8-r\"></head>",
                "<head><META http-equiv=x content=\"text/html;charset=utf-8\"></head>".into(),
            ),
            ("<html><head lang=x><p>", "<html><head lang=x><meta charset=\"utf-8\"><p>".into()),
            ("<!doctype html><html><p>", "<!doctype html><html><meta charset=\"utf-8\"><p>".into()),
            ("<p>part of a page", "<p>part of a page".into()),
        ] {
            assert_eq!(html(message(page).as_bytes()), Some(expected), "{page}");
        }
        let octets: Vec<u8> =
            message("<p>Gr~n").bytes().map(|b| if b == b'~' { 0xfc } else { b }).collect();
        assert_eq!(html(&octets).as_deref(), Some("<p>Gr\u{fc}n"));
    }

    #[test]
    fn repeated_embedding_is_bounded() {
        let image = "QUJD".repeat(1 << 18);
        let page = "<img src=\"cid:a%20b@x\">".repeat(1000);
        let message = message(&page).replacen("ABC", &image, 1);
        let page = html(message.as_bytes()).unwrap();
        assert!(page.len() < super::EMBEDDED_BYTES_MAX + (1 << 20), "{}", page.len());
        assert!(page.contains("data:") && page.contains("cid:"));
    }
}
