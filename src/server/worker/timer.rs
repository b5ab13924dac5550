//! A hashed timer wheel for timeouts, which events don't touch.
//!
//! Each connection is in the wheel once. A read only updates the connection's time of last input.
//! When the connection's entry comes up, its deadline is computed again, and if that is in the
//! future, the entry is put back. So the wheel costs nothing per event, however many connections
//! are busy.

use crate::time::MonotonicMs;

use super::place::ConnKey;

/// Milliseconds per bucket: the resolution of all timeouts.
const TICK_MS: u64 = 50;
/// Number of buckets. Entries with deadlines beyond `TICK_MS * BUCKETS` come up early.
const BUCKETS: u64 = 1024;

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    buckets: Vec<Vec<ConnKey>>,
    /// The next tick to be checked.
    tick: u64,
    entries: usize,
    /// All buckets before this tick are empty.
    next_due_tick: u64,
}

impl Wheel {
    pub fn new() -> Wheel {
        let buckets = (0..BUCKETS).map(|_| Vec::new()).collect();
        Wheel { buckets, tick: 0, entries: 0, next_due_tick: u64::MAX }
    }

    /// Inserts `key`, to be due at `deadline_ms` or at the horizon, whichever is earlier.
    pub fn insert(&mut self, key: ConnKey, deadline_ms: MonotonicMs) {
        let wanted = deadline_ms.get().div_ceil(TICK_MS);
        let tick = wanted.clamp(self.tick, self.tick + BUCKETS - 1);
        self.buckets[(tick % BUCKETS) as usize].push(key);
        self.entries += 1;
        self.next_due_tick = self.next_due_tick.min(tick);
    }

    /// Returns the milliseconds from `now_ms` until an entry may be due; `None` if the wheel is
    /// empty.
    pub fn wait_ms(&self, now_ms: MonotonicMs) -> Option<u64> {
        (self.entries > 0).then(|| MonotonicMs::new(self.next_due_tick * TICK_MS).ms_since(now_ms))
    }

    /// Moves every key that is due by `now_ms` into `due`, which must be empty.
    pub fn turn(&mut self, now_ms: MonotonicMs, due: &mut Vec<ConnKey>) {
        let now_tick = now_ms.get() / TICK_MS;
        if now_tick < self.next_due_tick {
            return;
        }
        // After a long pause, one revolution reaches every entry.
        let last = now_tick.min(self.tick + BUCKETS - 1);
        for tick in self.tick..=last {
            due.append(&mut self.buckets[(tick % BUCKETS) as usize]);
        }
        self.entries -= due.len();
        self.tick = now_tick + 1;
        self.next_due_tick = (self.tick..self.tick + BUCKETS)
            .find(|t| !self.buckets[(t % BUCKETS) as usize].is_empty())
            .unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::worker::place::TablePlace;

    fn key(index: usize) -> ConnKey {
        ConnKey { place: TablePlace::new(index), serial: 0 }
    }

    #[test]
    fn no_key_is_due_early_and_every_key_is_due_in_time() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        for ms in [0, 1, 49, 50, 51, 1000, 51_149] {
            wheel.insert(key(ms as usize), MonotonicMs::new(ms));
        }
        for now in 0..52_000 {
            wheel.turn(MonotonicMs::new(now), &mut due);
            for k in due.drain(..) {
                let due_ms = k.place.index() as u64;
                assert!(now >= due_ms, "{due_ms} came at {now}");
                assert!(now < due_ms + TICK_MS + 1, "{due_ms} came at {now}");
            }
        }
        assert_eq!(wheel.wait_ms(MonotonicMs::START), None);
    }

    #[test]
    fn a_distant_deadline_is_due_at_the_horizon() {
        let mut wheel = Wheel::new();
        wheel.insert(key(1), MonotonicMs::new(10_000_000));
        let mut due = Vec::new();
        wheel.turn(MonotonicMs::new(TICK_MS * BUCKETS), &mut due);
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn after_a_long_pause_all_keys_are_due_at_once() {
        let mut wheel = Wheel::new();
        (0..100).for_each(|n| wheel.insert(key(n), MonotonicMs::new(n as u64 * 100)));
        let mut due = Vec::new();
        wheel.turn(MonotonicMs::new(100_000_000), &mut due);
        assert_eq!(due.len(), 100);
        wheel.insert(key(1), MonotonicMs::new(100_000_100));
        assert_eq!(wheel.wait_ms(MonotonicMs::new(100_000_000)), Some(100));
    }
}
