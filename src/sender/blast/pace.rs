//! When messages leave, if their rate is given (open loop).
use std::time::Duration;

use super::random::{Purpose, Random};
use crate::sender::clock::nanos;

/// How messages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrivals {
    /// Message n leaves at n / rate.
    #[default]
    Even,
    /// As many independent senders do: gaps have an exponential distribution.
    Poisson,
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendingRate {
    /// Messages a second, of all threads together; above 0.
    pub per_s: f64,
    #[allow(missing_docs)]
    pub arrivals: Arrivals,
    /// No message leaves then or later.
    pub until: Option<Duration>,
}

/// The moments of one thread's messages.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    gap_ns: f64,
    arrivals: Arrivals,
    until_ns: u64,
    seed: u64,
    /// Poisson: how far it has been added up.
    number: u64,
    at_ns: f64,
}

impl Schedule {
    pub fn new(pace: &SendingRate, seed: u64) -> Schedule {
        Schedule {
            gap_ns: 1e9 / pace.per_s,
            arrivals: pace.arrivals,
            until_ns: pace.until.map_or(u64::MAX, nanos),
            seed,
            number: 0,
            at_ns: 0.0,
        }
    }

    /// When it leaves, ns since the start of sending; `None`: not any more.
    ///
    /// `number`: never falls. Poisson arrivals cost 15 ns for each number since the last call:
    /// every thread adds up the gaps of all, which need no agreement then.
    pub fn due_ns(&mut self, number: u64) -> Option<u64> {
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
        } as u64;
        (due < self.until_ns).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(arrivals: Arrivals, first: u64, step: usize) -> Vec<u64> {
        let pace = SendingRate { per_s: 1000.0, arrivals, until: Some(Duration::from_secs(10)) };
        let mut schedule = Schedule::new(&pace, 7);
        (first..).step_by(step).map_while(|number| schedule.due_ns(number)).collect()
    }

    #[test]
    fn a_rate_is_kept() {
        assert_eq!(dues(Arrivals::Even, 0, 1)[..3], [0, 1_000_000, 2_000_000]);
        assert_eq!(dues(Arrivals::Even, 0, 1).len(), 10_000);
        let poisson = dues(Arrivals::Poisson, 0, 1);
        assert!((9_700..10_300).contains(&poisson.len()), "{}", poisson.len());
        assert!(poisson.windows(2).all(|pair| pair[0] <= pair[1]));
        // A third of the gaps is longer than the mean: 1 / e.
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
