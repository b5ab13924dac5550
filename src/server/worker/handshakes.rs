//! Which connections of a worker are in their handshake, and whose turn it is.
//!
//! A handshake's step costs 80 to 190 us, so those that wait for one have a list of their own. It
//! runs after all other connections, and a round takes a few of it.
use std::collections::VecDeque;

use super::timer::TimerKey;
use crate::server::turn::HANDSHAKE_MS;

/// Steps of handshakes in a round, at most. A transaction of one command per round trip waits for
/// four rounds: beside 2,000 handshakes, eight steps cost the busy ones 6 ms, and four cost 3.
pub const STEPS_PER_ROUND: usize = 4;
/// Handshakes under way in a worker, at most.
pub const IN_FLIGHT_MAX: usize = 4096;

/// The handshakes of a worker.
#[derive(Debug, Default)]
pub struct Handshakes {
    ready: VecDeque<TimerKey>,
    /// By when they have to be done, ms of the worker's clock. In the order in which they began,
    /// with those that have ended since.
    begun: VecDeque<(u64, TimerKey)>,
    in_flight: usize,
}

impl Handshakes {
    /// The handshake of `key` begins.
    pub fn begins(&mut self, key: TimerKey, now_ms: u64) {
        self.in_flight += 1;
        self.begun.push_back((now_ms + HANDSHAKE_MS, key));
    }

    /// A handshake has ended, one way or the other.
    pub fn ended(&mut self) {
        self.in_flight -= 1;
        if self.in_flight == 0 {
            self.begun.clear();
        }
    }

    /// Returns whether none is under way, and no connection waits for its turn.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.ready.is_empty()
    }

    /// Returns whether any is under way.
    #[inline]
    pub fn is_any_under_way(&self) -> bool {
        self.in_flight > 0
    }

    /// Returns whether there is room for another.
    pub fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT_MAX
    }

    /// The connection of `key` has something to read.
    pub fn is_ready(&mut self, key: TimerKey) {
        self.ready.push_back(key);
    }

    /// Returns whether a connection waits for its turn.
    pub fn wants_turn(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next connection whose turn it is.
    pub fn next_ready(&mut self) -> Option<TimerKey> {
        self.ready.pop_front()
    }

    /// The next connection whose handshake has had its time, if it is still under way.
    pub fn next_overdue(&mut self, now_ms: u64) -> Option<TimerKey> {
        let (until_ms, key) = *self.begun.front()?;
        if until_ms > now_ms {
            return None;
        }
        self.begun.pop_front();
        Some(key)
    }

    /// How long until the first of them has had its time.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        self.begun.front().map(|(until_ms, _)| until_ms.saturating_sub(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_overdue_in_the_order_in_which_they_began() {
        let mut handshakes = Handshakes::default();
        let key = |place| TimerKey { place, serial: 1 };
        handshakes.begins(key(0), 100);
        handshakes.begins(key(1), 200);
        assert_eq!(handshakes.wait_ms(150), Some(HANDSHAKE_MS - 50));
        assert_eq!(handshakes.next_overdue(99 + HANDSHAKE_MS), None);
        assert_eq!(handshakes.next_overdue(100 + HANDSHAKE_MS), Some(key(0)));
        assert_eq!(handshakes.next_overdue(100 + HANDSHAKE_MS), None);
        handshakes.ended();
        handshakes.ended();
        assert_eq!(handshakes.wait_ms(150), None, "none is under way");
    }
}
