//! Command lines, and those that grew too long.

/// What is left to skip of a command line that grew too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    Nothing,
    Line,
    /// The verb is BDAT: after the line comes payload of unknown length.
    BdatLine,
}

/// Octets of the first line of `text`, CRLF included. A lone LF ends no command (RFC 5321 2.3.8).
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

/// Octets to skip of a line that grew too long, and whether its CRLF was among them. A CR at the
/// end of `text` stays: it may be half of one.
pub fn skip_line(text: &[u8]) -> (usize, bool) {
    match find_line(text) {
        Some(bytes) => (bytes, true),
        None => (text.len() - usize::from(text.ends_with(b"\r")), false),
    }
}
