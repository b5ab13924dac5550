//! Reply codes of a server.
use std::fmt;
use std::num::NonZeroU16;

/// A reply code: 200 to 599, because a server sends no 1xx (RFC 5321 section 4.2.1). An
/// `Option<ReplyCode>` needs two octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(NonZeroU16);

impl ReplyCode {
    /// The server closes the session (RFC 5321 section 3.8).
    pub const CLOSING: ReplyCode = ReplyCode::new(421).expect("it is in range");
    /// The number of different codes.
    pub const COUNT: usize = (LAST - FIRST + 1) as usize;

    /// Returns the code with this number; `None` if no reply can have it.
    #[inline]
    pub const fn new(number: u16) -> Option<ReplyCode> {
        match NonZeroU16::new(number) {
            Some(in_range) if number >= FIRST && number <= LAST => Some(ReplyCode(in_range)),
            _ => None,
        }
    }

    /// Parses three digits; `None` if no reply can have this code.
    #[inline]
    pub const fn from_digits(digits: [u8; 3]) -> Option<ReplyCode> {
        let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = digits else { return None };
        ReplyCode::new((a & 15) as u16 * 100 + (b & 15) as u16 * 10 + (c & 15) as u16)
    }

    /// Returns all codes, smallest first.
    pub fn all() -> impl Iterator<Item = ReplyCode> {
        (FIRST..=LAST).filter_map(ReplyCode::new)
    }

    /// Returns the position in [`ReplyCode::all`].
    #[inline]
    pub const fn index(self) -> usize {
        (self.number() - FIRST) as usize
    }

    /// Returns the code as a number.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// Returns whether the code is 2xx.
    #[inline]
    pub const fn is_positive(self) -> bool {
        self.number() < 300
    }

    /// Returns whether the code is 3xx: the server waits for more octets.
    #[inline]
    pub const fn is_intermediate(self) -> bool {
        matches!(self.number(), 300..400)
    }

    /// Returns whether the code is 4xx or 5xx.
    #[inline]
    pub const fn is_refusal(self) -> bool {
        self.number() >= 400
    }

    /// Returns whether the code is 4xx.
    #[inline]
    pub const fn is_transient(self) -> bool {
        matches!(self.number(), 400..500)
    }

    /// Returns whether the code is 5xx.
    #[inline]
    pub const fn is_permanent(self) -> bool {
        self.number() >= 500
    }
}

/// The bounds of codes.
const FIRST: u16 = 200;
const LAST: u16 = 599;

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_replies_can_be_made() {
        for (number, expected) in
            [(0, false), (199, false), (200, true), (599, true), (600, false), (u16::MAX, false)]
        {
            assert_eq!(ReplyCode::new(number).is_some(), expected, "{number}");
        }
        for digits in [*b"199", *b"600", *b"2x0", *b"20/", *b"20:", *b" 20"] {
            assert_eq!(ReplyCode::from_digits(digits), None, "{digits:?}");
        }
        for code in ReplyCode::all() {
            let text = code.to_string();
            let digits: [u8; 3] = text.as_bytes().try_into().expect("three digits");
            assert_eq!(ReplyCode::from_digits(digits), Some(code));
        }
        let indexes: Vec<usize> = ReplyCode::all().map(ReplyCode::index).collect();
        assert!(indexes.into_iter().eq(0..ReplyCode::COUNT));
        assert_eq!(size_of::<Option<ReplyCode>>(), 2);
    }
}
