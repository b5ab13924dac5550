//! Messages: what all of one size share, prepared before the run, and what each has of its own.
//!
//! A message costs a copy of some 620 bytes and eight of its number; its body is copied only
//! under TLS.
use super::content::{self, BODY_BYTES_MIN, SEQUENCE};
use super::options::Mode;
use super::random::Random;

/// What a load has in common, however long its messages are.
pub struct Form {
    pub mode: Mode,
    /// Recipients of each message; 1 or more.
    pub recipients: usize,
}

/// A piece of a template, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    pub start: usize,
    pub end: usize,
}

impl Section {
    /// Returns the section from the start of `self` to the end of `last`.
    pub fn through(self, last: Section) -> Section {
        Section { start: self.start, end: last.end }
    }
}

/// All messages of one size.
pub struct Class {
    /// MAIL, each RCPT, DATA or BDAT, and the header block, with `SEQUENCE` for the number.
    template: Vec<u8>,
    /// Where numbers are in the template.
    numbers: Vec<usize>,
    pub mail: Section,
    pub recipients: Vec<Section>,
    /// DATA or BDAT.
    pub data: Section,
    pub header: Section,
    /// What follows the header block; stuffed and with the end of data, unless it follows BDAT.
    pub body: &'static [u8],
    /// Bytes of the header block and the body that a correct server stores: without stuffing.
    pub content_bytes: u64,
}

impl Class {
    /// Prepares messages of `bytes`, or of the header block and `BODY_BYTES_MIN` if that is more.
    ///
    /// The body lives until the process ends: connections refer to it without a lock or a count.
    pub fn new(bytes: usize, form: &Form, random: &mut Random) -> Class {
        let boundary = format!("=_{:016x}", random.next());
        let header = content::header(&boundary, random.next() & 0xffff_ffff);
        let body_bytes = bytes.saturating_sub(header.len()).max(BODY_BYTES_MIN);
        let content = content::body(body_bytes, &boundary, random);
        let content_bytes = (header.len() + content.len()) as u64;
        let (data, body) = match form.mode {
            Mode::Chunking => (format!("BDAT {content_bytes} LAST\r\n"), content),
            _ => ("DATA\r\n".to_owned(), content::stuffed(&content)),
        };

        let mut template = Vec::new();
        let mail = append(&mut template, "MAIL FROM:<bounce-@@@@@@@@@@@sender.example>\r\n");
        let recipient = |number| append(&mut template, &recipient_command(number));
        let recipients = (0..form.recipients).map(recipient).collect();
        let data = append(&mut template, &data);
        let header = append(&mut template, &header);
        let numbers = positions_of_numbers(&template);
        let body = Box::leak(body.into_boxed_slice());
        Class { template, numbers, mail, recipients, data, header, body, content_bytes }
    }

    /// Bytes of a message before its body.
    pub fn head_bytes(&self) -> usize {
        self.template.len()
    }
}

fn append(template: &mut Vec<u8>, text: &str) -> Section {
    let start = template.len();
    template.extend_from_slice(text.as_bytes());
    Section { start, end: template.len() }
}

fn recipient_command(number: usize) -> String {
    match number {
        0 => "RCPT TO:<u@@@@@@@@@@@rcpt.example>\r\n".to_owned(),
        _ => format!("RCPT TO:<u@@@@@@@@@@+{number}@rcpt.example>\r\n"),
    }
}

/// Each number takes the first ten of its `@`: in an address, the eleventh separates the domain.
fn positions_of_numbers(template: &[u8]) -> Vec<usize> {
    let mut positions = Vec::new();
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&template[at..], SEQUENCE) {
        positions.push(at + found);
        at += found + SEQUENCE.len();
    }
    positions
}

/// A message in flight: which it is, and everything of it before the body.
pub struct Message {
    head: Box<[u8]>,
    /// Index of its class.
    pub class: usize,
    /// When it was begun, ns of CLOCK_MONOTONIC.
    pub begun_ns: u64,
}

impl Message {
    /// Allocates one with room for `head_bytes`, to be used for message after message.
    pub fn with_room(head_bytes: usize) -> Message {
        Message { head: vec![0; head_bytes].into_boxed_slice(), class: 0, begun_ns: 0 }
    }

    /// Becomes message `sequence` of `class`, whose head fits.
    #[inline]
    pub fn write(&mut self, class: &Class, sequence: u64) {
        self.head[..class.template.len()].copy_from_slice(&class.template);
        let digits = content::digits(sequence);
        for &at in &class.numbers {
            self.head[at..at + digits.len()].copy_from_slice(&digits);
        }
    }

    #[inline]
    pub fn section(&self, section: Section) -> &[u8] {
        &self.head[section.start..section.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(bytes: usize, mode: Mode, recipients: usize) -> Class {
        Class::new(bytes, &Form { mode, recipients }, &mut Random::new(1))
    }

    #[test]
    fn a_message_has_the_requested_bytes_if_its_header_leaves_room_for_a_body() {
        for bytes in [1_000, 2_048, 20_480, 204_800] {
            let class = class(bytes, Mode::Chunking, 1);
            assert_eq!(class.content_bytes, bytes as u64);
            let header = class.header.end - class.header.start;
            assert_eq!(header + class.body.len(), bytes);
        }
        let class = class(0, Mode::Chunking, 1);
        assert_eq!(class.body.len(), BODY_BYTES_MIN);
    }

    #[test]
    fn bodies_of_the_measured_sizes_have_no_lone_cr_or_lf() {
        for bytes in [2_048, 20_480, 204_800] {
            let body = class(bytes, Mode::Chunking, 1).body;
            let pairs = memchr::memmem::find_iter(body, b"\r\n").count();
            assert_eq!(memchr::memchr_iter(b'\r', body).count(), pairs, "{bytes}");
            assert_eq!(memchr::memchr_iter(b'\n', body).count(), pairs, "{bytes}");
        }
    }

    #[test]
    fn content_bytes_do_not_count_stuffing_and_the_end_of_data() {
        let class = class(20_480, Mode::Plain, 1);
        assert_eq!(class.content_bytes, 20_480);
        assert!(class.body.ends_with(b"\r\n.\r\n"));
        let dots = memchr::memmem::find_iter(class.body, b"\r\n..").count();
        let header = class.header.end - class.header.start;
        assert_eq!(header + class.body.len() - dots - 3, 20_480);
        assert!(dots > 0);
    }

    #[test]
    fn every_number_is_written_and_the_sections_are_the_commands() {
        let class = class(2_048, Mode::Chunking, 2);
        let mut message = Message::with_room(class.head_bytes());
        message.write(&class, 42);
        let text = |section| String::from_utf8_lossy(message.section(section)).into_owned();
        assert_eq!(text(class.mail), "MAIL FROM:<bounce-0000000042@sender.example>\r\n");
        assert_eq!(text(class.recipients[0]), "RCPT TO:<u0000000042@rcpt.example>\r\n");
        assert_eq!(text(class.recipients[1]), "RCPT TO:<u0000000042+1@rcpt.example>\r\n");
        assert_eq!(text(class.data), "BDAT 2048 LAST\r\n");
        let all = text(class.mail.through(class.header));
        assert_eq!(all.len(), class.head_bytes());
        assert!(!all.contains("@@"), "{all}");
        assert!(all.contains("X-Sequence: 0000000042\r\n") && all.ends_with("\"\r\n\r\n"));
    }
}
