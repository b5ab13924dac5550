//! Replies of the server: their lines, and which reply comes next.
use std::borrow::Cow;

/// What a reply answers. `Debug` of a variant is its name in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Banner,
    Ehlo,
    StartTls,
    Mail,
    Rcpt,
    Data,
    /// The end of data, or the last chunk.
    Final,
    Quit,
}

impl Expected {
    /// Returns whether `line`, which has three octets or more, lets the dialogue continue.
    #[inline]
    pub fn is_met_by(self, line: &[u8]) -> bool {
        match self {
            Expected::Data => line.starts_with(b"354"),
            _ => line[0] == b'2',
        }
    }
}

/// Joins the lines of replies that were cut between two reads.
#[derive(Default)]
pub struct ReplyLines {
    /// The line that is incomplete so far.
    part: Vec<u8>,
}

impl ReplyLines {
    pub fn clear(&mut self) {
        self.part.clear();
    }

    /// Returns the next line without its LF and removes it from `input`; `None` when all of `input`
    /// is used. Copies only lines that were cut.
    #[inline]
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            self.part.extend_from_slice(input);
            *input = &[];
            return None;
        };
        let (line, rest) = (&input[..end], &input[end + 1..]);
        *input = rest;
        if self.part.is_empty() {
            return Some(Cow::Borrowed(line));
        }
        self.part.extend_from_slice(line);
        Some(Cow::Owned(std::mem::take(&mut self.part)))
    }
}

/// Returns whether more lines of the same reply follow `line` (RFC 5321 section 4.2.1).
#[inline]
pub fn is_continued(line: &[u8]) -> bool {
    line.get(3) == Some(&b'-')
}

/// The extensions that a server announced, of those that matter here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions {
    pub pipelining: bool,
    pub chunking: bool,
}

impl Extensions {
    /// Adds what a line of the reply to EHLO announces.
    pub fn add(&mut self, line: &[u8]) {
        let keyword = line.get(4..).unwrap_or_default().to_ascii_uppercase();
        self.pipelining |= keyword.starts_with(b"PIPELINING");
        self.chunking |= keyword.starts_with(b"CHUNKING");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[u8] = b"250-sink.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n354 Go\n\n";
    const LINES: [&[u8]; 5] =
        [b"250-sink.example\r", b"250-PIPELINING\r", b"250 CHUNKING\r", b"354 Go", b""];

    fn lines_of(reads: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = ReplyLines::default();
        let mut found = Vec::new();
        for mut input in reads.iter().copied() {
            found.extend(std::iter::from_fn(|| lines.next(&mut input).map(Cow::into_owned)));
            assert!(input.is_empty());
        }
        found
    }

    #[test]
    fn lines_do_not_depend_on_where_reads_are_cut() {
        assert_eq!(lines_of(&[REPLIES]), LINES);
        for first in 0..=REPLIES.len() {
            for second in first..=REPLIES.len() {
                let reads = [&REPLIES[..first], &REPLIES[first..second], &REPLIES[second..]];
                assert_eq!(lines_of(&reads), LINES, "cut at {first} and {second}");
            }
        }
        let octets: Vec<&[u8]> = REPLIES.chunks(1).collect();
        assert_eq!(lines_of(&octets), LINES);
    }

    #[test]
    fn a_hyphen_after_the_code_means_that_lines_follow() {
        assert!(is_continued(b"250-SIZE"));
        assert!(!is_continued(b"250 SIZE") && !is_continued(b"250"));
    }

    #[test]
    fn extensions_are_recognized_in_any_case() {
        let mut extensions = Extensions::default();
        for line in [&b"250-sink.example"[..], b"250", b"250-pipelining\r"] {
            extensions.add(line);
        }
        assert_eq!(extensions, Extensions { pipelining: true, chunking: false });
        extensions.add(b"250 CHUNKING");
        assert!(extensions.chunking);
    }

    #[test]
    fn only_data_expects_354() {
        assert!(Expected::Data.is_met_by(b"354 Go") && !Expected::Data.is_met_by(b"250 Ok"));
        for expected in [Expected::Banner, Expected::Mail, Expected::Final, Expected::Quit] {
            assert!(expected.is_met_by(b"250 Ok") && !expected.is_met_by(b"452 Full"));
        }
    }
}
