//! Idle time-outs: a hashed wheel that no event touches.
//!
//! A connection stands in the wheel once. An event only notes when something was heard; when the
//! connection's turn in the wheel comes, its deadline is computed anew, and it is put back if
//! that lies ahead. So 1,000 busy connections cost what 64 cost.

/// Milliseconds a bucket covers: the resolution of all time-outs.
const TICK_MS: u64 = 50;
/// Buckets; deadlines beyond `TICK_MS * BUCKETS` are visited on the way.
const BUCKETS: u64 = 1024;

/// Who stands in the wheel: a place in the table of connections and its serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerKey {
    pub place: usize,
    pub serial: u32,
}

#[derive(Debug)]
pub struct Wheel {
    buckets: Vec<Vec<TimerKey>>,
    /// The next tick to be looked at.
    tick: u64,
    standing: usize,
    /// No bucket before this tick holds anything.
    next_due_tick: u64,
}

impl Wheel {
    pub fn new() -> Wheel {
        let buckets = (0..BUCKETS).map(|_| Vec::new()).collect();
        Wheel { buckets, tick: 0, standing: 0, next_due_tick: u64::MAX }
    }

    /// Puts `key` in, to be due at `deadline_ms` or (never later) at the horizon.
    pub fn insert(&mut self, key: TimerKey, deadline_ms: u64) {
        let wanted = deadline_ms.div_ceil(TICK_MS);
        let tick = wanted.clamp(self.tick, self.tick + BUCKETS - 1);
        self.buckets[(tick % BUCKETS) as usize].push(key);
        self.standing += 1;
        self.next_due_tick = self.next_due_tick.min(tick);
    }

    /// Milliseconds from `now_ms` until something may be due; `None` if nothing stands here.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        (self.standing > 0).then(|| (self.next_due_tick * TICK_MS).saturating_sub(now_ms))
    }

    /// Moves every key due by `now_ms` into `due`.
    pub fn turn(&mut self, now_ms: u64, due: &mut Vec<TimerKey>) {
        let now_tick = now_ms / TICK_MS;
        if now_tick < self.next_due_tick {
            return;
        }
        // After a long pause one round of the wheel reaches every entry.
        let last = now_tick.min(self.tick + BUCKETS - 1);
        for tick in self.tick..=last {
            due.append(&mut self.buckets[(tick % BUCKETS) as usize]);
        }
        self.standing -= due.len();
        self.tick = now_tick + 1;
        self.next_due_tick = (self.tick..self.tick + BUCKETS)
            .find(|t| !self.buckets[(t % BUCKETS) as usize].is_empty())
            .unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(place: usize) -> TimerKey {
        TimerKey { place, serial: 0 }
    }

    #[test]
    fn no_key_is_due_early_and_every_key_in_time() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        for ms in [0, 1, 49, 50, 51, 1000, 51_149] {
            wheel.insert(key(ms as usize), ms);
        }
        for now in 0..52_000 {
            wheel.turn(now, &mut due);
            for k in due.drain(..) {
                assert!(now >= k.place as u64, "{} came at {now}", k.place);
                assert!(now < k.place as u64 + TICK_MS + 1, "{} came at {now}", k.place);
            }
        }
        assert_eq!(wheel.wait_ms(0), None);
    }

    #[test]
    fn a_far_deadline_is_visited_at_the_horizon() {
        let mut wheel = Wheel::new();
        wheel.insert(key(1), 10_000_000);
        let mut due = Vec::new();
        wheel.turn(TICK_MS * BUCKETS, &mut due);
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn after_a_long_pause_all_come_at_once() {
        let mut wheel = Wheel::new();
        (0..100).for_each(|n| wheel.insert(key(n), n as u64 * 100));
        let mut due = Vec::new();
        wheel.turn(100_000_000, &mut due);
        assert_eq!(due.len(), 100);
        wheel.insert(key(1), 100_000_100);
        assert_eq!(wheel.wait_ms(100_000_000), Some(100));
    }
}
