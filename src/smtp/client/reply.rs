//! Replies of a server, line by line, whatever it sends (RFC 5321 4.2).
use memchr::memchr;

/// Octets of a line that are taken, its end included. RFC 5321 4.5.3.1.5 allows 512; servers say
/// more to EHLO and in refusals.
pub const LINE_BYTES_MAX: usize = 4096;
/// Lines of a reply.
pub const LINES_MAX: usize = 512;

/// One line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// 200 to 599.
    pub code: u16,
    /// Without code and line end.
    pub text: &'a [u8],
    /// No further line of this reply follows.
    pub is_last: bool,
}

/// Why octets are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    #[error("a line of a reply is longer than {LINE_BYTES_MAX} octets")]
    LineTooLong,
    #[error("a reply has more than {LINES_MAX} lines")]
    TooManyLines,
    #[error("a line begins with no reply code")]
    NoCode,
    #[error("the lines of a reply differ in their codes")]
    CodesDiffer,
}

/// Puts lines together from pieces. Holds one line at most.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The beginning of a line whose end has not come; or one that was given out.
    partial: Vec<u8>,
    is_given: bool,
    /// Of the reply under way.
    code: Option<u16>,
    lines: usize,
}

impl ReplyReader {
    /// Takes octets from `input`: how many, and the line that they complete, if they do.
    ///
    /// Call it again with what is left, until all of it is taken. After an error there is no going
    /// on. Costs a memchr, and a copy where a line was cut.
    pub fn next<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> (usize, Option<Result<Line<'a>, ReplyError>>) {
        if std::mem::take(&mut self.is_given) {
            self.partial.clear();
        }
        let (taken, is_whole) = match memchr(b'\n', input) {
            Some(at) => (at + 1, true),
            None => (input.len(), false),
        };
        if self.partial.len() + taken > LINE_BYTES_MAX {
            return (taken, Some(Err(ReplyError::LineTooLong)));
        }
        if is_whole && self.partial.is_empty() {
            return (taken, Some(self.parse(Some(&input[..taken]))));
        }
        self.partial.extend_from_slice(&input[..taken]);
        if !is_whole {
            return (taken, None);
        }
        self.is_given = true;
        (taken, Some(self.parse(None)))
    }

    /// `line`: with its end; `None` is the one in `partial`.
    fn parse<'a>(&'a mut self, line: Option<&'a [u8]>) -> Result<Line<'a>, ReplyError> {
        let line = line.unwrap_or(&self.partial);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, is_last, text) = parse_line(line).ok_or(ReplyError::NoCode)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::CodesDiffer);
        }
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(ReplyError::TooManyLines);
        }
        self.code = (!is_last).then_some(code);
        if is_last {
            self.lines = 0;
        }
        Ok(Line { code, text, is_last })
    }
}

/// Code, whether it is the last line, text. A lone code is one (RFC 5321 4.2.1: clients accept it).
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else { return None };
    let code = [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(*digit & 15));
    match rest {
        [] => Some((code, true, b"")),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as `code text`, `+` behind those that others follow; the error ends it.
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
                    Some(Ok(Line { code, text, is_last })) => {
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
            check(nonsense, &["a line begins with no reply code"]);
        }
        check("600 a\r\n", &["a line begins with no reply code"]);
        check("250 ok", &[]);
    }

    #[test]
    fn what_has_no_end_is_bounded() {
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
