//! A point in Unix time.
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::monotonic::MonotonicNs;

/// Number of ns in a second.
pub(super) const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_TENTH: u64 = NS_PER_S / 10;

/// A point in Unix time, in whole ns since 1970. The last one is in the year 2554.
///
/// The time of a process or of a run counts from its start, and has other types
/// ([`Monotonic`](super::Monotonic)). Operations whose result is out of range return the first or
/// the last point.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
#[serde(transparent)]
pub struct UnixNs(u64);

impl UnixNs {
    /// The beginning of 1970, which is the first point.
    pub const EPOCH: UnixNs = UnixNs(0);
    /// The last point.
    pub const LAST: UnixNs = UnixNs(u64::MAX);

    /// Returns the point that is `ns` after the beginning of 1970. For formats that store integers,
    /// and for clocks.
    #[inline]
    pub const fn new(ns: u64) -> UnixNs {
        UnixNs(ns)
    }

    /// Returns the ns since the beginning of 1970. For formats that store integers.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the point that is `time` after the beginning of 1970.
    pub fn of_duration(time: Duration) -> UnixNs {
        UnixNs(nanos(time))
    }

    /// Returns the time since the beginning of 1970.
    pub fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Returns the beginning of a whole second.
    #[inline]
    pub const fn of_second(second: u64) -> UnixNs {
        UnixNs(second.saturating_mul(NS_PER_S))
    }

    /// Returns the whole second that contains the point.
    #[inline]
    pub const fn second(self) -> u64 {
        self.0 / NS_PER_S
    }

    /// Returns the first whole second that does not begin before the point.
    pub const fn next_second(self) -> u64 {
        self.0.div_ceil(NS_PER_S)
    }

    /// Returns the beginning of a tenth of a second, numbered from the beginning of 1970.
    #[inline]
    pub const fn of_tenth(tenth: u64) -> UnixNs {
        UnixNs(tenth.saturating_mul(NS_PER_TENTH))
    }

    /// Returns the number of the tenth of a second that contains the point.
    #[inline]
    pub const fn tenth(self) -> u64 {
        self.0 / NS_PER_TENTH
    }

    /// Returns the time from `earlier` to this point; zero if `earlier` is later.
    pub fn since(self, earlier: UnixNs) -> Duration {
        Duration::from_nanos(self.ns_since(earlier))
    }

    /// Returns [`UnixNs::since`] in ns, which costs no division.
    #[inline]
    pub const fn ns_since(self, earlier: UnixNs) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time between two points, whichever is earlier.
    pub fn distance(self, other: UnixNs) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// Returns the point at `now_ns` of a clock that started at this point.
    #[inline]
    pub const fn at(self, now_ns: MonotonicNs) -> UnixNs {
        self.saturating_add_ns(now_ns.get())
    }

    /// Returns the point that is `time` later.
    pub fn saturating_add(self, time: Duration) -> UnixNs {
        self.saturating_add_ns(nanos(time))
    }

    /// Returns the point that is `ns` later.
    #[inline]
    pub const fn saturating_add_ns(self, ns: u64) -> UnixNs {
        UnixNs(self.0.saturating_add(ns))
    }

    /// Returns the point that is `time` earlier.
    pub fn saturating_sub(self, time: Duration) -> UnixNs {
        self.saturating_sub_ns(nanos(time))
    }

    /// Returns the point that is `ns` earlier.
    pub const fn saturating_sub_ns(self, ns: u64) -> UnixNs {
        UnixNs(self.0.saturating_sub(ns))
    }

    /// Returns the point that is `ns` later; an earlier one if `ns` is negative.
    pub const fn saturating_add_signed_ns(self, ns: i64) -> UnixNs {
        UnixNs(self.0.saturating_add_signed(ns))
    }

    /// Returns the point halfway to `end`, rounded down; `None` if no point is between the two.
    pub fn halfway_to(self, end: UnixNs) -> Option<UnixNs> {
        let ns = end.ns_since(self);
        (ns > 1).then(|| self.saturating_add_ns(ns / 2))
    }

    /// Returns the point as a time of the calendar.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0)).expect("2^64 ns are in the year 2554")
    }
}

/// A time of the calendar before 1970 becomes [`UnixNs::EPOCH`]; one after the year 2554,
/// [`UnixNs::LAST`].
impl From<Timestamp> for UnixNs {
    fn from(time: Timestamp) -> UnixNs {
        let ns = time.as_nanosecond().max(0);
        UnixNs(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = NS_PER_S;

    #[test]
    fn a_point_belongs_to_one_second() {
        for (ns, second, next) in [(0, 0, 0), (1, 0, 1), (S - 1, 0, 1), (S, 1, 1), (S + 1, 1, 2)] {
            let point = UnixNs::new(ns);
            assert_eq!((point.second(), point.next_second()), (second, next), "{ns}");
        }
        assert_eq!(UnixNs::of_second(7), UnixNs::new(7 * S));
        assert_eq!(UnixNs::of_tenth(73), UnixNs::new(7 * S + S / 10 * 3));
        assert_eq!((UnixNs::of_tenth(73).tenth(), UnixNs::new(S - 1).tenth()), (73, 9));
    }

    #[test]
    fn results_out_of_range_are_the_first_or_the_last_point() {
        let (first, last) = (UnixNs::EPOCH, UnixNs::LAST);
        assert_eq!(UnixNs::of_second(u64::MAX), last);
        assert_eq!(UnixNs::of_duration(Duration::MAX), last);
        assert_eq!(last.saturating_add_ns(1), last);
        assert_eq!(first.saturating_add(Duration::MAX), last);
        assert_eq!(last.at(MonotonicNs::new(1)), last);
        assert_eq!(last.saturating_add_signed_ns(1), last);
        assert_eq!(first.saturating_sub_ns(1), first);
        assert_eq!(last.saturating_sub(Duration::MAX), first);
        assert_eq!(first.saturating_add_signed_ns(-1), first);
        assert_eq!(UnixNs::from(Timestamp::MIN), first);
        assert_eq!(UnixNs::from(Timestamp::MAX), last);
    }

    #[test]
    fn time_between_points_is_never_negative() {
        let (early, late) = (UnixNs::new(5), UnixNs::new(12));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!((late.ns_since(early), early.ns_since(late)), (7, 0));
        assert_eq!(early.distance(late), late.distance(early));
    }

    #[test]
    fn halving_ends_when_no_point_is_between() {
        let at = UnixNs::new;
        assert_eq!(at(4).halfway_to(at(9)), Some(at(6)));
        assert_eq!(at(4).halfway_to(at(6)), Some(at(5)));
        for end in [5, 4, 3] {
            assert_eq!(at(4).halfway_to(at(end)), None, "{end}");
        }
        assert_eq!(at(u64::MAX - 2).halfway_to(UnixNs::LAST), Some(at(u64::MAX - 1)));
    }

    #[test]
    fn every_point_is_a_time_of_the_calendar_and_a_number_in_json() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_248_000_500_000_000, "2026-11-21T08:00:00.5Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            let point = UnixNs::new(ns);
            assert_eq!(point.timestamp().to_string(), text);
            assert_eq!(UnixNs::from(point.timestamp()), point);
            assert_eq!(UnixNs::of_duration(point.as_duration()), point);
            assert_eq!(serde_json::to_string(&point).unwrap(), ns.to_string());
            assert_eq!(serde_json::from_str::<UnixNs>(&ns.to_string()).unwrap(), point);
        }
    }
}
