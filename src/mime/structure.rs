//! The MIME structure of a message, from its delimiter lines (RFC 2046 5.1.1): which parts are
//! attachments, without decoding any.
use std::ops::Range;

use mail_parser::ContentType;
use memchr::memmem;

use super::facts::{Facts, push_line};
use super::fields::{Field, HeaderEnd, ended, fields};

/// Parts that are looked at; mail made to break parsers may have more.
const PARTS_MAX: usize = 10_000;
/// Likewise, multiparts inside each other.
const DEPTH_MAX: usize = 64;
/// Octets of a part's header that are looked at.
const PART_HEADER_BYTES_MAX: usize = 64 << 10;

/// What the header of a part says of it; the last field of a name counts.
#[derive(Default)]
pub(super) struct Part<'a> {
    /// Content-Type, and where the field lies.
    kind: Option<(ContentType<'a>, Range<usize>)>,
    /// Content-Disposition.
    disposition: Option<ContentType<'a>>,
}

impl<'a> Part<'a> {
    pub fn take(&mut self, field: &Field<'a>) {
        if field.is("Content-Type") {
            self.kind = field.kind().map(|kind| (kind, field.range.clone()));
        } else if field.is("Content-Disposition") {
            self.disposition = field.kind();
        }
    }
}

/// Walks over parts.
pub(super) struct Structure {
    header_end: HeaderEnd,
    new_line_dashes: memmem::Finder<'static>,
    /// Boundaries of the multiparts we are in, the innermost last.
    boundaries: Vec<String>,
}

impl Structure {
    pub fn new() -> Structure {
        Structure {
            header_end: HeaderEnd::new(),
            new_line_dashes: memmem::Finder::new(b"\n--"),
            boundaries: Vec::new(),
        }
    }

    /// Notes attachments and file names of all parts in `facts`; appends what a hash of the content
    /// must leave out to `cuts`.
    pub fn walk(
        &mut self,
        message: &[u8],
        body_at: usize,
        root: &Part<'_>,
        cuts: &mut Vec<Range<usize>>,
        facts: &mut Facts,
    ) {
        self.boundaries.clear();
        self.enter(message, 0, root, cuts, facts);
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
        for _ in 0..DEPTH_MAX {
            let limit = message.len().min(start + PART_HEADER_BYTES_MAX);
            // Without an empty line the header would run on into the next part.
            let from = start.saturating_sub(1);
            let next = self.new_line_dashes.find(&message[from..limit]);
            let end = next.map_or(limit, |n| from + n + 1).max(start);
            let content_at = start + self.header_end.find(&message[start..end]);
            let header = ended(&message[start..content_at]);
            let mut part = Part::default();
            fields(&header).for_each(|field| part.take(&field));
            match self.enter(message, start, &part, cuts, facts) {
                Content::Message if content_at > start => start = content_at,
                Content::Signature => return Some(content_at),
                _ => return None,
            }
        }
        None
    }

    /// Notes what the header of a part (or of the message) says; `at`: where it begins.
    fn enter(
        &mut self,
        message: &[u8],
        at: usize,
        part: &Part<'_>,
        cuts: &mut Vec<Range<usize>>,
        facts: &mut Facts,
    ) -> Content {
        note_file(part, facts);
        let Some((kind, field)) = &part.kind else { return Content::Other };
        if let (Some(boundary), true) = (kind.attribute("boundary"), is(kind, "multipart", "")) {
            let range = at + field.start..message.len().min(at + field.end);
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
fn note_file(part: &Part<'_>, facts: &mut Facts) {
    let disposition = part.disposition.as_ref();
    let name = disposition
        .and_then(|d| d.attribute("filename"))
        .or_else(|| part.kind.as_ref().and_then(|(kind, _)| kind.attribute("name")));
    if let Some(name) = name {
        push_line(&mut facts.file_names, name);
    }
    facts.has_attachment |= match disposition {
        Some(disposition) if disposition.is_attachment() => true,
        Some(disposition) => name.is_some() && !disposition.is_inline(),
        None => name.is_some(),
    };
}
