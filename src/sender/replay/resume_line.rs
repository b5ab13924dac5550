//! Reads the lines of a resume file.
use std::io::{self, BufRead};

/// Maximum length of a line in octets. A line names up to 64 messages, or the remaining recipients
/// of one message.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A line, as far as the file has it.
pub enum ResumeLine {
    /// A line that ends with a line feed, without it.
    Whole(String),
    /// The end of the file: its last text, which has no line end.
    Cut(String),
}

/// Reads the next line. A line that is not text, or longer than any line of a resume file, is
/// invalid.
pub fn next_line(reader: &mut impl BufRead) -> io::Result<ResumeLine> {
    let mut line = Vec::new();
    let mut limited = io::Read::take(&mut *reader, LINE_BYTES_MAX as u64);
    limited.read_until(b'\n', &mut line)?;
    let is_whole = line.pop_if(|last| *last == b'\n').is_some();
    let text = String::from_utf8_lossy(&line).into_owned();
    Ok(if is_whole || line.len() >= LINE_BYTES_MAX {
        ResumeLine::Whole(text)
    } else {
        ResumeLine::Cut(text)
    })
}
