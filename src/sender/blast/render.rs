//! Renders messages from a template.
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::bank::Common;
use super::checksum::{Front, crc32c, hex};
use super::head::{DIGITS, MessageHead, NUMBER, marks, message_id, sent};
use super::random::Random;
use super::shared::reference;
use super::template::{
    Dots, Placeholder, Template, TemplateField, TemplatePiece, TemplatePieces, TemplateSection,
    dots,
};
use crate::smtp::client::{ContentForm, OutgoingMail};

/// Maximum number of octets of text in an encoded word, which keeps the word within 75 characters
/// (RFC 2047 section 2).
const WORD_BYTES: usize = 45;

/// A template with the parts that remain to be filled in.
pub struct Rendering {
    head: MessageHead,
    fields: TemplatePieces,
    /// The body up to its last value.
    body: TemplatePieces,
    /// The rest of the body including attachments; dot-stuffed for DATA if `form` says so.
    tail: Arc<Vec<u8>>,
    /// The length of the tail without stuffed dots.
    tail_bytes: usize,
    tail_checksum: u32,
    form: ContentForm,
    from: String,
    date: String,
}

/// The values to fill in.
pub struct Values<'a> {
    /// The digits of the message number.
    pub digits: &'a [u8; DIGITS],
    /// The first recipient.
    pub recipient: &'a [u8],
    /// Returns a column of the first recipient's row.
    pub cell: &'a dyn Fn(usize) -> &'a str,
    /// The random numbers for generated placeholders.
    pub random: Random,
}

impl Rendering {
    /// Adds missing fields and the attachments.
    pub fn new(common: &Common<'_>, template: &Template) -> Rendering {
        let Common { run_id, from, date, .. } = common;
        let mut head = sent() + &marks(run_id);
        for (name, field) in [
            ("message-id", message_id(run_id, from)),
            ("date", format!("Date: {date}\r\n")),
            ("from", format!("From: {from}\r\n")),
            ("subject", format!("Subject: Message {NUMBER}\r\n")),
        ] {
            if !template.has(name) {
                head.push_str(&field);
            }
        }
        let mut fields = TemplatePieces::default();
        if !template.has("to") {
            fields.push_text(b"To: ");
            fields
                .pieces
                .push(TemplatePiece::Value(Placeholder::Recipient, TemplateSection::Header));
            fields.push_text(b"\r\n");
        }
        let mut body = TemplatePieces::default();
        match common.attachments {
            [] => template.fields.iter().for_each(|field| fields.push(&field.pieces)),
            attachments => wrap(template, attachments, &mut fields, &mut body),
        }
        if common.attachments.is_empty() {
            body.push(&template.body);
        }
        fields.push_text(b"\r\n");
        Rendering::of(MessageHead::new(&head), fields, body, common)
    }

    fn of(
        head: MessageHead,
        fields: TemplatePieces,
        mut body: TemplatePieces,
        common: &Common<'_>,
    ) -> Rendering {
        let all_dots = dots(&body);
        let tail = body.split_tail();
        let (tail_bytes, tail_checksum) = (tail.len(), crc32c(&tail));
        // If the positions of all dots are known, they are stuffed here once; otherwise the session
        // does it when it sends the message with DATA.
        let (form, tail) = match (all_dots, dots(&body)) {
            (Dots::Literal(0), _) => (ContentForm::Clean, tail),
            (Dots::Literal(dots), Dots::Literal(0)) => {
                (ContentForm::Stuffed { dots }, stuffed(&tail, Begins::of(&body.pieces)))
            }
            _ => (ContentForm::Raw, tail),
        };
        Rendering {
            head,
            fields,
            body,
            tail: Arc::new(tail),
            tail_bytes,
            tail_checksum,
            form,
            from: common.from.to_owned(),
            date: common.date.to_owned(),
        }
    }

    /// Returns a reference to the tail for one thread.
    pub fn tail(&self) -> Bytes {
        reference(&self.tail)
    }

    /// Fills head, body and form. Allocates only for non-ASCII octets in the header.
    pub fn fill(&self, tail: &Bytes, mut values: Values<'_>, mail: &mut OutgoingMail) {
        self.head.append(values.digits, &mut mail.head);
        self.append(&self.fields, &mut values, &mut mail.head);
        let start = mail.head.len();
        self.append(&self.body, &mut values, &mut mail.head);
        let checksum = if self.body.pieces.is_empty() {
            self.tail_checksum
        } else {
            Front::of(&mail.head[start..]).before(self.tail_checksum, self.tail_bytes)
        };
        self.head.write_checksum(hex(checksum), &mut mail.head);
        mail.body = tail.clone();
        mail.form = self.form;
    }

    fn append(&self, pieces: &TemplatePieces, values: &mut Values<'_>, out: &mut Vec<u8>) {
        for piece in &pieces.pieces {
            match piece {
                TemplatePiece::Literal(range) => out.extend_from_slice(&pieces.text[range.clone()]),
                TemplatePiece::Value(value, section) => {
                    self.append_value(*value, *section, values, out)
                }
            }
        }
    }

    fn append_value(
        &self,
        value: Placeholder,
        section: TemplateSection,
        values: &mut Values<'_>,
        out: &mut Vec<u8>,
    ) {
        let at = || values.recipient.iter().rposition(|&octet| octet == b'@').unwrap_or(0);
        match value {
            Placeholder::Sequence => {
                let zeros = values.digits.iter().take_while(|&&digit| digit == b'0').count();
                out.extend_from_slice(&values.digits[zeros.min(DIGITS - 1)..]);
            }
            Placeholder::Recipient => out.extend_from_slice(values.recipient),
            Placeholder::Local => out.extend_from_slice(&values.recipient[..at()]),
            Placeholder::Domain => out.extend_from_slice(&values.recipient[at() + 1..]),
            Placeholder::From => out.extend_from_slice(self.from.as_bytes()),
            Placeholder::Date => out.extend_from_slice(self.date.as_bytes()),
            Placeholder::Random(count) => {
                append_random(usize::from(count), &mut values.random, out)
            }
            Placeholder::Uuid => append_uuid(&mut values.random, out),
            Placeholder::Column(column) => match (section, (values.cell)(column)) {
                (TemplateSection::Header, text) if !text.is_ascii() => append_encoded(text, out),
                (_, text) => out.extend_from_slice(text.as_bytes()),
            },
        }
    }
}

/// Wraps the template's message as the first part of a multipart message.
fn wrap(
    template: &Template,
    attachments: &[&[u8]],
    fields: &mut TemplatePieces,
    body: &mut TemplatePieces,
) {
    let boundary = boundary(template);
    let describes_part = |field: &&TemplateField| field.name.starts_with("content-");
    let own = template.fields.iter().filter(|field| !describes_part(field));
    own.for_each(|field| fields.push(&field.pieces));
    if !template.has("mime-version") {
        fields.push_text(b"MIME-Version: 1.0\r\n");
    }
    let outer = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n");
    fields.push_text(outer.as_bytes());
    let delimiter = format!("--{boundary}\r\n");
    body.push_text(delimiter.as_bytes());
    template.fields.iter().filter(describes_part).for_each(|field| body.push(&field.pieces));
    body.push_text(b"\r\n");
    body.push(&template.body);
    for part in attachments {
        body.push_text(delimiter.as_bytes());
        body.push_text(part);
    }
    body.push_text(format!("--{boundary}--\r\n").as_bytes());
}

/// Returns a boundary that does not occur in the template.
fn boundary(template: &Template) -> String {
    let texts = || {
        let fields = template.fields.iter().map(|field| &field.pieces.text[..]);
        fields.chain([&template.body.text[..]])
    };
    let is_free = |boundary: &String| {
        texts().all(|text| memchr::memmem::find(text, boundary.as_bytes()).is_none())
    };
    let boundaries = (0u64..).map(|n| format!("=_blast_mixed_{n}_"));
    boundaries.into_iter().find(is_free).expect("a template is finite")
}

/// Where the text after the last placeholder begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Line,
    WithinLine,
}

impl Begins {
    fn of<T>(before: &[T]) -> Begins {
        if before.is_empty() { Begins::Line } else { Begins::WithinLine }
    }
}

fn stuffed(tail: &[u8], begins: Begins) -> Vec<u8> {
    let mut out = Vec::with_capacity(tail.len() + 16);
    if begins == Begins::Line && tail.starts_with(b".") {
        out.push(b'.');
    }
    let mut from = 0;
    for at in memchr::memmem::find_iter(tail, b"\r\n.") {
        out.extend_from_slice(&tail[from..at + 2]);
        out.push(b'.');
        from = at + 2;
    }
    out.extend_from_slice(&tail[from..]);
    out
}

/// Appends random characters of five bits each.
fn append_random(count: usize, random: &mut Random, out: &mut Vec<u8>) {
    let end = out.len() + count;
    while out.len() < end {
        let mut bits = random.bits();
        for _ in 0..(end - out.len()).min(12) {
            out.push(b"abcdefghijklmnopqrstuvwxyz234567"[bits as usize & 31]);
            bits >>= 5;
        }
    }
}

/// Appends a version 4 UUID (RFC 9562).
fn append_uuid(random: &mut Random, out: &mut Vec<u8>) {
    let bits = u128::from(random.bits()) << 64 | u128::from(random.bits());
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    for (n, shift) in (0..32).rev().enumerate() {
        if [8, 12, 16, 20].contains(&n) {
            out.push(b'-');
        }
        out.push(b"0123456789abcdef"[(bits >> (4 * shift)) as usize & 15]);
    }
}

/// Appends encoded words (RFC 2047), one per line.
fn append_encoded(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let fits = |&end: &usize| rest.is_char_boundary(end);
        let end = (1..=rest.len().min(WORD_BYTES)).rev().find(fits).unwrap_or(rest.len());
        if rest.len() < text.len() {
            out.extend_from_slice(b"\r\n ");
        }
        out.extend_from_slice(b"=?UTF-8?B?");
        out.extend_from_slice(STANDARD.encode(&rest[..end]).as_bytes());
        out.extend_from_slice(b"?=");
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Extractor, MailFacts};
    use crate::sender::blast::random::Purpose;
    use crate::sender::blast::template::Names;

    fn common<'a>(attachments: &'a [&'a [u8]]) -> Common<'a> {
        Common {
            seed: 1,
            run_id: "r",
            from: "news@s.example",
            date: "Sat, 21 Nov 2026 10:00:00 +0000",
            address_bytes_max: 100,
            attachments,
        }
    }

    fn render(template: &str, attachments: &[&[u8]], cell: &str) -> OutgoingMail {
        let columns = ["email".to_owned(), "name".to_owned()];
        let names = Names { file: "t", columns: &columns };
        let template = Template::parse(&names, template.as_bytes()).unwrap();
        let rendering = Rendering::new(&common(attachments), &template);
        let mut mail = OutgoingMail::default();
        let random = Random::new(1, 42, Purpose::Placeholder);
        let (digits, recipient) = (b"000000000042", b"ann@example.org");
        let values = Values { digits, recipient, cell: &|_| cell, random };
        rendering.fill(&rendering.tail(), values, &mut mail);
        mail
    }

    fn message(mail: &mut OutgoingMail) -> String {
        mail.unstuff();
        String::from_utf8([&mail.head[..], &mail.body[..]].concat()).unwrap()
    }

    #[track_caller]
    fn check(template: &str, cell: &str, expected_body: &str, form: ContentForm) {
        let mut mail = render(template, &[], cell);
        assert_eq!(mail.form, form, "{template:?}");
        let message = message(&mut mail);
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, expected_body, "{template:?}");
        let checksum = format!("X-Content-CRC32C: {:08x}\r\n", crc32c(body.as_bytes()));
        assert!(header.contains(&checksum), "{template:?}: {header}");
        let first = "X-Sent: 0000000000000\r\nX-Sequence: 000000000042\r\n";
        assert!(header.starts_with(first), "{header}");
    }

    #[test]
    fn bodies_and_their_checksums() {
        let stuffed = |dots| ContentForm::Stuffed { dots };
        for (body, cell, expected, form) in [
            ("", "", "", ContentForm::Clean),
            ("a\nb", "", "a\r\nb\r\n", ContentForm::Clean),
            (".a\n.\n", "", ".a\r\n.\r\n", stuffed(2)),
            ("{{seq}}. {{rcpt.local}}", "", "42. ann\r\n", ContentForm::Clean),
            ("{{rcpt}}.\n.\n", "", "ann@example.org.\r\n.\r\n", stuffed(1)),
            (".\n{{rcpt.domain}}\n.\n", "", ".\r\nexample.org\r\n.\r\n", ContentForm::Raw),
            ("{{col:name}}.\n", "", ".\r\n", ContentForm::Raw),
            (
                "Hi {{col:name}}, {{from}}",
                ".J\u{f6}",
                "Hi .J\u{f6}, news@s.example\r\n",
                ContentForm::Clean,
            ),
        ] {
            check(&format!("A: b\n\n{body}"), cell, expected, form);
        }
    }

    #[test]
    fn fields_that_are_missing_are_added() {
        let header = |template| {
            let message = message(&mut render(template, &[], "J\u{f6}rg"));
            message.split_once("\r\n\r\n").unwrap().0.to_owned()
        };
        let added = header("A: b\n\n");
        for field in [
            "Message-ID: <000000000042.r@s.example>\r\n",
            "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n",
            "From: news@s.example\r\n",
            "Subject: Message 000000000042\r\n",
            "To: ann@example.org\r\n",
            "A: b",
        ] {
            assert!(added.contains(field), "{added}");
        }
        let own =
            header("TO: x\nsubject: {{col:name}}\nFrom: y\nDate: {{date}}\nmessage-id: z\n\n");
        let expected = "X-Run: r\r\nTO: x\r\nsubject: =?UTF-8?B?SsO2cmc=?=\r\nFrom: y\r\n\
            Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nmessage-id: z";
        assert!(own.ends_with(expected), "{own}");
    }

    #[test]
    fn attachments_make_it_a_part() {
        let part: &[u8] = b"Content-Type: application/pdf\r\n\
            Content-Disposition: attachment; filename=\"a.pdf\"\r\n\r\nQUJD\r\n";
        let template = "Content-Type: text/html\nSubject: x\n\n<p>{{seq}}=_blast_mixed_0_</p>\n";
        let message = message(&mut render(template, &[part, part], ""));
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        assert!(header.contains("multipart/mixed; boundary=\"=_blast_mixed_1_\""), "{header}");
        assert!(!header.contains("text/html"));
        let html = "--=_blast_mixed_1_\r\nContent-Type: text/html\r\n\r\n<p>42=_blast_mixed_0_</p>";
        assert!(body.starts_with(html), "{body}");
        let mut facts = MailFacts::default();
        Extractor::new(Some("X-Sequence")).extract(message.as_bytes(), &mut facts);
        assert_eq!((facts.sequence, facts.has_attachment), (Some(42), true));
        assert_eq!(facts.file_names, "a.pdf\na.pdf");
    }

    #[test]
    fn long_text_becomes_several_words() {
        let text = "\u{f6}\u{20ac}".repeat(40);
        let mut out = Vec::new();
        append_encoded(&text, &mut out);
        let words = String::from_utf8(out).unwrap();
        assert!(words.split("\r\n ").all(|word| word.len() <= 75), "{words}");
        let mail = format!("Subject: {words}\r\n\r\n");
        let mut facts = MailFacts::default();
        Extractor::new(None).extract(mail.as_bytes(), &mut facts);
        assert_eq!(facts.subject, text);
    }

    #[test]
    fn generated_values_have_their_form() {
        let template = "A: b\n\n{{uuid}}\n{{random:30}}\n{{uuid}}";
        let body = message(&mut render(template, &[], ""));
        let lines: Vec<_> = body.lines().rev().take(3).collect();
        for uuid in [lines[0], lines[2]] {
            let groups: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
        assert_ne!(lines[0], lines[2]);
        assert_eq!(lines[1].len(), 30);
    }
}
