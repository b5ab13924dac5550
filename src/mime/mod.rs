//! mail-parser behind one door: what a message is made of.
//!
//! Nothing outside this room names a type of the library, so the choice stays one file.
#![forbid(unsafe_code)]
pub mod charset;
pub mod encoded_word;
mod facts;
pub mod fold;
pub mod header;
pub mod html;
pub mod link;
pub mod part;
pub mod text;
pub mod transfer;

pub use facts::{Extractor, Facts, is_taking_apart, push_clean};

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders, PartType};

/// Parts shown of one message; mail made to break parsers may have thousands.
const PARTS_MAX: usize = 200;

/// A message taken apart, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Name and value as they stand in the message, unfolded, in order.
    pub headers: Vec<(String, String)>,
    /// In order, the nested ones behind their parent; at most 200.
    pub parts: Vec<Part>,
    /// Parts there are in all.
    pub parts_total: usize,
    /// The first text part decoded to Unicode, if there is one.
    pub text: Option<String>,
}

/// One MIME part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Nesting below the message itself.
    pub depth: usize,
    /// For example `text/plain`.
    pub content_type: String,
    /// Octets of the part's content after decoding.
    pub decoded_bytes: usize,
    pub file_name: Option<String>,
}

/// Takes `message` (payload with its dots unstuffed) apart. Total: any octets give an outline.
///
/// Costs a full parse, every attachment decoded: for showing one message, not for indexing many.
pub fn outline(message: &[u8]) -> Outline {
    let Some(parsed) = MessageParser::default().parse(message) else {
        return Outline { headers: Vec::new(), parts: Vec::new(), parts_total: 0, text: None };
    };
    let mut outline = Outline {
        headers: raw_headers(message, &parsed),
        parts: Vec::new(),
        parts_total: parsed.parts.len(),
        text: parsed.body_text(0).map(|text| text.into_owned()),
    };
    if !parsed.parts.is_empty() {
        walk(&parsed, &mut outline.parts);
    }
    outline
}

/// The parts from the root down, over an explicit stack: nesting is up to whoever wrote the mail.
fn walk(parsed: &Message<'_>, parts: &mut Vec<Part>) {
    let mut to_visit = vec![(0, 0)];
    while let Some((id, depth)) = to_visit.pop() {
        if parts.len() == PARTS_MAX {
            return;
        }
        let Some(part) = parsed.parts.get(id) else { continue };
        let content_type = match part.content_type() {
            Some(c) => format!("{}/{}", c.ctype(), c.subtype().unwrap_or("*")),
            None => "text/plain".into(),
        };
        parts.push(Part {
            depth,
            content_type,
            decoded_bytes: part.len(),
            file_name: part.attachment_name().map(Into::into),
        });
        if let PartType::Multipart(children) = &part.body {
            to_visit.extend(children.iter().rev().map(|child| (*child as usize, depth + 1)));
        }
    }
}

/// The headers as they were written, with folding undone.
fn raw_headers(message: &[u8], parsed: &Message<'_>) -> Vec<(String, String)> {
    let unfold = |start: usize, end: usize| {
        let octets = message.get(start..end).unwrap_or_default();
        let text = String::from_utf8_lossy(octets);
        text.split(['\r', '\n'])
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    parsed
        .headers()
        .iter()
        .map(|header| {
            let raw = unfold(header.offset_start as usize, header.offset_end as usize);
            // Encoded words are decoded for a person; everything else is shown as it stands.
            let value = match &header.value {
                HeaderValue::Text(text) if raw.contains("=?") => text.to_string(),
                _ => raw,
            };
            (header.name.as_str().to_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_parts_of_a_mail_with_an_attachment() {
        let mail = b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
            --b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
            Content-Disposition: attachment; filename=a.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b--\r\n";
        let outline = outline(mail);
        assert_eq!(outline.headers[1], ("Subject".into(), "Gr\u{fc}\u{df}e".into()));
        let types: Vec<&str> = outline.parts.iter().map(|p| &*p.content_type).collect();
        assert_eq!(types, ["multipart/mixed", "text/plain", "application/pdf"]);
        assert_eq!(outline.parts[2].file_name.as_deref(), Some("a.pdf"));
        assert_eq!(outline.parts[2].decoded_bytes, 3);
        assert_eq!(outline.text.as_deref().map(str::trim), Some("Hello"));
    }

    #[test]
    fn any_octets_give_an_outline() {
        for mail in [&b""[..], b"\r\n", b"\0\0\0", b"no header", b": x\r\n\r\n", &[0xff; 1000]] {
            let outline = outline(mail);
            assert!(outline.parts.len() <= outline.parts_total);
        }
    }

    #[test]
    fn parts_without_end_are_shown_up_to_a_bound() {
        let mut mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        (0..1000).for_each(|_| mail.extend_from_slice(b"--b\r\n\r\nx\r\n"));
        let outline = outline(&mail);
        assert_eq!(outline.parts.len(), PARTS_MAX);
        assert!(outline.parts_total > PARTS_MAX);
    }
}
