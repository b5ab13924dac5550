//! A span of time in ns, as logs and queries use it.

use super::seconds::Seconds;
use super::unix_ns::UnixNs;

/// A half-open span of Unix time. It is empty if it does not begin before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The first time that belongs to the span; `None`: no lower bound.
    pub since_ns: Option<UnixNs>,
    /// The first time after the span; `None`: no upper bound.
    pub until_ns: Option<UnixNs>,
}

impl Span {
    /// All of time.
    pub const ALL: Span = Span { since_ns: None, until_ns: None };
    /// A span that contains nothing.
    pub const EMPTY: Span = Span { since_ns: None, until_ns: Some(UnixNs::EPOCH) };

    /// Returns whether the span contains every time. No time is before 1970, so a span that begins
    /// then has no lower bound.
    pub fn is_all(self) -> bool {
        self.start_ns() == UnixNs::EPOCH && self.until_ns.is_none()
    }

    /// Returns whether the span contains no time.
    pub fn is_empty(self) -> bool {
        self.until_ns.is_some_and(|until| until <= self.start_ns())
    }

    /// Returns whether a time belongs to the span.
    pub fn contains(self, at: UnixNs) -> bool {
        self.start_ns() <= at && self.is_before_end(at)
    }

    /// Returns whether a time is before the end of the span; always true without an upper bound.
    pub fn is_before_end(self, at: UnixNs) -> bool {
        self.until_ns.is_none_or(|until| at < until)
    }

    /// Returns the first time that belongs to the span: 1970 without a lower bound.
    pub fn start_ns(self) -> UnixNs {
        self.since_ns.unwrap_or(UnixNs::EPOCH)
    }

    /// Returns whether the span has ended at `now`, the time since 1970.
    pub fn is_over(self, now_ns: UnixNs) -> bool {
        self.until_ns.is_some_and(|until_ns| until_ns <= now_ns)
    }

    /// Returns the times in both spans. If there are none, the result begins and ends at the later
    /// beginning.
    pub fn intersection(self, other: Span) -> Span {
        let since_ns = self.since_ns.max(other.since_ns);
        let until_ns = [self.until_ns, other.until_ns].into_iter().flatten().min();
        Span {
            since_ns,
            until_ns: until_ns.map(|until| until.max(since_ns.unwrap_or(UnixNs::EPOCH))),
        }
    }

    /// Returns the smallest span that contains both. An empty span adds nothing.
    pub fn hull(self, other: Span) -> Span {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        Span {
            since_ns: self.since_ns.zip(other.since_ns).map(|(a, b)| a.min(b)),
            until_ns: self.until_ns.zip(other.until_ns).map(|(a, b)| a.max(b)),
        }
    }

    /// Returns the whole seconds that begin in the span, because statistics are kept per second.
    pub fn seconds(self) -> Seconds {
        let all = Seconds::ALL;
        Seconds {
            start: self.since_ns.map_or(all.start, UnixNs::next_second),
            end: self.until_ns.map_or(all.end, UnixNs::next_second),
        }
    }

    /// Rounds both bounds up to whole seconds, so that a log and statistics agree on what belongs
    /// to the span. A bound that ns can't express after rounding becomes the last ns.
    pub fn in_whole_seconds(self) -> Span {
        let bound = |at: UnixNs| UnixNs::of_second(at.next_second());
        Span { since_ns: self.since_ns.map(bound), until_ns: self.until_ns.map(bound) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::unix_ns::NS_PER_S;

    const S: u64 = NS_PER_S;

    fn span(since_ns: impl Into<Option<u64>>, until_ns: impl Into<Option<u64>>) -> Span {
        let at = |ns: Option<u64>| ns.map(UnixNs::new);
        Span { since_ns: at(since_ns.into()), until_ns: at(until_ns.into()) }
    }

    #[test]
    fn bounds_are_rounded_up_to_seconds() {
        for (ns, s) in [(0, 0), (1, 1), (S - 1, 1), (S, 1), (S + 1, 2), (5 * S, 5)] {
            assert_eq!(span(ns, None).seconds(), Seconds { start: s, ..Seconds::ALL }, "{ns}");
            assert_eq!(span(None, ns).seconds(), Seconds { end: s, ..Seconds::ALL }, "{ns}");
            assert_eq!(span(ns, ns).in_whole_seconds(), span(s * S, s * S), "{ns}");
        }
    }

    #[test]
    fn a_missing_bound_stays_missing() {
        assert_eq!(Span::ALL.seconds(), Seconds::ALL);
        assert_eq!(Span::ALL.in_whole_seconds(), Span::ALL);
        assert!(Span::ALL.is_all() && span(0, None).is_all() && Span::default().is_all());
        for bounded in [span(1, None), span(None, u64::MAX), Span::EMPTY] {
            assert!(!bounded.is_all(), "{bounded:?}");
        }
    }

    #[test]
    fn the_last_second_of_ns_saturates() {
        assert_eq!(span(u64::MAX, None).in_whole_seconds(), span(u64::MAX, None));
        assert_eq!(span(None, u64::MAX).seconds(), Seconds::ALL);
        assert!(Seconds::ALL.contains(u64::MAX / S));
    }

    #[test]
    fn a_span_is_over_at_its_end() {
        let ns = UnixNs::new;
        assert!(!span(None, 5).is_over(ns(4)) && span(None, 5).is_over(ns(5)));
        assert!(!span(9, None).is_over(UnixNs::LAST), "a span without an end is never over");
    }

    /// Generates no bound, or one in the first two seconds of 1970, often at an end of a second.
    fn bound() -> impl Strategy<Value = Option<u64>> {
        let edges = prop_oneof![Just(0), Just(1), Just(S - 1), Just(S), Just(S + 1)];
        proptest::option::of(prop_oneof![edges, 0..2 * S, 0..6u64])
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_times(
            a in (bound(), bound()),
            b in (bound(), bound()),
            ns in bound(),
        ) {
            let (a, b, ns) = (span(a.0, a.1), span(b.0, b.1), ns.unwrap_or(u64::MAX - 1));
            let at = UnixNs::new(ns);
            let both = a.contains(at) && b.contains(at);
            prop_assert_eq!(a.intersection(b).contains(at), both);
            prop_assert!(a.hull(b).contains(at) || !a.contains(at) && !b.contains(at));
            prop_assert!(!a.is_empty() || !a.contains(at));
            let has_ends = a.contains(UnixNs::EPOCH) && a.contains(UnixNs::LAST);
            prop_assert!(has_ends || !a.is_all());
            // A second belongs to a span if the span contains its beginning.
            let second = at.second();
            let begins = UnixNs::of_second(second);
            prop_assert_eq!(a.seconds().contains(second), a.contains(begins));
            let whole = a.in_whole_seconds();
            prop_assert_eq!(whole.contains(at), a.contains(begins));
            prop_assert_eq!(whole.seconds(), a.seconds());
        }
    }
}
