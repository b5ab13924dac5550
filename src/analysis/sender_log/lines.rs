//! Splits a stream into lines of bounded length; longer lines are skipped.
use std::io::{self, Read};

/// Maximum length of a line, without its LF.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes per read, and the memory used while lines are short.
const CHUNK_BYTES: usize = 256 << 10;

/// A line, or what is known of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A whole line, without its LF or CRLF.
    Whole(&'a [u8]),
    /// The last line of the stream, without a line end.
    Open(&'a [u8]),
    /// A line longer than [`LINE_BYTES_MAX`].
    TooLong,
}

/// The lines of a stream. Memory: at most [`LINE_BYTES_MAX`] and two chunks.
pub(super) struct Lines<S> {
    pub source: S,
    /// Bytes read so far.
    pub bytes: u64,
    buffer: Vec<u8>,
    /// Invariant: `start <= seen <= end <= buffer.len()`; no LF in `start..seen`.
    start: usize,
    seen: usize,
    end: usize,
}

/// The place of the next line in the buffer.
enum Found {
    Whole(std::ops::Range<usize>),
    Open(std::ops::Range<usize>),
    TooLong,
}

impl<S: Read> Lines<S> {
    pub fn new(source: S) -> Lines<S> {
        let buffer = vec![0; CHUNK_BYTES];
        Lines { source, bytes: 0, buffer, start: 0, seen: 0, end: 0 }
    }

    /// Returns the next line, borrowed until the one after it; `None` at the end.
    ///
    /// Errors: the stream can't be read.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        Ok(match self.find()? {
            None => None,
            Some(Found::TooLong) => Some(Line::TooLong),
            Some(Found::Open(range)) => Some(Line::Open(&self.buffer[range])),
            Some(Found::Whole(range)) => {
                let line = &self.buffer[range];
                Some(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        })
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        let mut is_too_long = false;
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.seen..self.end]) {
                let line = self.start..self.seen + length;
                self.start = line.end + 1;
                self.seen = self.start;
                let is_too_long = is_too_long || line.len() > LINE_BYTES_MAX;
                return Ok(Some(if is_too_long { Found::TooLong } else { Found::Whole(line) }));
            }
            self.seen = self.end;
            if is_too_long || self.end - self.start > LINE_BYTES_MAX {
                is_too_long = true;
                (self.start, self.seen, self.end) = (0, 0, 0);
            }
            if self.fill()? == 0 {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok(if is_too_long {
                    Some(Found::TooLong)
                } else {
                    (!line.is_empty()).then_some(Found::Open(line))
                });
            }
        }
    }

    /// Reads more octets after `end`, and makes room for them if necessary.
    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.seen, self.end) = (self.seen - self.start, self.end - self.start);
            self.start = 0;
            let room = self.end + CHUNK_BYTES;
            if self.end > self.buffer.len() / 2 && room > self.buffer.len() {
                self.buffer.resize(room, 0);
            }
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    self.bytes += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the memory that the buffer uses, in octets; for tests of the bound.
    #[cfg(feature = "testkit")]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.len()
    }
}

/// Upper bound of [`Lines::buffer_bytes`]: the longest line, and a chunk on each side.
#[cfg(feature = "testkit")]
pub(super) const BUFFER_BYTES_MAX: usize = LINE_BYTES_MAX + 2 * CHUNK_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_or_crlf() {
        let mut lines = Lines::new(b"a\r\n\nb\rc\n\0\xff\r\r\nlast\r".as_slice());
        for expected in [b"a".as_slice(), b"", b"b\rc", b"\0\xff\r"] {
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.next().unwrap(), Some(Line::Open(b"last\r")));
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_up_to_the_bound_is_read_and_a_longer_one_skipped() {
        for (length, is_read) in [
            (LINE_BYTES_MAX - 1, true),
            (LINE_BYTES_MAX, true),
            (LINE_BYTES_MAX + 1, false),
            (5 * LINE_BYTES_MAX, false),
        ] {
            let text = [b"first\n".to_vec(), vec![b'x'; length], b"\nlast\n".to_vec()].concat();
            let mut lines = Lines::new(text.as_slice());
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"first")));
            match lines.next().unwrap().unwrap() {
                Line::Whole(line) => assert!(is_read && line.len() == length),
                line => assert!(!is_read && line == Line::TooLong),
            }
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"last")));
            assert_eq!(lines.next().unwrap(), None);
            assert!(lines.buffer_bytes() <= BUFFER_BYTES_MAX);
            assert_eq!(lines.bytes, text.len() as u64);
        }
        let text = vec![b'x'; 3 * LINE_BYTES_MAX];
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), None);
    }
}
