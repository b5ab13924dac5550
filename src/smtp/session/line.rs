//! Finds the end of command lines, and skips lines that are too long.

/// What remains to be skipped of a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    Nothing,
    Line,
    /// The verb is BDAT: payload of unknown length follows the line.
    BdatLine,
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
