//! Decides when messages leave if a rate is given (open loop).
use std::time::Duration;

use crate::time::MonotonicNs;

use super::random::{Purpose, Random};
use crate::sender::input::Positive;

/// The distribution of the gaps between messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrivals {
    /// Message n leaves at n / rate.
    #[default]
    Even,
    /// Gaps have an exponential distribution, as with many independent senders.
    Poisson,
}

/// A rate of sending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendingRate {
    /// Messages per second over all threads.
    pub per_s: Positive,
    /// The distribution of the gaps.
    pub arrivals: Arrivals,
    /// No message leaves at this time or later.
    pub until: Option<Duration>,
}

/// The sending times of one thread's messages.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    gap_ns: f64,
    arrivals: Arrivals,
    /// No message is due at this time or later.
    until_ns: Option<MonotonicNs>,
    seed: u64,
    /// For Poisson arrivals: the number up to which gaps were added up.
    number: u64,
    at_ns: f64,
}

impl Schedule {
    pub fn new(pace: &SendingRate, seed: u64) -> Schedule {
        Schedule {
            gap_ns: 1e9 / pace.per_s.get(),
            arrivals: pace.arrivals,
            until_ns: pace.until.map(|until| MonotonicNs::START.saturating_add(until)),
            seed,
            number: 0,
            at_ns: 0.0,
        }
    }

    /// Returns when the message is due; `None` if that is not before the end.
    ///
    /// `number` must not decrease. Poisson arrivals cost 15 ns for each number since the last call,
    /// because every thread adds up the gaps of all messages, which avoids communication between
    /// threads.
    pub fn due_ns(&mut self, number: u64) -> Option<MonotonicNs> {
        let due = match self.arrivals {
            Arrivals::Even => number as f64 * self.gap_ns,
            Arrivals::Poisson => {
                while self.number <= number {
                    let mut random = Random::new(self.seed, self.number, Purpose::Arrival);
                    self.at_ns += random.exponential() * self.gap_ns;
                    self.number += 1;
                }
                self.at_ns
            }
        };
        let due_ns = MonotonicNs::new(due as u64);
        self.until_ns.is_none_or(|until_ns| due_ns < until_ns).then_some(due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(arrivals: Arrivals, first: u64, step: usize) -> Vec<u64> {
        let per_s = Positive::new(1000.0).unwrap();
        let pace = SendingRate { per_s, arrivals, until: Some(Duration::from_secs(10)) };
        let mut schedule = Schedule::new(&pace, 7);
        (first..).step_by(step).map_while(|number| Some(schedule.due_ns(number)?.get())).collect()
    }

    #[test]
    fn a_rate_is_kept() {
        assert_eq!(dues(Arrivals::Even, 0, 1)[..3], [0, 1_000_000, 2_000_000]);
        assert_eq!(dues(Arrivals::Even, 0, 1).len(), 10_000);
        let poisson = dues(Arrivals::Poisson, 0, 1);
        assert!((9_700..10_300).contains(&poisson.len()), "{}", poisson.len());
        assert!(poisson.windows(2).all(|pair| pair[0] <= pair[1]));
        // The share of gaps longer than the mean is 1 / e, about a third.
        let long = poisson.windows(2).filter(|pair| pair[1] - pair[0] > 1_000_000).count();
        assert!((3_400..3_960).contains(&long), "{long}");
    }

    #[test]
    fn threads_share_one_sequence() {
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            let mut shared: Vec<u64> = (0..3).flat_map(|t| dues(arrivals, t, 3)).collect();
            shared.sort_unstable();
            assert_eq!(shared, dues(arrivals, 0, 1), "{arrivals:?}");
        }
    }
}
