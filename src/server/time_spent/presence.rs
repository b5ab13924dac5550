//! Total time during which at least one connection was in use, across all workers.
use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::MonotonicUs;

/// Number of bits that hold the time.
const SINCE_BITS: u32 = 48;
const SINCE_MASK: u64 = (1 << SINCE_BITS) - 1;

/// The number of workers with connections in use, and since when there has been at least one.
///
/// The worker that ends such a period, or a second of it, claims that time, so no time is claimed
/// twice. A worker calls a method when its first connection comes into use, when the last one goes
/// idle, and once a second.
#[derive(Debug, Default)]
pub struct Presence {
    /// High bits: the number of workers. Low bits: a [`MonotonicUs`] of the clock that all workers
    /// share (9 years).
    packed: AtomicU64,
}

impl Presence {
    /// Adds a worker, whose first connection came into use at `now_us`.
    pub fn enter(&self, now_us: MonotonicUs) {
        self.change(|workers, since_us| {
            (workers + 1, if workers == 0 { now_us } else { since_us })
        });
    }

    /// Removes a worker, whose last connection went idle at `now_us`. Returns the time to
    /// count, if it was the last worker; else 0.
    pub fn leave(&self, now_us: MonotonicUs) -> u64 {
        let (workers, since_us) = self.change(|workers, since_us| (workers - 1, since_us));
        if workers == 1 { now_us.us_since(since_us) } else { 0 }
    }

    /// Claims the time up to `now_us`, the end of a second. Returns the part that no worker had
    /// claimed.
    pub fn claim(&self, now_us: MonotonicUs) -> u64 {
        let (workers, since_us) = self.change(|workers, since_us| (workers, since_us.max(now_us)));
        if workers == 0 { 0 } else { now_us.us_since(since_us) }
    }

    /// Changes the pair, and returns what it was before.
    fn change(&self, to: impl Fn(u64, MonotonicUs) -> (u64, MonotonicUs)) -> (u64, MonotonicUs) {
        let change = |packed: u64| {
            let (workers, since_us) = to(packed >> SINCE_BITS, since_us(packed));
            Some(workers << SINCE_BITS | since_us.get() & SINCE_MASK)
        };
        // Relaxed: these accesses pair with each other only, and publish nothing else.
        let before = self
            .packed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .expect("the closure never returns None");
        (before >> SINCE_BITS, since_us(before))
    }
}

fn since_us(packed: u64) -> MonotonicUs {
    MonotonicUs::new(packed & SINCE_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> MonotonicUs {
        MonotonicUs::new(us)
    }

    #[test]
    fn time_in_which_several_workers_have_connections_counts_once() {
        let presence = Presence::default();
        presence.enter(us(100));
        presence.enter(us(150));
        assert_eq!(presence.leave(us(300)), 0, "the other worker continues");
        assert_eq!(presence.claim(us(1000)), 900);
        assert_eq!(presence.claim(us(1000)), 0, "another worker has claimed it");
        assert_eq!(presence.leave(us(1250)), 250);
        assert_eq!(presence.claim(us(2000)), 0, "no worker had one");
        presence.enter(us(2500));
        assert_eq!(presence.leave(us(2501)), 1);
    }

    #[test]
    fn time_before_a_claimed_second_is_not_counted_again() {
        let presence = Presence::default();
        presence.enter(us(5));
        assert_eq!(presence.claim(us(1000)), 995);
        assert_eq!(presence.leave(us(999)), 0);
    }
}
