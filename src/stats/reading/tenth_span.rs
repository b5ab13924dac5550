//! The time from the first to the last message of a run.
use crate::time::UnixNs;

/// The length of a tenth of a second, in µs.
const TENTH_US: u64 = 100_000;
/// The number of tenths in a second.
const TENTHS: u64 = 10;

/// A span of tenths of a second, which are numbered from the Unix epoch. It has at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenthSpan {
    /// The first tenth.
    pub first: u64,
    /// The last tenth, which is part of the span.
    pub last: u64,
}

impl TenthSpan {
    /// Returns the number of tenths.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }

    /// Returns the length of the span in µs.
    pub fn us(self) -> u64 {
        self.count() * TENTH_US
    }

    /// Returns the length of the span without its first and its last tenth, in µs.
    pub fn inner_us(self) -> u64 {
        (self.last - self.first).saturating_sub(1) * TENTH_US
    }

    /// Returns the Unix seconds that contain the first and the last tenth.
    pub fn seconds(self) -> (u64, u64) {
        (self.first / TENTHS, self.last / TENTHS)
    }

    /// Returns when the first tenth begins.
    pub fn begin_ns(self) -> UnixNs {
        UnixNs::of_tenth(self.first)
    }

    /// Returns when the last tenth ends.
    pub fn end_ns(self) -> UnixNs {
        UnixNs::of_tenth(self.last + 1)
    }
}
