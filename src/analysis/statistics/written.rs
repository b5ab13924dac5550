//! Waits for statistics, which are written a second or two late.
use std::time::Duration;

use crate::analysis::error::AnalysisError;
use crate::stats::{Counter, History};
use crate::time::{Clock, Span, UnixNs};

/// Statistics of a second are written within this time after its end.
pub const WRITTEN_WITHIN: Duration = Duration::from_secs(2);
/// The time between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Waits until the statistics of everything before `end_ns` are written. Takes up to
/// three seconds if `end_ns` is at most a second ahead.
pub fn wait_until_written(end_ns: UnixNs, clock: &dyn Clock) {
    let mut left = patience(end_ns, clock.now());
    while !left.is_zero() {
        clock.pause(left);
        left = patience(end_ns, clock.now());
    }
}

/// Returns how long the statistics of a span that ends at `end_ns` may still be unwritten, up to
/// three seconds.
fn patience(end_ns: UnixNs, now_ns: UnixNs) -> Duration {
    let written_ns = end_ns.saturating_add(WRITTEN_WITHIN);
    written_ns.since(now_ns).min(WRITTEN_WITHIN + Duration::from_secs(1))
}

/// Returns how long to wait until the statistics of the span that ends last are on disk; at most
/// two seconds. Returns zero if any span has no end.
pub fn patience_of(spans: &[Span], now_ns: UnixNs) -> Duration {
    let ends: Option<Vec<UnixNs>> = spans.iter().map(|span| span.until_ns).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    last.map_or(Duration::ZERO, |end_ns| patience(end_ns, now_ns).min(WRITTEN_WITHIN))
}

/// Reads again while fewer messages are recorded than were `accepted`, for up to `patience`.
/// Returns the last result, and the number of messages still missing; `None` if the log does not
/// show it.
pub fn complete(
    patience: Duration,
    clock: &dyn Clock,
    read: impl Fn() -> Result<History, AnalysisError>,
    accepted: impl Fn() -> Option<u64>,
) -> Result<(History, Option<u64>), AnalysisError> {
    let until_ns = clock.now().saturating_add(patience);
    loop {
        let history = read()?;
        let recorded = history.total(Counter::Messages);
        let not_recorded = accepted().map(|accepted| accepted.saturating_sub(recorded));
        if not_recorded.is_none_or(|n| n == 0) || clock.now() >= until_ns {
            return Ok((history, not_recorded));
        }
        clock.pause(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that advances only while a caller waits, by about half of the requested time.
    struct ByHand(Cell<UnixNs>);

    impl Clock for ByHand {
        fn now(&self) -> UnixNs {
            self.0.get()
        }

        fn pause(&self, time: Duration) {
            self.0.set(self.0.get().saturating_add(time / 2).saturating_add_ns(1));
        }
    }

    fn clock(seconds: u64) -> ByHand {
        ByHand(Cell::new(UnixNs::of_second(seconds)))
    }

    #[test]
    fn a_second_is_waited_for_until_it_is_written_and_no_longer() {
        for (end_s, now_s, waits_s) in [(100, 100, 2), (100, 101, 1), (100, 102, 0), (100, 500, 0)]
        {
            let clock = clock(now_s);
            wait_until_written(UnixNs::of_second(end_s), &clock);
            let waited = clock.now().since(UnixNs::of_second(now_s));
            let expected = Duration::from_secs(waits_s);
            assert!(waited >= expected && waited <= expected + Duration::from_millis(1));
        }
    }

    #[test]
    fn the_span_that_ends_last_is_waited_for_unless_one_has_no_end() {
        let until = |s: u64| Span { until_ns: Some(UnixNs::of_second(s)), ..Span::ALL };
        let now_ns = UnixNs::of_second(101);
        for (spans, waits_s) in [
            (vec![], 0),
            (vec![until(90)], 0),
            (vec![until(100), until(90)], 1),
            (vec![until(100), until(500)], 2),
            (vec![until(100), Span::ALL], 0),
        ] {
            assert_eq!(patience_of(&spans, now_ns), Duration::from_secs(waits_s), "{spans:?}");
        }
    }

    #[test]
    fn messages_that_the_figures_lack_are_waited_for_and_then_counted() {
        let read = || Ok(History::default());
        let clock_at = clock(100);
        let found = complete(Duration::from_secs(3), &clock_at, read, || Some(7)).unwrap();
        assert_eq!(found.1, Some(7));
        let waited = clock_at.now().since(UnixNs::of_second(100));
        assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(4));
        for accepted in [None, Some(0)] {
            let clock_at = clock(100);
            let found = complete(Duration::from_secs(3), &clock_at, read, || accepted).unwrap();
            assert_eq!((found.1, clock_at.now()), (accepted, UnixNs::of_second(100)));
        }
    }
}
