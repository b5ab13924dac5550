//! For how long any connection was in use: one sum for all workers.
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the time.
const SINCE_BITS: u32 = 48;
const SINCE_MASK: u64 = (1 << SINCE_BITS) - 1;

/// How many workers have connections that wait, or are waited for, and since when there is one.
///
/// The worker that ends a stretch of such time, or a second of it, claims it: none is claimed
/// twice. A worker comes here when its first connection begins to wait, when none does any longer,
/// and once a second.
#[derive(Debug, Default)]
pub struct Presence {
    /// Workers above, us of the clock that all workers share below (9 years).
    packed: AtomicU64,
}

impl Presence {
    /// The first connection of a worker waits from `now_us` on.
    pub fn comes(&self, now_us: u64) {
        self.change(|workers, since_us| {
            (workers + 1, if workers == 0 { now_us } else { since_us })
        });
    }

    /// No connection of a worker waits from `now_us` on. Returns the time that ended with it.
    pub fn goes(&self, now_us: u64) -> u64 {
        let (workers, since_us) = self.change(|workers, since_us| (workers - 1, since_us));
        if workers == 1 { now_us.saturating_sub(since_us) } else { 0 }
    }

    /// A second ends at `now_us`. Returns the time up to there that no worker has claimed yet.
    pub fn claim(&self, now_us: u64) -> u64 {
        let (workers, since_us) = self.change(|workers, since_us| (workers, since_us.max(now_us)));
        if workers == 0 { 0 } else { now_us.saturating_sub(since_us) }
    }

    /// What was there before.
    fn change(&self, to: impl Fn(u64, u64) -> (u64, u64)) -> (u64, u64) {
        let change = |packed: u64| {
            let (workers, since_us) = to(packed >> SINCE_BITS, packed & SINCE_MASK);
            Some(workers << SINCE_BITS | since_us & SINCE_MASK)
        };
        // Nothing else is read or written by it.
        let before = self
            .packed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .expect("it always changes");
        (before >> SINCE_BITS, before & SINCE_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_several_workers_have_connections_counts_once() {
        let presence = Presence::default();
        presence.comes(100);
        presence.comes(150);
        assert_eq!(presence.goes(300), 0, "the other one goes on");
        assert_eq!(presence.claim(1000), 900);
        assert_eq!(presence.claim(1000), 0, "another worker has claimed it");
        assert_eq!(presence.goes(1250), 250);
        assert_eq!(presence.claim(2000), 0, "no worker had one");
        presence.comes(2500);
        assert_eq!(presence.goes(2501), 1);
    }

    #[test]
    fn what_ends_before_the_second_that_was_claimed_is_nothing_more() {
        let presence = Presence::default();
        presence.comes(5);
        assert_eq!(presence.claim(1000), 995);
        assert_eq!(presence.goes(999), 0);
    }
}
