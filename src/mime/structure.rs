//! The MIME structure of a message, from its delimiter lines (RFC 2046 5.1.1): which parts are
//! attachments, without decoding any.
use std::ops::Range;

use mail_parser::{ContentType, Header, HeaderName, HeaderValue, MessageParser};
use memchr::memmem;

use super::facts::{Facts, push_line};

/// Parts that are looked at; mail made to break parsers may have more.
const PARTS_MAX: usize = 10_000;
/// Likewise, multiparts inside each other.
const DEPTH_MAX: usize = 64;
/// Octets of a part's header that are looked at.
const PART_HEADER_BYTES_MAX: usize = 64 << 10;

/// Walks over parts.
pub(super) struct Structure {
    part_headers: MessageParser,
    new_line_dashes: memmem::Finder<'static>,
    /// Boundaries of the multiparts we are in, the innermost last.
    boundaries: Vec<String>,
}

impl Structure {
    pub fn new() -> Structure {
        let part_headers = MessageParser::new()
            .header_content_type(HeaderName::ContentType)
            .header_content_type(HeaderName::ContentDisposition)
            .default_header_ignore();
        let new_line_dashes = memmem::Finder::new(b"\n--");
        Structure { part_headers, new_line_dashes, boundaries: Vec::new() }
    }

    /// Notes attachments and file names of all parts in `facts`; appends what a hash of the content
    /// must leave out to `cuts`.
    pub fn walk(
        &mut self,
        message: &[u8],
        body_at: usize,
        headers: &[Header<'_>],
        cuts: &mut Vec<Range<usize>>,
        facts: &mut Facts,
    ) {
        self.boundaries.clear();
        self.enter(message, 0, headers, cuts, facts);
        // The delimiter may be the body's first line: its line break is the header's last.
        let mut at = body_at.saturating_sub(1);
        let mut signature_at = None;
        for _ in 0..PARTS_MAX {
            if self.boundaries.is_empty() {
                break;
            }
            let Some(found) = self.next_delimiter(message, at) else { break };
            if let Some(start) = signature_at.take() {
                cuts.push(start..found.line.start);
            }
            cuts.push(found.line.clone());
            at = found.line.end.saturating_sub(1);
            self.boundaries.truncate(found.level + usize::from(!found.is_close));
            if !found.is_close {
                signature_at = self.part(message, found.line.end, cuts, facts);
            }
        }
        cuts.extend(signature_at.map(|start| start..message.len()));
    }

    /// The next line that is a delimiter of a multipart we are in.
    fn next_delimiter(&self, message: &[u8], mut from: usize) -> Option<Delimiter> {
        loop {
            let rest = message.get(from..)?;
            let start = from + self.new_line_dashes.find(rest)? + 1;
            let text = &message[start + 2..];
            let level = self.boundaries.iter().rposition(|b| text.starts_with(b.as_bytes()));
            if let Some(level) = level {
                let behind = &text[self.boundaries[level].len()..];
                let line_end = memchr::memchr(b'\n', behind).map_or(behind.len(), |n| n + 1);
                let is_close = behind.starts_with(b"--");
                let tail = &behind[if is_close { 2 } else { 0 }..line_end];
                if tail.iter().all(u8::is_ascii_whitespace) {
                    let end = message.len() - behind.len() + line_end;
                    return Some(Delimiter { line: start..end, level, is_close });
                }
            }
            from = start + 1;
        }
    }

    /// A part begins at `start`, and if it is a message, in it another. Gives where its content
    /// begins if it is a signature.
    fn part(
        &mut self,
        message: &[u8],
        mut start: usize,
        cuts: &mut Vec<Range<usize>>,
        facts: &mut Facts,
    ) -> Option<usize> {
        let parser = std::mem::take(&mut self.part_headers);
        let mut signature_at = None;
        for _ in 0..DEPTH_MAX {
            let limit = message.len().min(start + PART_HEADER_BYTES_MAX);
            // Without an empty line the header would run on into the next part.
            let from = start.saturating_sub(1);
            let next = self.new_line_dashes.find(&message[from..limit]);
            let end = next.map_or(limit, |n| from + n + 1).max(start);
            let content_at = start + header_bytes(&message[start..end]);
            let Some(parsed) = parser.parse_headers(&message[start..content_at]) else { break };
            let Some(root) = parsed.parts.first() else { break };
            match self.enter(message, start, &root.headers, cuts, facts) {
                Content::Message if content_at > start => start = content_at,
                Content::Signature => {
                    signature_at = Some(content_at);
                    break;
                }
                _ => break,
            }
        }
        self.part_headers = parser;
        signature_at
    }

    /// Notes what the header of a part (or of the message) says; `at`: where it begins.
    fn enter<'a, 'b>(
        &mut self,
        message: &[u8],
        at: usize,
        headers: &'a [Header<'b>],
        cuts: &mut Vec<Range<usize>>,
        facts: &mut Facts,
    ) -> Content {
        let of = |name| headers.iter().rev().find(|h: &&'a Header<'b>| h.name == name);
        let content_type = |h: &'a Header<'b>| match &h.value {
            HeaderValue::ContentType(value) => Some((h, value)),
            _ => None,
        };
        let kind = of(HeaderName::ContentType).and_then(content_type);
        let disposition = of(HeaderName::ContentDisposition).and_then(content_type);
        note_file(kind.map(|k| k.1), disposition.map(|d| d.1), facts);
        let Some((field, kind)) = kind else { return Content::Other };
        if let (Some(boundary), true) = (kind.attribute("boundary"), is(kind, "multipart", "")) {
            let range = at + field.offset_start as usize..at + field.offset_end as usize;
            if !boundary.is_empty() {
                if let Some(n) = memmem::find(&message[range.clone()], boundary.as_bytes()) {
                    cuts.push(range.start + n..range.start + n + boundary.len());
                }
                if self.boundaries.len() < DEPTH_MAX {
                    self.boundaries.push(boundary.to_owned());
                }
            }
        }
        let signatures = ["pgp-signature", "pkcs7-signature", "x-pkcs7-signature"];
        if signatures.iter().any(|subtype| is(kind, "application", subtype)) {
            Content::Signature
        } else if is(kind, "message", "rfc822") || is(kind, "message", "global") {
            Content::Message
        } else {
            Content::Other
        }
    }
}

/// A delimiter line, its line break included.
struct Delimiter {
    line: Range<usize>,
    /// Of the multipart it belongs to.
    level: usize,
    is_close: bool,
}

/// What a part holds, as far as that matters here.
enum Content {
    Signature,
    Message,
    Other,
}

/// Is it that type? Any subtype, if none is named.
fn is(kind: &ContentType<'_>, main: &str, subtype: &str) -> bool {
    let is_subtype = |of: &str| subtype.is_empty() || of.eq_ignore_ascii_case(subtype);
    kind.ctype().eq_ignore_ascii_case(main) && is_subtype(kind.subtype().unwrap_or_default())
}

/// A part is an attachment if it says so, or has a file name and does not say that it is inline.
fn note_file(kind: Option<&ContentType<'_>>, as_: Option<&ContentType<'_>>, facts: &mut Facts) {
    let name = as_
        .and_then(|d| d.attribute("filename"))
        .or_else(|| kind.and_then(|kind| kind.attribute("name")));
    if let Some(name) = name {
        push_line(&mut facts.file_names, name);
    }
    facts.has_attachment |= match as_ {
        Some(disposition) if disposition.is_attachment() => true,
        Some(disposition) => name.is_some() && !disposition.is_inline(),
        None => name.is_some(),
    };
}

/// Octets of the header that `text` begins with, its empty line included; all if there is none.
pub(super) fn header_bytes(text: &[u8]) -> usize {
    if text.starts_with(b"\r\n") || text.starts_with(b"\n") {
        return 1 + usize::from(text[0] == b'\r');
    }
    let with_cr = memmem::find(text, b"\n\r\n").map_or(text.len(), |n| n + 3);
    memmem::find(&text[..with_cr], b"\n\n").map_or(with_cr, |n| n + 2)
}

/// The value of a field as it stands in the message.
pub(super) fn header_value<'a>(message: &'a [u8], field: &Header<'_>) -> &'a [u8] {
    message.get(field.offset_start as usize..field.offset_end as usize).unwrap_or_default()
}
