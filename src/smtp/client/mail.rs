//! A message to send: its envelope, and its content in at most two pieces.
//!
//! Made to be reused: clearing it keeps its buffers, so that sending another message allocates
//! nothing.
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::smtp::data::unstuff;

/// The form of the content in [`OutgoingMail::head`] and [`OutgoingMail::body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentForm {
    /// No line begins with a dot, and the last one ends with CRLF: DATA and BDAT send the same
    /// octets.
    #[default]
    Clean,
    /// The form for DATA, without the end of data. It ends with CRLF.
    Stuffed {
        /// Number of stuffed dots.
        dots: u32,
    },
    /// The form for BDAT: arbitrary octets.
    Raw,
}

/// A forward-path and its parameters.
#[derive(Debug, Clone)]
struct MailRecipient {
    path: Range<usize>,
    parameters: Range<usize>,
}

/// A message to send.
#[derive(Debug, Clone, Default)]
pub struct OutgoingMail {
    /// Paths and parameters, concatenated.
    text: Vec<u8>,
    reverse_path: Range<usize>,
    parameters: Range<usize>,
    recipients: Vec<MailRecipient>,
    /// The first part of the content, owned by this message.
    pub head: Vec<u8>,
    /// The rest of the content, possibly shared with other messages.
    pub body: Bytes,
    /// The form of head and body together.
    pub form: ContentForm,
    /// The message was received by BDAT. It is sent by BDAT whenever the server announces CHUNKING,
    /// whatever the options say: DATA can't carry BODY=BINARYMIME, or content that ends within a
    /// line.
    pub chunked: bool,
    /// This program generated the content: each CR and LF is part of a CRLF.
    pub made_here: bool,
}

impl OutgoingMail {
    /// Clears the message, but keeps its buffers.
    pub fn clear(&mut self) {
        self.text.clear();
        self.recipients.clear();
        (self.reverse_path, self.parameters) = (0..0, 0..0);
        self.head.clear();
        self.body = Bytes::new();
        self.form = ContentForm::Clean;
        (self.chunked, self.made_here) = (false, false);
    }

    fn append(&mut self, octets: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(octets);
        start..self.text.len()
    }

    /// Sets the reverse-path: a mailbox without angle brackets, empty for the null reverse-path;
    /// and the parameters of MAIL, with one space between them. The session adds SIZE.
    pub fn from(&mut self, path: &[u8], parameters: &[u8]) {
        self.reverse_path = self.append(path);
        self.parameters = self.append(parameters);
    }

    /// Adds a recipient: a mailbox without angle brackets, and the parameters of RCPT.
    pub fn to(&mut self, path: &[u8], parameters: &[u8]) {
        let recipient =
            MailRecipient { path: self.append(path), parameters: self.append(parameters) };
        self.recipients.push(recipient);
    }

    /// The reverse-path, as set by [`OutgoingMail::from`].
    pub fn reverse_path(&self) -> &[u8] {
        &self.text[self.reverse_path.clone()]
    }

    /// The parameters of MAIL.
    pub fn parameters(&self) -> &[u8] {
        &self.text[self.parameters.clone()]
    }

    /// Returns whether MAIL asks for BODY=BINARYMIME, which DATA can't carry (RFC 3030 section 3).
    pub fn is_binary(&self) -> bool {
        self.has_parameter(b"BODY=BINARYMIME")
    }

    /// Returns whether `wanted` is one of the parameters of MAIL.
    pub fn has_parameter(&self, wanted: &[u8]) -> bool {
        let mut parameters = self.parameters().split(|octet| *octet == b' ');
        parameters.any(|parameter| parameter.eq_ignore_ascii_case(wanted))
    }

    /// Returns whether all paths are ASCII.
    pub fn is_ascii(&self) -> bool {
        let is_ascii = |path: &Range<usize>| self.text[path.clone()].is_ascii();
        is_ascii(&self.reverse_path) && self.recipients.iter().all(|r| is_ascii(&r.path))
    }

    /// Returns the forward-paths with their parameters, in the order of the commands.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.recipients
            .iter()
            .map(|r| (&self.text[r.path.clone()], &self.text[r.parameters.clone()]))
    }

    /// Returns the forward-path at an index, and its parameters.
    pub fn recipient(&self, at: usize) -> (&[u8], &[u8]) {
        let MailRecipient { path, parameters } = &self.recipients[at];
        (&self.text[path.clone()], &self.text[parameters.clone()])
    }

    /// Returns the number of octets in head and body.
    pub fn wire_bytes(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }

    /// Returns the message size as RFC 1870 counts it, without stuffed dots.
    pub fn octets(&self) -> u64 {
        match self.form {
            ContentForm::Stuffed { dots } => self.wire_bytes().saturating_sub(u64::from(dots)),
            ContentForm::Clean | ContentForm::Raw => self.wire_bytes(),
        }
    }

    /// Converts the content to the form for DATA. Free unless the content is raw. Raw content is
    /// scanned, and copied if a line begins with a dot or the last line has no end (it then gets
    /// one).
    pub fn stuff(&mut self) {
        if self.form != ContentForm::Raw {
            return;
        }
        let (head, body) = (&self.head[..], &self.body[..]);
        let is_ended = match body {
            b"" => head.is_empty() || head.ends_with(b"\r\n"),
            b"\n" => head.ends_with(b"\r"),
            _ => body.ends_with(b"\r\n"),
        };
        let has_dots = [head, body].iter().any(|piece| has_dot(piece)) || dot_between(head, body);
        if is_ended && !has_dots {
            self.form = ContentForm::Clean;
            return;
        }
        let content = [head, body].concat();
        self.body = Bytes::new();
        let dots = stuff_into(&content, &mut self.head);
        if !is_ended {
            self.head.extend_from_slice(b"\r\n");
        }
        self.form = ContentForm::Stuffed { dots };
    }

    /// Converts the content to the form for BDAT. Free unless the content has stuffed dots; then it
    /// is copied.
    pub fn unstuff(&mut self) {
        let ContentForm::Stuffed { dots } = self.form else { return };
        if dots > 0 {
            let content = unstuff(&[&self.head[..], &self.body[..]].concat()).into_owned();
            (self.head, self.body) = (content, Bytes::new());
        }
        self.form = ContentForm::Raw;
    }
}

/// Returns whether any line of the piece begins with a dot, including the first.
fn has_dot(piece: &[u8]) -> bool {
    piece.starts_with(b".") || memmem::find(piece, b"\r\n.").is_some()
}

/// Returns whether the CRLF before a line-leading dot is split between `head` and `body`. (A dot at
/// the start of `body` is found by `has_dot`.)
fn dot_between(head: &[u8], body: &[u8]) -> bool {
    head.ends_with(b"\r") && body.starts_with(b"\n.")
}

/// Replaces the content of `out` by `content` in wire form; returns the number of stuffed dots.
fn stuff_into(content: &[u8], out: &mut Vec<u8>) -> u32 {
    out.clear();
    out.reserve(content.len() + 16);
    let (mut from, mut dots) = (0, 0);
    if content.starts_with(b".") {
        out.push(b'.');
        dots += 1;
    }
    for at in memmem::find_iter(content, b"\r\n.") {
        out.extend_from_slice(&content[from..at + 2]);
        out.push(b'.');
        (from, dots) = (at + 2, dots + 1);
    }
    out.extend_from_slice(&content[from..]);
    dots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(head: &[u8], body: &[u8]) -> OutgoingMail {
        let body = Bytes::copy_from_slice(body);
        OutgoingMail {
            head: head.to_vec(),
            body,
            form: ContentForm::Raw,
            ..OutgoingMail::default()
        }
    }

    fn wire(mail: &OutgoingMail) -> Vec<u8> {
        [&mail.head[..], &mail.body[..]].concat()
    }

    #[test]
    fn raw_content_is_converted_to_the_form_for_data() {
        let rows: [(&str, &str, ContentForm); 9] = [
            ("", "", ContentForm::Clean),
            ("a\r\n", "a\r\n", ContentForm::Clean),
            ("a\n.\n", "a\n.\n\r\n", ContentForm::Stuffed { dots: 0 }),
            ("a", "a\r\n", ContentForm::Stuffed { dots: 0 }),
            (".", "..\r\n", ContentForm::Stuffed { dots: 1 }),
            (".\r\n", "..\r\n", ContentForm::Stuffed { dots: 1 }),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n", ContentForm::Stuffed { dots: 1 }),
            ("a\r\n..b\r\n.c\r\n", "a\r\n...b\r\n..c\r\n", ContentForm::Stuffed { dots: 2 }),
            ("a\r.\r\n", "a\r.\r\n", ContentForm::Clean),
        ];
        for (content, expected, form) in rows {
            for cut in 0..=content.len() {
                let (head, body) = content.as_bytes().split_at(cut);
                let mut mail = raw(head, body);
                mail.stuff();
                assert_eq!(wire(&mail), expected.as_bytes(), "{content:?} cut at {cut}");
                // If only the body begins with a dot, `stuff` may copy needlessly.
                let same = mail.form == form || expected == content;
                assert!(same, "{content:?} cut at {cut}: {:?}", mail.form);
                let ended = content.is_empty() || content.ends_with("\r\n");
                let end = if ended { 0 } else { 2 };
                assert_eq!(mail.octets(), content.len() as u64 + end, "{content:?}");
                mail.unstuff();
                assert!(wire(&mail).starts_with(content.as_bytes()), "{content:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_mail_can_be_reused() {
        let mut mail = OutgoingMail::default();
        mail.from(b"a@example.org", b"BODY=8BITMIME");
        mail.to(b"b@example.com", b"");
        mail.to(b"c@example.com", b"NOTIFY=NEVER");
        assert_eq!(mail.reverse_path(), b"a@example.org");
        assert_eq!(mail.parameters(), b"BODY=8BITMIME");
        assert_eq!(mail.recipient(1), (&b"c@example.com"[..], &b"NOTIFY=NEVER"[..]));
        mail.clear();
        assert_eq!((mail.reverse_path(), mail.recipients().len()), (&b""[..], 0));
    }
}
