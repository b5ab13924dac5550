//! The time from the first to the last message of a run.

use crate::time::UnixNs;

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

    /// Returns when the first tenth begins.
    pub fn begin_ns(self) -> UnixNs {
        UnixNs::of_tenth(self.first)
    }

    /// Returns when the last tenth ends.
    pub fn end_ns(self) -> UnixNs {
        UnixNs::of_tenth(self.last + 1)
    }
}
