//! Decides when each message leaves.
use std::fmt;

use crate::sender::input::Positive;
use crate::time::{MonotonicNs, UnixNs};

/// The pace of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplayPace {
    /// The recorded times, scaled by `speed`.
    Original {
        /// The speed factor: 1 is the original speed, 4 sends an hour of mail in 15 minutes.
        speed: Positive,
    },
    /// A fixed number of messages per second, evenly, in the original order.
    Rate {
        /// The rate.
        per_s: Positive,
    },
    /// Each message leaves as soon as a connection has room for it.
    Max,
}

/// The departure times of successive messages.
#[derive(Debug)]
pub struct Departures {
    pace: ReplayPace,
    first_left_ns: Option<UnixNs>,
    /// The number of messages that were passed to `next`.
    passed: u64,
    last_due_ns: MonotonicNs,
}

impl Departures {
    /// Starts with the first message passed to `next`.
    pub fn new(pace: ReplayPace) -> Departures {
        Departures { pace, first_left_ns: None, passed: 0, last_due_ns: MonotonicNs::START }
    }

    /// Returns when the next message leaves; never decreases. `None`: as soon as a connection has
    /// room for it. `left_ns` is its original departure. Where the clock had been set back, the
    /// pause is 0.
    pub fn next(&mut self, left_ns: UnixNs) -> Option<MonotonicNs> {
        let first_left_ns = *self.first_left_ns.get_or_insert(left_ns);
        let due = match self.pace {
            ReplayPace::Max => return None,
            // An f64 holds a hundred days to the nanosecond, and years to the microsecond.
            ReplayPace::Original { speed } => left_ns.ns_since(first_left_ns) as f64 / speed.get(),
            ReplayPace::Rate { per_s } => self.passed as f64 / per_s.get() * 1e9,
        };
        self.passed += 1;
        self.last_due_ns = self.last_due_ns.max(MonotonicNs::new(due as u64));
        Some(self.last_due_ns)
    }
}

impl ReplayPace {
    /// Returns how long `messages` recorded within `span_ns` take, in seconds; `None` if unknown.
    pub fn seconds(self, messages: u64, span_ns: u64) -> Option<f64> {
        match self {
            ReplayPace::Original { speed } => Some(span_ns as f64 / 1e9 / speed.get()),
            ReplayPace::Rate { per_s } => Some(messages.saturating_sub(1) as f64 / per_s.get()),
            ReplayPace::Max => None,
        }
    }
}

impl fmt::Display for ReplayPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayPace::Original { speed } if *speed == Positive::ONE => {
                f.write_str("with the original timing")
            }
            ReplayPace::Original { speed } => {
                write!(f, "with the original timing, {speed} times as fast")
            }
            ReplayPace::Rate { per_s } => write!(f, "{per_s} messages a second"),
            ReplayPace::Max => f.write_str("as fast as the target accepts them"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pace: ReplayPace, left: &[u64], expected: &[u64]) {
        let mut moments = Departures::new(pace);
        let got: Vec<MonotonicNs> =
            left.iter().filter_map(|left| moments.next(UnixNs::new(*left))).collect();
        let expected: Vec<MonotonicNs> = expected.iter().copied().map(MonotonicNs::new).collect();
        assert_eq!(got, expected, "{pace}");
    }

    #[test]
    fn messages_leave_when_they_did_then_or_evenly() {
        let number = |number| Positive::new(number).unwrap();
        let original = |speed| ReplayPace::Original { speed: number(speed) };
        let rate = |per_s| ReplayPace::Rate { per_s: number(per_s) };
        check(original(1.0), &[1_000, 1_000, 1_500, 9_000], &[0, 0, 500, 8_000]);
        check(original(4.0), &[1_000, 1_500, 9_000], &[0, 125, 2_000]);
        check(original(0.5), &[1_000, 1_500], &[0, 1_000]);
        // The clock was set back between two starts of sinkd.
        check(original(1.0), &[5_000, 6_000, 1_000, 7_000], &[0, 1_000, 1_000, 2_000]);
        check(original(1.0), &[0, u64::MAX], &[0, u64::MAX]);
        check(rate(1000.0), &[9, 1, 5], &[0, 1_000_000, 2_000_000]);
        check(rate(0.5), &[9, 1], &[0, 2_000_000_000]);
        check(ReplayPace::Max, &[1, 2], &[]);
    }
}
