//! Spans of time as a log and as statistics want them.
use std::ops::Range;

use crate::log::reader::Span;

/// A span of ns as a log wants it.
pub fn log_span(ns: &Range<u64>) -> Span {
    Span {
        since_ns: (ns.start > 0).then_some(ns.start),
        until_ns: (ns.end < u64::MAX).then_some(ns.end),
    }
}

/// Whole seconds that begin in a span of ns: statistics are kept by the second.
pub fn seconds(ns: &Range<u64>) -> Range<u64> {
    ns.start.div_ceil(1_000_000_000)..ns.end.div_ceil(1_000_000_000)
}

/// Returns the whole seconds of a span in ns: what a log is asked for, so that it agrees with
/// statistics on what belongs to the span.
pub fn whole(span: &Range<u64>) -> Range<u64> {
    let Range { start, end } = seconds(span);
    let ns = |s: u64| s.saturating_mul(1_000_000_000);
    ns(start)..ns(end)
}
