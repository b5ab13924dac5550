//! Points on a monotonic clock.
use std::time::Duration;

const NS_PER_S: u64 = 1_000_000_000;

/// A point on a monotonic clock, in whole units since the clock's start. There are `PER_S` units in
/// a second, so points in different units have different types.
///
/// Nothing converts a point into a length of time, or back, except for the methods below. A result
/// that would precede the start is the start; one that would exceed the range is its last point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Monotonic<const PER_S: u64>(u64);

/// A point in ns. The last one is 584 years after the start.
pub type MonotonicNs = Monotonic<NS_PER_S>;
/// A point in µs.
pub type MonotonicUs = Monotonic<1_000_000>;
/// A point in ms.
pub type MonotonicMs = Monotonic<1000>;

impl<const PER_S: u64> Monotonic<PER_S> {
    /// The start of the clock, which is the first point.
    pub const START: Self = Monotonic(0);

    /// Returns the point that is this number of units after the start. For clocks, and for atomics
    /// that store points.
    #[inline]
    pub const fn new(units: u64) -> Self {
        Monotonic(units)
    }

    /// Returns the number of units since the start. For atomics that store points, and for sums of
    /// many points.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to this point; zero if `earlier` is later. Costs a division,
    /// which [`us_since`](MonotonicUs::us_since) and its like do not.
    pub const fn since(self, earlier: Self) -> Duration {
        let units = self.0.saturating_sub(earlier.0);
        let ns = units % PER_S * (NS_PER_S / PER_S);
        Duration::new(units / PER_S, ns as u32)
    }

    /// Returns the point that is `time` later, in which a part of a unit counts nothing.
    #[inline]
    pub const fn saturating_add(self, time: Duration) -> Self {
        let part = time.subsec_nanos() as u64 / (NS_PER_S / PER_S);
        let units = time.as_secs().saturating_mul(PER_S).saturating_add(part);
        Monotonic(self.0.saturating_add(units))
    }
}

impl MonotonicNs {
    /// Returns the µs that contains the point.
    #[inline]
    pub const fn us(self) -> MonotonicUs {
        Monotonic(self.0 / 1000)
    }

    /// Returns the ms that contains the point.
    #[inline]
    pub const fn ms(self) -> MonotonicMs {
        Monotonic(self.0 / 1_000_000)
    }

    /// Returns the ns from `earlier` to this point; 0 if `earlier` is later.
    #[inline]
    pub const fn ns_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the point that is `ns` later.
    #[inline]
    pub const fn saturating_add_ns(self, ns: u64) -> Self {
        Monotonic(self.0.saturating_add(ns))
    }
}

impl MonotonicUs {
    /// Returns the ms that contains the point.
    #[inline]
    pub const fn ms(self) -> MonotonicMs {
        Monotonic(self.0 / 1000)
    }

    /// Returns the µs from `earlier` to this point; 0 if `earlier` is later.
    #[inline]
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the point that is `us` later.
    #[inline]
    pub const fn saturating_add_us(self, us: u64) -> Self {
        Monotonic(self.0.saturating_add(us))
    }

    /// Returns the point that is `us` earlier.
    #[inline]
    pub const fn saturating_sub_us(self, us: u64) -> Self {
        Monotonic(self.0.saturating_sub(us))
    }
}

impl MonotonicMs {
    /// Returns the µs with which this ms begins. The point must be one that a clock returned, as a
    /// far deadline would be out of range.
    #[inline]
    pub const fn us(self) -> MonotonicUs {
        Monotonic(self.0 * 1000)
    }

    /// Returns the ms from `earlier` to this point; 0 if `earlier` is later.
    #[inline]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarser_unit_is_the_one_that_contains_the_point() {
        for (ns, us, ms) in [
            (0, 0, 0),
            (999, 0, 0),
            (1000, 1, 0),
            (999_999, 999, 0),
            (1_000_000, 1000, 1),
            (u64::MAX, u64::MAX / 1000, u64::MAX / 1_000_000),
        ] {
            let point = MonotonicNs::new(ns);
            assert_eq!((point.us().get(), point.ms().get()), (us, ms), "{ns}");
            assert_eq!(point.us().ms(), point.ms(), "{ns}");
            assert_eq!(point.ms().us().ms(), point.ms(), "{ns}");
        }
    }

    #[test]
    fn a_difference_is_zero_if_the_other_point_is_later() {
        for (earlier, later, units) in [(0, 0, 0), (5, 12, 7), (12, 5, 0), (0, u64::MAX, u64::MAX)]
        {
            let ns = MonotonicNs::new(later).ns_since(MonotonicNs::new(earlier));
            let us = MonotonicUs::new(later).us_since(MonotonicUs::new(earlier));
            let ms = MonotonicMs::new(later).ms_since(MonotonicMs::new(earlier));
            assert_eq!([ns, us, ms], [units; 3], "{earlier} to {later}");
            let since = MonotonicUs::new(later).since(MonotonicUs::new(earlier));
            assert_eq!(since, Duration::from_micros(units), "{earlier} to {later}");
            let since = MonotonicNs::new(later).since(MonotonicNs::new(earlier));
            assert_eq!(since, Duration::from_nanos(units), "{earlier} to {later}");
        }
    }

    #[test]
    fn a_sum_stays_in_range_and_counts_whole_units() {
        let (ns, us, ms) = (MonotonicNs::new(7), MonotonicUs::new(7), MonotonicMs::new(7));
        for (time, in_ns, in_us, in_ms) in [
            (Duration::ZERO, 7, 7, 7),
            (Duration::from_nanos(999), 1006, 7, 7),
            (Duration::from_nanos(2_000_999), 2_001_006, 2007, 9),
            (Duration::MAX, u64::MAX, u64::MAX, u64::MAX),
        ] {
            assert_eq!(ns.saturating_add(time), MonotonicNs::new(in_ns), "{time:?}");
            assert_eq!(us.saturating_add(time), MonotonicUs::new(in_us), "{time:?}");
            assert_eq!(ms.saturating_add(time), MonotonicMs::new(in_ms), "{time:?}");
        }
        assert_eq!(ns.saturating_add_ns(u64::MAX), MonotonicNs::new(u64::MAX));
        assert_eq!(us.saturating_add_us(1), MonotonicUs::new(8));
        assert_eq!(us.saturating_sub_us(8), MonotonicUs::START);
    }
}
