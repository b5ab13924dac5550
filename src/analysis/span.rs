//! Converts spans of time for logs and for statistics.
use std::ops::Range;

use crate::log::reader::Span;

/// Converts a span in Unix ns to the span of a log; 0 and `u64::MAX` mean unbounded.
pub fn log_span(ns: &Range<u64>) -> Span {
    Span {
        since_ns: (ns.start > 0).then_some(ns.start),
        until_ns: (ns.end < u64::MAX).then_some(ns.end),
    }
}

/// Returns the whole seconds that begin in a span of ns, because statistics are kept per second.
pub fn seconds(ns: &Range<u64>) -> Range<u64> {
    ns.start.div_ceil(1_000_000_000)..ns.end.div_ceil(1_000_000_000)
}

/// Rounds a span of ns to whole seconds, so that a log and statistics agree on what belongs to it.
pub fn whole(span: &Range<u64>) -> Range<u64> {
    let Range { start, end } = seconds(span);
    let ns = |s: u64| s.saturating_mul(1_000_000_000);
    ns(start)..ns(end)
}
