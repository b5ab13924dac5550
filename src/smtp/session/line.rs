//! Finds the end of command lines, and skips lines that are too long.
use crate::smtp::grammar;

/// A line that is too long, by what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLine {
    /// The verb is BDAT: payload of unknown length follows.
    Bdat,
    /// Another command, or a response to AUTH: a command line follows.
    Other,
}

impl LongLine {
    /// Returns the kind of the line that begins with `start`.
    pub fn from_start(start: &[u8]) -> LongLine {
        if grammar::is_bdat(start) { LongLine::Bdat } else { LongLine::Other }
    }
}

/// Returns the length of the first line of `text`, including CRLF. A bare LF does not end a command
/// (RFC 5321 2.3.8).
pub fn find_line(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let feed = from + memchr::memchr(b'\n', &text[from..])?;
        if text[..feed].ends_with(b"\r") {
            return Some(feed + 1);
        }
        from = feed + 1;
    }
}

/// Returns the number of octets to skip of a line that is too long, and whether its CRLF is among
/// them. A CR at the end of `text` is not skipped: it may be half of a CRLF.
pub fn skip_line(text: &[u8]) -> (usize, bool) {
    match find_line(text) {
        Some(bytes) => (bytes, true),
        None => (text.len() - usize::from(text.ends_with(b"\r")), false),
    }
}
