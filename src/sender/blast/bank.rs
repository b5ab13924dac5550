//! Built-in content: newsletters with prepared bodies for a few texts and sizes.
//!
//! A text is one buffer: lines of a paragraph each, then the end of the message with its
//! attachments. The body of each size is a tail of this buffer that starts at the beginning of a
//! line, so all sizes share its octets. The header field `X-Filler` adds the missing octets, so
//! that each message has exactly the size that was drawn.
use std::sync::Arc;

use bytes::Bytes;

use super::checksum::{Front, crc32c, hex};
use super::head::{DIGITS, MessageHead, marks, message_id};
use super::shared::reference;
use super::size::Sizes;
use super::words::WordStream;
use crate::smtp::client::OutgoingMail;

/// Total size of all texts, while there are several.
const TEXTS_BYTES: u64 = 16 << 20;
const TEXTS_MAX: u64 = 8;

/// The lines of a text repeat after this number of octets.
const LINES_BYTES: usize = 256 << 10;

/// Maximum length of a line of generated text.
const LINE_BYTES_MAX: usize = 128;

/// Bounds of the distance between two sizes with a prepared body; within them, it is a 64th of the
/// size.
const STEP_BYTES: (u64, u64) = (64, 8192);

/// Number of lines in the plain text part of a newsletter.
const TEXT_LINES: usize = 4;

const INNER: &str = "=_blast_alternative";
const OUTER: &str = "=_blast_mixed";

/// Properties that all built-in messages of a blast share.
pub struct Common<'a> {
    pub seed: u64,
    pub run_id: &'a str,
    /// The address in the From field.
    pub from: &'a str,
    /// The Date field (RFC 5322).
    pub date: &'a str,
    /// The length of the longest address in a To field.
    pub address_bytes_max: usize,
    /// Attached parts with their header fields.
    pub attachments: &'a [&'a [u8]],
}

/// The structure of a message: the text before and after the lines.
struct Layout {
    /// The beginning of the message, up to the address.
    head: MessageHead,
    /// The rest of the message before the shared lines.
    front: Vec<u8>,
    text: Arc<Vec<u8>>,
    /// Start positions of the lines; the last entry is the end of the lines.
    starts: Vec<u32>,
    /// Octets without the address, the filler, the lines and the attachments.
    fixed_bytes: usize,
}

/// The body of one text in one size.
struct BodyEntry {
    layout: usize,
    start: u32,
    checksum: [u8; 8],
    /// Octets of the message without its address, filler and attachments.
    fixed_bytes: usize,
}

/// Prepared content, shared by all threads.
pub struct Bank {
    /// Two layouts per text: plain, and newsletter.
    layouts: Vec<Layout>,
    /// Sizes with a body, ascending.
    classes: Vec<u64>,
    /// For each text, one entry per class.
    entries: Vec<BodyEntry>,
    /// The content of the filler field.
    filler: Vec<u8>,
    texts: u64,
}

/// References of one thread to the content, with reference counts of its own.
pub struct Bodies(Vec<Bytes>);

/// The shortest filler field is `X-Filler: x`.
const FILLER: &[u8] = b"\r\nX-Filler: ";
const HEADER_END: &[u8] = b"\r\n\r\n";
const FILLER_LINE: usize = 72;

impl Bank {
    /// Prepares bodies for all sizes; sizes below [`Bank::size_min`] are raised to it.
    ///
    /// Costs about 10 ms per 64 MiB of text, and keeps the text in memory: 16 MiB for small
    /// messages, or the size of the largest message.
    pub fn new(common: &Common<'_>, sizes: &Sizes) -> Bank {
        let attached: usize = common.attachments.iter().map(|part| part.len()).sum();
        let (low, high) = sizes.bounds();
        let texts = (TEXTS_BYTES / (high + attached as u64)).clamp(1, TEXTS_MAX);
        let mut layouts = Vec::new();
        for number in 0..texts {
            let small = Layout::plain(common, number, 4096 + common.address_bytes_max);
            let large = Layout::newsletter(common, number, high as usize);
            layouts.extend([small, large]);
        }
        let mut bank = Bank { layouts, classes: vec![], entries: vec![], filler: vec![], texts };
        let size_min = bank.size_min(common.address_bytes_max);
        bank.classes = classes(sizes, low.max(size_min), high.max(size_min));
        for text in 0..texts as usize {
            bank.prepare(text, common.address_bytes_max);
        }
        let gaps = bank.classes.windows(2).map(|pair| pair[1] - pair[0]);
        let gap = if let Sizes::Choices(_) = sizes { 0 } else { gaps.max().unwrap_or(0) };
        bank.filler = filler(gap as usize + common.address_bytes_max + LINE_BYTES_MAX);
        bank
    }

    /// Returns the size of the smallest message whose address has `address_bytes` octets.
    pub fn size_min(&self, address_bytes: usize) -> u64 {
        let smallest = self.layouts.iter().step_by(2).map(|layout| layout.fixed_bytes).max();
        (smallest.unwrap_or(0) + address_bytes + 1) as u64
    }

    /// Prepares the bodies of one text in ascending order, so that each checksum only adds the
    /// octets that the last one lacked.
    fn prepare(&mut self, text: usize, address_bytes_max: usize) {
        let pair = &self.layouts[2 * text..2 * text + 2];
        let mut grown = [Grown::of(&pair[0]), Grown::of(&pair[1])];
        for &size in &self.classes {
            let room = |layout: &Layout| {
                (size as usize).checked_sub(layout.fixed_bytes + address_bytes_max + 1)
            };
            // A newsletter if it fits, otherwise plain text.
            let (kind, lines) = match room(&pair[1]) {
                Some(lines) => (1, lines),
                None => (0, room(&pair[0]).expect("no class is below the smallest message")),
            };
            let layout = &pair[kind];
            let start = layout.start_for(lines);
            let checksum = grown[kind].checksum(layout, start);
            let lines_bytes = layout.lines_end() - start as usize;
            self.entries.push(BodyEntry {
                layout: 2 * text + kind,
                start,
                checksum: hex(checksum),
                fixed_bytes: layout.fixed_bytes + lines_bytes,
            });
        }
    }

    /// Returns references for one thread.
    pub fn bodies(&self) -> Bodies {
        let owned: Vec<Bytes> = self.layouts.iter().map(|layout| reference(&layout.text)).collect();
        Bodies(self.entries.iter().map(|e| owned[e.layout].slice(e.start as usize..)).collect())
    }

    /// Returns the number of texts; the text of a message is drawn from these.
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// Fills head and body. `size` is raised to the minimum; attachments are added to it.
    pub fn fill(&self, bodies: &Bodies, chosen: Chosen<'_>, mail: &mut OutgoingMail) {
        let Chosen { text, size, number, address } = chosen;
        let class = self.classes.partition_point(|&least| least <= size).saturating_sub(1);
        let at = text as usize * self.classes.len() + class;
        let entry = &self.entries[at];
        let size = size.max(self.classes[0]) as usize;
        let layout = &self.layouts[entry.layout];
        layout.head.append(number, &mut mail.head);
        layout.head.write_checksum(entry.checksum, &mut mail.head);
        mail.head.extend_from_slice(address);
        mail.head.extend_from_slice(FILLER);
        append_filler(&self.filler[..size - entry.fixed_bytes - address.len()], &mut mail.head);
        mail.head.extend_from_slice(HEADER_END);
        mail.head.extend_from_slice(&layout.front);
        mail.body = bodies.0[at].clone();
    }
}

/// The properties chosen for one message.
pub struct Chosen<'a> {
    /// The number of the text, below [`Bank::texts`].
    pub text: u64,
    /// The size in octets, without attachments.
    pub size: u64,
    pub number: &'a [u8; DIGITS],
    /// The address in the To field.
    pub address: &'a [u8],
}

impl Layout {
    /// Makes the layout of a short plain text message.
    fn plain(common: &Common<'_>, number: u64, bytes: usize) -> Layout {
        let mut words = WordStream::new(common.seed, 2 * number);
        let content_type = "Content-Type: text/plain; charset=utf-8\r\n";
        let line = |out: &mut Vec<u8>| words.text_line(out);
        let text = BodyText::new(line, bytes, b"");
        Layout::new(common, content_type, Vec::new(), text, number)
    }

    /// Makes the layout of a message with plain text and HTML.
    fn newsletter(common: &Common<'_>, number: u64, bytes: usize) -> Layout {
        let mut words = WordStream::new(common.seed, 2 * number + 1);
        let content_type = format!("Content-Type: multipart/alternative; boundary=\"{INNER}\"\r\n");
        let mut front = format!("--{INNER}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
        let mut lines = Vec::new();
        (0..TEXT_LINES).for_each(|_| words.text_line(&mut lines));
        front.push_str(&String::from_utf8(lines).expect("words are ASCII"));
        front.push_str("\r\nhttps://shop.example/news\r\n");
        front.push_str(&format!("--{INNER}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"));
        front.push_str("<!DOCTYPE html>\r\n<html><body>\r\n");
        let tail = format!(
            "<p><a href=\"https://shop.example/news\">Online</a>\r\n\
             <a href=\"https://shop.example/leave\">Unsubscribe</a></p>\r\n\
             </body></html>\r\n--{INNER}--\r\n"
        );
        let text = BodyText::new(|out| words.html_line(out), bytes, tail.as_bytes());
        Layout::new(common, &content_type, front.into_bytes(), text, number)
    }

    fn new(
        common: &Common<'_>,
        content_type: &str,
        mut front: Vec<u8>,
        mut text: BodyText,
        number: u64,
    ) -> Layout {
        let mut outer = content_type.to_owned();
        if !common.attachments.is_empty() {
            front.splice(0..0, format!("--{OUTER}\r\n{content_type}\r\n").into_bytes());
            outer = format!("Content-Type: multipart/mixed; boundary=\"{OUTER}\"\r\n");
            for part in common.attachments {
                text.octets.extend_from_slice(format!("--{OUTER}\r\n").as_bytes());
                text.octets.extend_from_slice(part);
            }
            text.octets.extend_from_slice(format!("--{OUTER}--\r\n").as_bytes());
        }
        let attached: usize = common.attachments.iter().map(|part| part.len()).sum();
        let head = MessageHead::new(&header(common, &outer, number));
        let lines_end = *text.starts.last().expect("where lines end is among them") as usize;
        let tail_bytes = text.octets.len() - lines_end - attached;
        let between = FILLER.len() + HEADER_END.len() + front.len();
        Layout {
            fixed_bytes: head.bytes() + between + tail_bytes,
            head,
            front,
            text: Arc::new(text.octets),
            starts: text.starts,
        }
    }

    fn lines_end(&self) -> usize {
        *self.starts.last().expect("where lines end is among them") as usize
    }

    /// Returns the start of the body whose lines have at most `lines_bytes` octets.
    fn start_for(&self, lines_bytes: usize) -> u32 {
        let earliest = self.lines_end().saturating_sub(lines_bytes) as u32;
        self.starts[self.starts.partition_point(|&start| start < earliest)]
    }
}

fn header(common: &Common<'_>, content_type: &str, number: u64) -> String {
    let Common { run_id, from, date, .. } = common;
    let mut subject = Vec::new();
    WordStream::new(common.seed, u64::MAX - number).subject(&mut subject);
    let subject = String::from_utf8(subject).expect("words are ASCII");
    let (id, marks, sequence) = (message_id(run_id, from), marks(run_id), super::head::NUMBER);
    let sent = super::head::sent();
    format!(
        "{sent}Date: {date}\r\nFrom: Newsletter <{from}>\r\nSubject: {subject}\r\n{id}{marks}\
         List-Unsubscribe: <https://shop.example/leave/{run_id}/{sequence}>\r\n\
         MIME-Version: 1.0\r\n{content_type}To: "
    )
}

/// The lines, and the end of the message.
struct BodyText {
    octets: Vec<u8>,
    starts: Vec<u32>,
}

impl BodyText {
    /// Generates at least `bytes` octets of lines.
    fn new(mut line: impl FnMut(&mut Vec<u8>), bytes: usize, tail: &[u8]) -> BodyText {
        let mut octets = Vec::with_capacity(bytes + LINE_BYTES_MAX + tail.len());
        while octets.len() < bytes.min(LINES_BYTES) {
            line(&mut octets);
        }
        let unit = octets.len();
        while octets.len() < bytes {
            octets.extend_from_within(..unit);
        }
        let ends = memchr::memchr_iter(b'\n', &octets).map(|at| at as u32 + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        octets.extend_from_slice(tail);
        BodyText { octets, starts }
    }
}

/// The checksum of a tail of a text, extended step by step.
struct Grown {
    front: Front,
    start: usize,
    checksum: u32,
}

impl Grown {
    fn of(layout: &Layout) -> Grown {
        let start = layout.lines_end();
        Grown { front: Front::of(&layout.front), start, checksum: crc32c(&layout.text[start..]) }
    }

    /// Returns the checksum of front and body, for a body that begins at `start`. Each call must
    /// have a `start` no later than the call before.
    fn checksum(&mut self, layout: &Layout, start: u32) -> u32 {
        let start = start as usize;
        let new = Front::of(&layout.text[start..self.start]);
        self.checksum = new.before(self.checksum, layout.text.len() - self.start);
        self.start = start;
        self.front.before(self.checksum, layout.text.len() - start)
    }
}

/// Returns the sizes with prepared bodies.
fn classes(sizes: &Sizes, low: u64, high: u64) -> Vec<u64> {
    if let Sizes::Choices(choices) = sizes {
        let mut all: Vec<u64> = choices.iter().map(|(size, _)| (*size).max(low)).collect();
        all.sort_unstable();
        all.dedup();
        return all;
    }
    let step = |size: &u64| size + (size / 64).clamp(STEP_BYTES.0, STEP_BYTES.1);
    std::iter::successors(Some(low), |size| Some(step(size)))
        .take_while(|size| *size <= high)
        .collect()
}

/// Returns the octets of a folded field.
fn filler(bytes: usize) -> Vec<u8> {
    let mut line = vec![b'x'; FILLER_LINE];
    line.extend_from_slice(b"\r\n ");
    line.into_iter().cycle().take(bytes).collect()
}

/// Appends the filler. If it ends within a fold, the octets of that fold are overwritten with `x`.
fn append_filler(filler: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(filler);
    let cut = filler.len() % (FILLER_LINE + 3);
    let unfinished = match cut {
        0 if filler.is_empty() => 0,
        0 => 3,
        cut => cut.saturating_sub(FILLER_LINE),
    };
    let end = out.len();
    out[end - unfinished..].fill(b'x');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filler_of_any_length_is_a_field() {
        let all = filler(500);
        for bytes in 1..=500 {
            let mut out = b"X-Filler: ".to_vec();
            append_filler(&all[..bytes], &mut out);
            assert_eq!(out.len(), bytes + 10);
            let text = String::from_utf8(out).unwrap();
            for line in text.split("\r\n") {
                assert!(line.len() <= 90 && line.ends_with('x'), "{bytes}: {text:?}");
            }
            assert!(text.split("\r\n").skip(1).all(|line| line.starts_with(" x")), "{bytes}");
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{bytes}: {text:?}");
        }
    }

    #[test]
    fn any_size_has_a_class_close_below() {
        let sizes = Sizes::Uniform { low: 1024, high: 64 << 10 };
        let classes = classes(&sizes, 1024, 64 << 10);
        assert_eq!(classes[0], 1024);
        assert!(classes.len() < 300, "{}", classes.len());
        for pair in classes.windows(2) {
            assert!(pair[1] - pair[0] <= (pair[0] / 64).max(64));
        }
    }
}
