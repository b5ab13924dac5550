//! End of data (RFC 5321 4.1.1.4) and transparency (4.5.2).
//!
//! The end of data is CRLF `.` CRLF and nothing else. The CRLF that ended the DATA line counts as
//! the first of the two, so a dot as the very first line ends an empty payload. A lone CR or LF is
//! always payload.
//!
//! Cost: one memmem pass for CRLF `.`; only the octets after a hit are examined one by one.

use memchr::memmem::Finder;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Octets of the end of data that are not payload: `.` CRLF. The CRLF before them belongs to the
/// payload.
pub const END_BYTES: usize = 3;

/// Built once: building it costs more than scanning a small payload.
static STUFFED_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

/// Scanner for CRLF.CRLF over pieces of wire data; starts "after CRLF". One byte of state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndOfData {
    place: LinePosition,
}

/// Position of the next octet within its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LinePosition {
    /// After CRLF, or at the first octet of the data.
    #[default]
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot at the start of a line and CR.
    DotCr,
    /// After CR elsewhere.
    Cr,
    /// Anywhere else.
    Inside,
}

impl EndOfData {
    /// Creates a scanner for the octets after the DATA line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the next piece. Returns `Some(n)` if the end of data ends after `n` octets of this
    /// piece; the payload is everything up to there except the last 3 octets (`.` CRLF). Adds the
    /// number of stuffed dots to `dots`.
    pub fn scan(&mut self, piece: &[u8], dots: &mut u32) -> Option<usize> {
        let mut at = 0;
        while at < piece.len() {
            if self.place == LinePosition::Inside {
                match STUFFED_LINE.find(&piece[at..]) {
                    Some(hit) => {
                        at += hit + 3;
                        self.place = LinePosition::Dot;
                    }
                    None => {
                        self.place = place_after(&piece[at..]);
                        return None;
                    }
                }
            } else {
                let octet = piece[at];
                at += 1;
                if self.step(octet, dots) {
                    return Some(at);
                }
            }
        }
        None
    }

    /// Scans one octet. Returns whether it completes the end of data.
    fn step(&mut self, octet: u8, dots: &mut u32) -> bool {
        self.place = match (self.place, octet) {
            (LinePosition::LineStart, b'.') => LinePosition::Dot,
            (LinePosition::Dot, b'\r') => LinePosition::DotCr,
            (LinePosition::DotCr, b'\n') => {
                self.place = LinePosition::LineStart;
                return true;
            }
            (LinePosition::Cr, b'\n') => LinePosition::LineStart,
            (place, octet) => {
                // The line has more than a dot, so the dot was stuffed (4.5.2).
                if matches!(place, LinePosition::Dot | LinePosition::DotCr) {
                    *dots = dots.saturating_add(1);
                }
                if octet == b'\r' { LinePosition::Cr } else { LinePosition::Inside }
            }
        };
        false
    }
}

/// Returns the position after `rest`, which began within a line and contains no CRLF-dot.
fn place_after(rest: &[u8]) -> LinePosition {
    if rest.ends_with(b"\r\n") {
        LinePosition::LineStart
    } else if rest.ends_with(b"\r") {
        LinePosition::Cr
    } else {
        LinePosition::Inside
    }
}

/// The specification of [`EndOfData`]: slow, for a single piece. Also returns the number of stuffed
/// dots up to the end. Tests and benchmarks compare the scanner with it.
#[doc(hidden)]
pub fn scan_slowly(wire: &[u8]) -> (Option<usize>, u32) {
    let (mut line_start, mut dots) = (0, 0);
    for end in 1..=wire.len() {
        let line = &wire[line_start..end];
        if line == b".\r\n" {
            return (Some(end), dots);
        }
        if line.ends_with(b"\r\n") {
            dots += u32::from(line.starts_with(b"."));
            line_start = end;
        }
    }
    let tail = &wire[line_start..];
    (None, dots + u32::from(tail.starts_with(b".") && tail != b"." && tail != b".\r"))
}

/// Undoes transparency: removes the first dot of each line that begins with one (RFC 5321 4.5.2).
///
/// `wire` is a whole payload as received by DATA, without its end of data. Call it only if the
/// payload has stuffed dots: a payload received by BDAT has none, whatever its lines begin with.
/// Borrows if nothing changes.
///
/// ```
/// use sinkd::smtp::data::unstuff;
/// assert_eq!(&*unstuff(b"..one\r\n..\r\ntwo.\r\n"), b".one\r\n.\r\ntwo.\r\n");
/// ```
pub fn unstuff(wire: &[u8]) -> Cow<'_, [u8]> {
    if !wire.starts_with(b".") && STUFFED_LINE.find(wire).is_none() {
        return Cow::Borrowed(wire);
    }
    let mut message = Vec::with_capacity(wire.len());
    unstuff_into(wire, &mut message);
    Cow::Owned(message)
}

/// Like [`unstuff`], but appends to `message`.
pub fn unstuff_into(wire: &[u8], message: &mut Vec<u8>) {
    let mut rest = wire.strip_prefix(b".").unwrap_or(wire);
    while let Some(hit) = STUFFED_LINE.find(rest) {
        message.extend_from_slice(&rest[..hit + 2]);
        rest = &rest[hit + 3..];
    }
    message.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_in_pieces(wire: &[u8], piece_bytes: usize) -> (Option<usize>, u32) {
        let (mut scanner, mut dots, mut before) = (EndOfData::new(), 0, 0);
        for piece in wire.chunks(piece_bytes) {
            if let Some(end) = scanner.scan(piece, &mut dots) {
                return (Some(before + end), dots);
            }
            before += piece.len();
        }
        (None, dots)
    }

    #[track_caller]
    fn check(wire: &[u8], end: Option<usize>, dots: u32) {
        assert_eq!(scan_slowly(wire), (end, dots), "the twin on {}", wire.escape_ascii());
        for piece_bytes in 1..=wire.len().max(1) {
            let found = scan_in_pieces(wire, piece_bytes);
            assert_eq!(found, (end, dots), "{} by {piece_bytes}", wire.escape_ascii());
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_data() {
        check(b"a\r\n.\r\n", Some(6), 0);
        check(b".\r\n", Some(3), 0); // the very first line
        check(b".\r\nQUIT\r\n", Some(3), 0); // what follows is not looked at
        check(b"\r\n.\r\n", Some(5), 0);
        check(b"\n.\n", None, 0);
        check(b"a\n.\r\n", None, 0);
        check(b"a\r\n.\n", None, 1);
        check(b"a\r.\r", None, 0);
        check(b"a\r.\r\n", None, 0);
        check(b"a\r\n.\r", None, 0);
        check(b"a\r\n.\r\r\n", None, 1);
        check(b"a\r\r\n.\r\n", Some(7), 0); // the second CR and LF are a CRLF
        check(b"a\r\n\0.\r\n", None, 0);
        check(b"a\r\n.\0\r\n", None, 1);
        check(b"a\r\n.\r\0\n", None, 1);
        check(b"a\r\n \r\n.\r\n", Some(9), 0);
        check(b"", None, 0);
    }

    #[test]
    fn stuffed_dots_are_counted() {
        check(b"..\r\n.\r\n", Some(7), 1);
        check(b"..a\r\n...b\r\n.c\r\n.\r\n", Some(18), 3);
        check(b"a..\r\n.\r\n", Some(8), 0);
        check(b".\r..\r\n.\r\n", Some(9), 1);
        check(b".\r\r\n.\r\n", Some(7), 1);
    }

    #[test]
    fn all_short_payloads_agree_with_the_specification() {
        // Every string over {CR, LF, dot, other} of up to 8 octets: 87,380 strings.
        let alphabet = *b"\r\n.x";
        for length in 0..=8u32 {
            for number in 0..4usize.pow(length) {
                let digit = |at: u32| alphabet[number >> (2 * at) & 3];
                let wire: Vec<u8> = (0..length).map(digit).collect();
                let expected = scan_slowly(&wire);
                for piece_bytes in [1, 2, 3, 8] {
                    assert_eq!(scan_in_pieces(&wire, piece_bytes), expected, "{wire:?}");
                }
            }
        }
    }

    #[test]
    fn unstuff_drops_the_dot_that_begins_a_line() {
        for (wire, message) in [
            (&b""[..], &b""[..]),
            (b"a\r\n", b"a\r\n"),
            (b"..\r\n", b".\r\n"),
            (b"..a\r\n..b\r\n", b".a\r\n.b\r\n"),
            (b".a\r\n", b"a\r\n"),
            (b"a\n..b\r..c\r\n", b"a\n..b\r..c\r\n"), // a lone LF or CR begins no line
            (b"\r\n..\r\n..\r\n", b"\r\n.\r\n.\r\n"),
        ] {
            assert_eq!(&*unstuff(wire), message, "{}", wire.escape_ascii());
        }
    }
}
