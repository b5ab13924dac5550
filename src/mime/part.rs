//! Splits a message into its parts, whatever its form.
//!
//! Does not use the library's parser: version 0.11.9 searches the entire rest of the message for
//! the end of every multipart that has none, which takes quadratic time. It also nests its result
//! as deep as the message, which overflows the stack when the result is dropped. This code makes
//! one pass over the octets. Headers are parsed when their parts begin; nothing is decoded.
use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

use super::charset::to_unicode;
use super::header::{fields, header_bytes_until, line_bytes};
use super::html;
use super::parameter::Parameterized;
use super::transfer::Encoding;

/// Finds the possible beginnings of delimiters. Static, because building a finder costs as much as
/// a search.
static NEW_LINE_DASHES: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\n--"));

/// Maximum number of containers around a part; deeper ones are not split.
pub const DEPTH_MAX: usize = 64;
/// Maximum number of parts in a message; the last one contains the rest of the message.
pub const PARTS_MAX: usize = 10_000;
/// Maximum length of a boundary that is recognized, in octets; RFC 2046 section 5.1.1 allows 70.
const BOUNDARY_BYTES_MAX: usize = 256;

/// Whether other parts are inside a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A part with content, or a multipart without parts.
    Leaf,
    /// The part consists of the following parts that are one level deeper.
    Multipart,
    /// The part contains one message (RFC 2046 section 5.2.1), which is the next part.
    Message,
}

/// A part of a message, or the message itself. Header and body are borrowed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'m> {
    /// Whether other parts are inside the part. A container that was not split, because of a limit,
    /// is a leaf.
    pub kind: PartKind,
    /// Number of containers around it; 0 for the message itself.
    pub depth: usize,
    /// Index of the innermost container around it.
    pub parent: Option<usize>,
    /// The type in lower case, such as `text/plain`, which is the default except in a digest.
    pub content_type: String,
    /// The charset parameter of Content-Type, as written; `None` without one. Can be unknown or
    /// wrong.
    pub charset: Option<String>,
    /// The type of Content-Disposition, in lower case.
    pub disposition: Option<String>,
    /// The file name from Content-Disposition, or else from Content-Type, decoded. Can be any text,
    /// including a path.
    pub file_name: Option<String>,
    /// The declared transfer encoding; [`Encoding::Identity`] without a declaration.
    pub encoding: Encoding,
    /// The header of the part, with the empty line that ends it, if any.
    pub header: &'m [u8],
    /// The octets after the header, not decoded.
    pub body: &'m [u8],
}

/// The parts of a message in order. The first is the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'m> {
    /// The parts, in the order in which they begin.
    pub parts: Vec<Part<'m>>,
    /// Whether the message was not split completely, because it has too many parts or is nested too
    /// deep.
    pub is_cut: bool,
}

impl Part<'_> {
    /// Returns whether the part is an attachment by its disposition, or has a file name.
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_deref() == Some("attachment") || self.file_name.is_some()
    }

    /// Returns whether mail programs display the part as text below the header: text content,
    /// reports for programs that people read too, and multiparts without parts, but no attachments.
    /// If a message has no such part, its text can be in a part with a file name.
    pub fn is_body_text(&self) -> bool {
        self.is_text() && !self.is_attachment()
    }

    /// Returns whether the part can be displayed as text, ignoring its file name and disposition.
    pub(super) fn is_text(&self) -> bool {
        let (main, sub) = self.content_type.split_once('/').unwrap_or((&self.content_type, ""));
        let is_text = match main {
            "text" => true,
            "message" => matches!(sub, "delivery-status" | "disposition-notification"),
            "multipart" => true,
            _ => false,
        };
        self.kind == PartKind::Leaf && is_text
    }

    /// Returns whether the part is provided as a file and not displayed: its disposition says so,
    /// or it has a file name and the disposition does not say otherwise.
    pub(super) fn is_handed_over(&self) -> bool {
        self.is_attachment() && self.disposition.as_deref() != Some("inline")
    }

    /// Returns whether this is a message that is encoded although it must not be (RFC 2046 section
    /// 5.2.1). Its parts are not in the list.
    pub fn is_encoded_message(&self) -> bool {
        self.kind == PartKind::Leaf
            && self.encoding != Encoding::Identity
            && matches!(&*self.content_type, "message/rfc822" | "message/global")
    }

    /// Returns whether the part contains alternative forms of the same content.
    pub(super) fn is_alternative(&self) -> bool {
        self.content_type == "multipart/alternative"
    }

    /// Returns whether the type is one that browsers render as HTML: `text/html`, AMP or XHTML.
    pub fn is_html(&self) -> bool {
        matches!(&*self.content_type, "text/html" | "text/x-amp-html" | "application/xhtml+xml")
    }

    /// Returns the content with the transfer encoding undone. Costs one pass.
    pub fn content(&self) -> Cow<'_, [u8]> {
        match self.kind {
            PartKind::Leaf => self.encoding.decoded(self.body),
            PartKind::Multipart | PartKind::Message => Cow::Borrowed(self.body),
        }
    }

    /// Returns the content as Unicode, with HTML markup, from at most `bytes_max` octets of the
    /// body. If the header declares no charset, HTML can (`<meta>`).
    pub fn unicode(&self, bytes_max: usize) -> String {
        let body = &self.body[..self.body.len().min(bytes_max)];
        let content = self.encoding.decoded(body);
        let own = || self.is_html().then(|| html::charset(&content)).flatten();
        let charset = self.charset.clone().or_else(own);
        to_unicode(&content, charset.as_deref()).into_owned()
    }

    /// Returns the content as text without markup, from at most `bytes_max` octets of the body.
    pub fn text(&self, bytes_max: usize) -> String {
        let unicode = self.unicode(bytes_max);
        if self.is_html() { html::text(&unicode) } else { unicode }
    }
}

/// Splits `message` (with dots unstuffed) into parts. Any octets have at least one part. Costs one
/// pass over the message, and some microseconds per part.
pub fn parts(message: &[u8]) -> Parts<'_> {
    let mut walk = Walk { message, parts: Vec::new(), open: Vec::new(), leaf: None, is_cut: false };
    let mut next = Some(0);
    while let Some(at) = next {
        let content = walk.begin(at);
        next = walk.next_part(at, content);
    }
    Parts { parts: walk.parts, is_cut: walk.is_cut }
}

/// A container whose end was not reached yet.
struct OpenContainer {
    part: usize,
    /// The boundary of a multipart; `None` for a message, which ends with its container.
    boundary: Option<Vec<u8>>,
}

/// A line that ends a part, and usually begins the next one (RFC 2046 section 5.1.1).
struct Delimiter {
    /// Index of its container among the open ones.
    level: usize,
    is_last: bool,
    /// Where the line begins, and where the next line begins.
    start: usize,
    end: usize,
}

struct Walk<'m> {
    message: &'m [u8],
    parts: Vec<Part<'m>>,
    /// The open containers, the outermost first.
    open: Vec<OpenContainer>,
    /// The part whose content is being read.
    leaf: Option<usize>,
    is_cut: bool,
}

impl<'m> Walk<'m> {
    /// Begins a part at `at`, together with the parts that begin at the same place within it.
    /// Returns where the content of the innermost begins.
    fn begin(&mut self, mut at: usize) -> usize {
        loop {
            let content = self.header_end(at);
            let is_in_digest = self.open.last().is_some_and(|open| {
                open.boundary.is_some() && self.parts[open.part].content_type == "multipart/digest"
            });
            let header = &self.message[at..content];
            let default_type = if is_in_digest { "message/rfc822" } else { "text/plain" };
            let (mut part, boundary) = described(header, default_type);
            part.body = &self.message[content..];
            part.depth = self.open.len();
            part.parent = self.open.last().map(|open| open.part);
            let is_container = part.kind != PartKind::Leaf;
            if is_container && (part.depth == DEPTH_MAX || self.parts.len() + 1 == PARTS_MAX) {
                part.kind = PartKind::Leaf;
                self.is_cut = true;
            }
            let (kind, number) = (part.kind, self.parts.len());
            self.parts.push(part);
            match kind {
                PartKind::Leaf => self.leaf = Some(number),
                PartKind::Multipart | PartKind::Message => {
                    self.open.push(OpenContainer { part: number, boundary })
                }
            }
            if kind != PartKind::Message {
                return content;
            }
            at = content;
        }
    }

    /// Returns where the header of the part that begins at `at` ends.
    fn header_end(&self, at: usize) -> usize {
        let is_end = |line: usize| self.delimiter_at(at + line).is_some();
        at + header_bytes_until(&self.message[at..], is_end)
    }

    /// Ends the part that begins at `at`, and whose content begins at `content`, with all
    /// containers that end there. Returns where the next part begins; `None` if it was the last
    /// one.
    fn next_part(&mut self, at: usize, content: usize) -> Option<usize> {
        let (mut from, mut least) = (content, at);
        while let Some(delimiter) = self.delimiter(from) {
            if !delimiter.is_last && self.parts.len() == PARTS_MAX {
                self.is_cut = true;
                break;
            }
            // The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1),
            // even if it is the end of the header, unless it belongs to another delimiter.
            let end = before_line_end(self.message, delimiter.start).max(least);
            self.end_leaf(end);
            self.close(delimiter.level + 1, end);
            from = delimiter.end;
            if !delimiter.is_last {
                return Some(from);
            }
            least = before_line_end(self.message, from);
            self.close(delimiter.level, least);
        }
        self.end_leaf(self.message.len());
        self.close(0, self.message.len());
        None
    }

    /// Returns the first line that ends a part, starting at `from`, the beginning of a line.
    fn delimiter(&self, mut from: usize) -> Option<Delimiter> {
        if !self.open.iter().any(|open| open.boundary.is_some()) {
            return None;
        }
        loop {
            if let Some(delimiter) = self.delimiter_at(from) {
                return Some(delimiter);
            }
            from += NEW_LINE_DASHES.find(&self.message[from..])? + 1;
        }
    }

    /// Returns the line at `start`, if it ends a part. The boundary of an inner container takes
    /// precedence.
    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        if !self.message[start..].starts_with(b"--") {
            return None;
        }
        let mut line = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            let rest = &self.message[start + 2..];
            let Some(after) = open.boundary.as_ref().and_then(|b| rest.strip_prefix(&b[..])) else {
                continue;
            };
            let end = *line.get_or_insert_with(|| start + line_bytes(rest).map_or(0, |n| n + 2));
            // Only white space can follow it (RFC 2046 section 5.1.1).
            let is_alone = |from: usize| {
                self.message.get(from..end).is_some_and(|text| text.trim_ascii().is_empty())
            };
            let after_at = self.message.len() - after.len();
            let is_last = after.starts_with(b"--");
            if is_alone(after_at + if is_last { 2 } else { 0 }) {
                return Some(Delimiter { level, is_last, start, end });
            }
        }
        None
    }

    fn end_leaf(&mut self, end: usize) {
        if let Some(part) = self.leaf.take() {
            self.end_part(part, end);
        }
    }

    /// Closes the containers from index `level` on. One without parts becomes a leaf.
    fn close(&mut self, level: usize, end: usize) {
        for open in self.open.split_off(level) {
            self.end_part(open.part, end);
            if open.part + 1 == self.parts.len() {
                self.parts[open.part].kind = PartKind::Leaf;
            }
        }
    }

    fn end_part(&mut self, part: usize, end: usize) {
        let part = &mut self.parts[part];
        let start = self.message.len() - part.body.len();
        part.body = &self.message[start.min(end)..end];
        // If the delimiter follows the header, the line end before it does not belong to the
        // header.
        let left_out = start.saturating_sub(end).min(part.header.len());
        part.header = &part.header[..part.header.len() - left_out];
    }
}

/// Returns where the line before the one at `line` ends, without its CRLF.
fn before_line_end(message: &[u8], line: usize) -> usize {
    let before = &message[..line];
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

/// Returns a part as described by its header, and the boundary if it is a multipart with one. A
/// part without Content-Type has the type `default_type`.
fn described<'m>(header: &'m [u8], default_type: &str) -> (Part<'m>, Option<Vec<u8>>) {
    let (mut content_type, mut disposition, mut encoding) = (None, None, None);
    // If a field is repeated, the first one counts.
    for field in fields(header).filter(|field| matches!(field.name_octets, [b'C' | b'c', ..])) {
        if field.is_named("Content-Type") {
            content_type.get_or_insert(field);
        } else if field.is_named("Content-Disposition") {
            disposition.get_or_insert(field);
        } else if field.is_named("Content-Transfer-Encoding") {
            encoding.get_or_insert(field);
        }
    }
    let content_type = content_type.map(|field| Parameterized::parse(&field));
    let disposition = disposition.map(|field| Parameterized::parse(&field));
    let encoding = encoding
        .map_or(Encoding::Identity, |field| Encoding::of(&Parameterized::parse(&field).value));
    let name = content_type.as_ref().map_or(default_type, |c| type_name(&c.value)).to_owned();
    let text = |of: &Option<Parameterized>, name: &str| of.as_ref()?.text(name);
    let boundary = content_type.as_ref().and_then(|c| c.octets("boundary"));
    let boundary = boundary.map(|b| b.trim_ascii_end().to_vec());
    let boundary = boundary.filter(|b| (1..=BOUNDARY_BYTES_MAX).contains(&b.len()));
    let is_message = matches!(&*name, "message/rfc822" | "message/global");
    let kind = if name.starts_with("multipart/") && boundary.is_some() {
        PartKind::Multipart
    } else if is_message && encoding == Encoding::Identity {
        PartKind::Message
    } else {
        PartKind::Leaf
    };
    let part = Part {
        kind,
        depth: 0,
        parent: None,
        content_type: name,
        charset: text(&content_type, "charset"),
        file_name: text(&disposition, "filename").or_else(|| text(&content_type, "name")),
        disposition: disposition.map(|d| d.value),
        encoding,
        header,
        body: b"",
    };
    (part, boundary.filter(|_| kind == PartKind::Multipart))
}

/// Returns the content type that a value names: the default if it does not have two names (RFC 2045
/// section 5.2).
fn type_name(value: &str) -> &str {
    match value.split_once('/') {
        Some((main, sub)) if !main.is_empty() && !sub.is_empty() => value,
        _ => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one line per part: depth, type, file name, content.
    fn shown(message: &[u8]) -> Vec<String> {
        let show = |part: &Part<'_>| {
            let content = match part.kind {
                PartKind::Leaf => String::from_utf8_lossy(&part.content()).into_owned(),
                PartKind::Multipart => "{}".into(),
                PartKind::Message => "[]".into(),
            };
            let name = part.file_name.as_deref().unwrap_or("-");
            format!("{} {} {name} {content:?}", part.depth, part.content_type)
        };
        parts(message).parts.iter().map(show).collect()
    }

    #[track_caller]
    fn check(message: &str, expected: &[&str]) {
        assert_eq!(shown(message.as_bytes()), expected, "{message:?}");
        let unix = message.replace("\r\n", "\n");
        let expected: Vec<String> = expected.iter().map(|e| e.replace("\\r\\n", "\\n")).collect();
        assert_eq!(shown(unix.as_bytes()), expected, "{unix:?}");
    }

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

    #[test]
    fn parts_end_at_their_boundary() {
        check("", &["0 text/plain - \"\""]);
        check("\r\n", &["0 text/plain - \"\""]);
        check("A: b\r\n\r\nx\r\n", &["0 text/plain - \"x\\r\\n\""]);
        let mixed = format!(
            "{MIXED}preamble\r\n--b\r\n\r\none\r\n\r\n--b  \r\nContent-Type: text/x; name=n\r\n\
             \r\n--bb\r\n--b\r\nContent-Type: a/b\r\n--b--\r\nepilogue\r\n--b\r\n"
        );
        check(
            &mixed,
            &[
                "0 multipart/mixed - \"{}\"",
                "1 text/plain - \"one\\r\\n\"",
                "1 text/x n \"--bb\"",
                "1 a/b - \"\"",
            ],
        );
    }

    #[test]
    fn an_outer_boundary_ends_what_is_open_inside() {
        let unclosed = format!(
            "{MIXED}--b\r\nContent-Type: multipart/alternative; boundary=\"b c\"\r\n\r\n\
             --b c\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
             {MIXED}--b\r\n\r\ninner\r\n--b--\r\n--b\r\n\r\nlast"
        );
        check(
            &unclosed,
            &[
                "0 multipart/mixed - \"{}\"",
                "1 multipart/alternative - \"{}\"",
                "2 text/plain - \"one\"",
                "1 message/rfc822 - \"[]\"",
                "2 multipart/mixed - \"{}\"",
                "3 text/plain - \"inner\"",
                "1 text/plain - \"last\"",
            ],
        );
    }

    #[test]
    fn a_delimiter_stands_alone_on_its_line() {
        let mixed = format!(
            "{MIXED}--b\r\n\r\none\r\n--b two\r\n--b-- three\r\n--b--b\r\n\
             --b-\r\n--b \t\r\n\r\nfour\r\n\
             --b-- \t\r\n--b\r\n"
        );
        check(
            &mixed,
            &[
                "0 multipart/mixed - \"{}\"",
                "1 text/plain - \"one\\r\\n--b two\\r\\n--b-- three\\r\\n--b--b\\r\\n--b-\"",
                "1 text/plain - \"four\"",
            ],
        );
    }

    #[test]
    fn the_line_end_before_a_delimiter_belongs_to_it() {
        let inner = "From: a@b.example\r\nSubject: s\r\n";
        for (attached, body) in [
            (format!("{inner}\r\n"), inner),
            (format!("{inner}\r\n\r\n"), &*format!("{inner}\r\n")),
            (inner.to_owned(), inner.trim_ascii_end()),
            (String::new(), ""),
        ] {
            let head = "Content-Type: message/rfc822\r\n\r\n";
            let message = format!("{MIXED}--b\r\n{head}{attached}--b--\r\n");
            let taken = parts(message.as_bytes());
            assert_eq!(String::from_utf8_lossy(taken.parts[1].body), body, "{message}");
            assert_eq!(taken.parts[2].body, b"", "{message}");
            super::super::testkit::check_mail(message.as_bytes());
        }
    }

    #[test]
    fn parts_are_within_their_containers() {
        for inner in ["--c\r\nA: b\r\n\r\n", "--c\r\n\r\nx\r\n--c--\r\n", "--c\r\n\r\nx\r\n--c--"] {
            let message = format!(
                "{MIXED}--b\r\nContent-Type: message/rfc822\r\n\r\n\
                 Content-Type: multipart/x; boundary=c\r\n\r\n{inner}--b--\r\n"
            );
            super::super::testkit::check_mail(message.as_bytes());
            super::super::testkit::check_mail(message.replace("\r\n", "\n").as_bytes());
        }
    }

    #[test]
    fn a_multipart_without_parts_is_content() {
        check("Content-Type: multipart/mixed\r\n\r\nx", &["0 multipart/mixed - \"x\""]);
        check(&format!("{MIXED}--c\r\nx"), &["0 multipart/mixed - \"--c\\r\\nx\""]);
        check(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nS: x\r\n\r\ny\r\n--b--",
            &["0 multipart/digest - \"{}\"", "1 message/rfc822 - \"[]\"", "2 text/plain - \"y\""],
        );
    }

    #[test]
    fn names_are_decoded() {
        for (header, expected) in [
            ("Content-Disposition: attachment; filename=a.pdf", "a.pdf"),
            ("Content-Disposition: attachment; filename=\"a b;c.pdf\"", "a b;c.pdf"),
            ("Content-Type: a/b; name=\"=?utf-8?q?=C3=BC?=.pdf\"", "ü.pdf"),
            ("Content-Disposition: inline; filename*=utf-8''%C3%BC.pdf", "ü.pdf"),
            (
                "Content-Disposition: attachment; filename*0*=utf-8''%C3%BC;\r\n filename*1=b.pdf",
                "üb.pdf",
            ),
            ("Content-Type: a/b; name=x\r\nContent-Disposition: inline; filename=y", "y"),
            ("CONTENT-DISPOSITION: Attachment; FILENAME=../../etc/passwd", "../../etc/passwd"),
            ("Content-Disposition: attachment; filename=\"C:\\\\x\"", "C:\\x"),
        ] {
            let message = format!("{header}\r\n\r\n");
            let name = parts(message.as_bytes()).parts[0].file_name.clone();
            assert_eq!(name.as_deref(), Some(expected), "{header}");
        }
    }

    #[test]
    fn nesting_and_number_of_parts_are_bounded() {
        let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
        let taken = parts(deep.as_bytes());
        assert_eq!((taken.parts.len(), taken.is_cut), (DEPTH_MAX + 1, true));
        let multiparts: String = (0..10_000)
            .map(|n| format!("--{n}\r\nContent-Type: multipart/x; boundary={}\r\n\r\n", n + 1))
            .collect();
        let deep = format!("Content-Type: multipart/x; boundary=0\r\n\r\n{multiparts}");
        let taken = parts(deep.as_bytes());
        assert_eq!((taken.parts.len(), taken.is_cut), (DEPTH_MAX + 1, true));
        for (many, is_cut) in [(PARTS_MAX - 1, false), (PARTS_MAX, true), (100_000, true)] {
            let message = format!("{MIXED}{}", "--b\r\n\r\nx\r\n".repeat(many));
            let taken = parts(message.as_bytes());
            assert_eq!((taken.parts.len(), taken.is_cut), (PARTS_MAX.min(many + 1), is_cut));
        }
    }
}
