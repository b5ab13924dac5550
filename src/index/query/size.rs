//! Size conditions.
use std::fmt;

use crate::wording::parse_size;

/// A range of sizes in octets, both ends included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeRange {
    pub min: u64,
    pub max: u64,
}

/// Why a text is not a size condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotASize {
    Malformed,
    /// The text is well-formed, but no size satisfies it, such as `<0` or `5..4`.
    Empty,
}

impl SizeRange {
    /// Parses `>1M`, `>=1M`, `<1M`, `<=1M`, `=4096`, `4096`, `10K..2M`, `10K..` or `..2M`. A range
    /// includes both ends.
    pub(super) fn parse(text: &str) -> Result<SizeRange, NotASize> {
        let all = SizeRange { min: 0, max: u64::MAX };
        let size = if let Some((min, max)) = text.split_once("..") {
            if min.is_empty() && max.is_empty() {
                return Err(NotASize::Malformed);
            }
            let end = |text: &str, open| if text.is_empty() { Ok(open) } else { bytes(text) };
            SizeRange { min: end(min, all.min)?, max: end(max, all.max)? }
        } else if let Some(text) = text.strip_prefix(">=") {
            SizeRange { min: bytes(text)?, ..all }
        } else if let Some(text) = text.strip_prefix("<=") {
            SizeRange { max: bytes(text)?, ..all }
        } else if let Some(text) = text.strip_prefix('>') {
            SizeRange { min: bytes(text)?.checked_add(1).ok_or(NotASize::Empty)?, ..all }
        } else if let Some(text) = text.strip_prefix('<') {
            SizeRange { max: bytes(text)?.checked_sub(1).ok_or(NotASize::Empty)?, ..all }
        } else {
            let exactly = bytes(text.strip_prefix('=').unwrap_or(text))?;
            SizeRange { min: exactly, max: exactly }
        };
        if size.min > size.max { Err(NotASize::Empty) } else { Ok(size) }
    }

    pub(super) fn includes(self, bytes: u64) -> bool {
        (self.min..=self.max).contains(&bytes)
    }
}

/// Parses a size as the settings do, but without a space before the unit: a query is separated by
/// spaces.
fn bytes(text: &str) -> Result<u64, NotASize> {
    let size = Some(text).filter(|text| !text.contains(' ')).and_then(parse_size);
    size.ok_or(NotASize::Malformed)
}

impl fmt::Display for SizeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (min, u64::MAX) => write!(f, ">={min}"),
            (0, max) => write!(f, "<={max}"),
            (min, max) => write!(f, "{min}..{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed() {
        for (text, min, max) in [
            ("4096", 4096, 4096),
            ("=4K", 4096, 4096),
            (">1M", (1 << 20) + 1, u64::MAX),
            (">=1MiB", 1 << 20, u64::MAX),
            ("<1KB", 0, 999),
            ("<1kib", 0, 1023),
            ("<=0", 0, 0),
            ("10K..2M", 10240, 2 << 20),
            ("10..", 10, u64::MAX),
            ("..2g", 0, 2 << 30),
            (">=1T", 1 << 40, u64::MAX),
            ("<2TiB", 0, (2 << 40) - 1),
            ("7..7", 7, 7),
        ] {
            let size = SizeRange::parse(text).unwrap();
            assert_eq!(size, SizeRange { min, max }, "{text}");
            assert_eq!(SizeRange::parse(&size.to_string()), Ok(size), "{size}");
        }
        for text in ["", ">", "..", "K", "1.5M", "-1", "1P", ">>1", "1 K", "99999999999999999999"] {
            assert_eq!(SizeRange::parse(text), Err(NotASize::Malformed), "{text}");
        }
        for text in ["<0", "2..1", ">18446744073709551615"] {
            assert_eq!(SizeRange::parse(text), Err(NotASize::Empty), "{text}");
        }
    }
}
