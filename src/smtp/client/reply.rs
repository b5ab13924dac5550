//! Reads server replies line by line, whatever the server sends (RFC 5321 section 4.2).
use memchr::memchr;

use super::code::ReplyCode;

/// Maximum length of a line in octets, including its end. RFC 5321 section 4.5.3.1.5 allows 512;
/// servers send more in EHLO replies and refusals.
pub const LINE_BYTES_MAX: usize = 4096;
/// Maximum number of lines in a reply.
pub const LINES_MAX: usize = 512;

/// One line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The code of the reply.
    pub code: ReplyCode,
    /// The text, without code and line end.
    pub text: &'a [u8],
    /// Whether this is the last line of the reply.
    pub is_last: bool,
}

/// Why octets are not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line is too long.
    #[error("a line of a reply is longer than {LINE_BYTES_MAX} octets")]
    LineTooLong,
    /// The reply has too many lines.
    #[error("a reply has more than {LINES_MAX} lines")]
    TooManyLines,
    /// A line does not begin with a reply code.
    #[error("a line of a reply has no reply code")]
    NoCode,
    /// The lines have different codes.
    #[error("the lines of a reply differ in their codes")]
    CodesDiffer,
}

/// Assembles reply lines from pieces. Holds at most one line.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The beginning of an incomplete line, or the last line that was returned.
    partial: Vec<u8>,
    is_given: bool,
    order: LineOrder,
}

impl ReplyReader {
    /// Consumes octets of `input`. Returns how many, and the line that they complete, if any.
    ///
    /// Call it again with the rest until all input is consumed. An error is final. Costs a memchr,
    /// and a copy if a line was cut.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> (usize, Option<Result<ReplyLine<'a>, ReplyError>>) {
        if std::mem::take(&mut self.is_given) {
            self.partial.clear();
        }
        let Some(end) = memchr(b'\n', input) else {
            return (input.len(), self.keep(input).err().map(Err));
        };
        let taken = end + 1;
        if self.partial.is_empty() && taken <= LINE_BYTES_MAX {
            return (taken, Some(self.order.check(parse(&input[..taken]))));
        }
        (taken, Some(self.complete(&input[..taken])))
    }

    /// Keeps a piece of a line whose end is still missing.
    #[cold]
    fn keep(&mut self, piece: &[u8]) -> Result<(), ReplyError> {
        if self.partial.len() + piece.len() > LINE_BYTES_MAX {
            return Err(ReplyError::LineTooLong);
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    /// Returns a line that was cut or is too long, and whose last piece is `piece`.
    #[cold]
    fn complete(&mut self, piece: &[u8]) -> Result<ReplyLine<'_>, ReplyError> {
        self.keep(piece)?;
        self.is_given = true;
        self.order.check(parse(&self.partial))
    }
}

/// Counts the lines of a reply and checks their codes.
#[derive(Debug, Default)]
struct LineOrder {
    code: Option<ReplyCode>,
    lines: usize,
}

impl LineOrder {
    /// Checks that this line continues the reply.
    #[inline]
    fn check<'a>(&mut self, line: Option<ReplyLine<'a>>) -> Result<ReplyLine<'a>, ReplyError> {
        let line = line.ok_or(ReplyError::NoCode)?;
        if self.code.is_some_and(|first| first != line.code) {
            return Err(ReplyError::CodesDiffer);
        }
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(ReplyError::TooManyLines);
        }
        self.code = (!line.is_last).then_some(line.code);
        if line.is_last {
            self.lines = 0;
        }
        Ok(line)
    }
}

/// Parses a line including its end. A code without text is valid (RFC 5321 section 4.2.1: clients
/// accept it).
#[inline]
fn parse(line: &[u8]) -> Option<ReplyLine<'_>> {
    let line = match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        _ => line,
    };
    let (digits, rest) = line.split_first_chunk()?;
    let code = ReplyCode::from_digits(*digits)?;
    match rest {
        [] => Some(ReplyLine { code, text: b"", is_last: true }),
        [b' ', text @ ..] => Some(ReplyLine { code, text, is_last: true }),
        [b'-', text @ ..] => Some(ReplyLine { code, text, is_last: false }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines as `code text`, with `+` after each line that is not the last of its
    /// reply. An error ends the list.
    fn lines(input: &[u8], cut: usize) -> Vec<String> {
        let mut reader = ReplyReader::default();
        let mut found = Vec::new();
        for piece in input.chunks(cut) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (taken, line) = reader.next(rest);
                rest = &rest[taken..];
                match line {
                    None => {}
                    Some(Ok(ReplyLine { code, text, is_last })) => {
                        let more = if is_last { "" } else { "+" };
                        found.push(format!("{code}{more} {}", String::from_utf8_lossy(text)));
                    }
                    Some(Err(error)) => {
                        found.push(error.to_string());
                        return found;
                    }
                }
            }
        }
        found
    }

    #[track_caller]
    fn check(input: &str, expected: &[&str]) {
        for cut in 1..=input.len().clamp(1, 40) {
            assert_eq!(lines(input.as_bytes(), cut), expected, "{input:?} in pieces of {cut}");
        }
    }

    #[test]
    fn replies() {
        check("250 ok\r\n", &["250 ok"]);
        check("250\r\n", &["250 "]);
        check("250 ok\n", &["250 ok"]);
        check("250-a\r\n250-b\r\n250 c\r\n354 go\r\n", &["250+ a", "250+ b", "250 c", "354 go"]);
        check("250-a\r\n550 b\r\n", &["250+ a", "the lines of a reply differ in their codes"]);
        for nonsense in ["hello\r\n", "25 ok\r\n", "2500 ok\r\n", "250ok\r\n", "150 a\r\n", "\r\n"]
        {
            check(nonsense, &["a line of a reply has no reply code"]);
        }
        check("600 a\r\n", &["a line of a reply has no reply code"]);
        check("250 ok", &[]);
    }

    #[test]
    fn endless_lines_and_replies_are_bounded() {
        let long = format!("250 {}\r\n", "x".repeat(LINE_BYTES_MAX - 6));
        assert_eq!(lines(long.as_bytes(), 100).len(), 1);
        let longer = format!("250 {}\r\n", "x".repeat(LINE_BYTES_MAX - 5));
        assert_eq!(lines(longer.as_bytes(), 100), [ReplyError::LineTooLong.to_string()]);
        let endless = "x".repeat(3 * LINE_BYTES_MAX);
        assert_eq!(lines(endless.as_bytes(), 1000), [ReplyError::LineTooLong.to_string()]);
        let many = format!("{}250 b\r\n", "250-a\r\n".repeat(LINES_MAX - 1));
        assert_eq!(lines(many.as_bytes(), 9).len(), LINES_MAX);
        let more = format!("{}250 b\r\n", "250-a\r\n".repeat(LINES_MAX));
        assert_eq!(lines(more.as_bytes(), 9).pop(), Some(ReplyError::TooManyLines.to_string()));
    }
}
