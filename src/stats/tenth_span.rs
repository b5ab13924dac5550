//! The time from the first to the last message of a run.

/// The length of a tenth of a second.
const TENTH_NS: u64 = 100_000_000;

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

    /// Returns when the first tenth begins, in Unix ns.
    pub fn begin_ns(self) -> u64 {
        self.first * TENTH_NS
    }

    /// Returns when the last tenth ends, in Unix ns.
    pub fn end_ns(self) -> u64 {
        (self.last + 1) * TENTH_NS
    }
}
