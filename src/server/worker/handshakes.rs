//! The connections of a worker that are in a TLS handshake, and the queue for their turns.
//!
//! A step of a handshake costs 80 to 190 µs, so connections that wait for one have a queue of their
//! own. A few of them get their turn each round, after all other connections.
use std::collections::{HashSet, VecDeque};

use crate::time::MonotonicMs;

use super::place::ConnKey;
use crate::server::turn::{HANDSHAKE_TIME, HANDSHAKES_MAX};

/// Limit on handshake steps per round. A transaction with one command per round trip takes four
/// rounds: with 2,000 handshakes in progress, eight steps delay it by 6 ms, and four by 3 ms.
pub const STEPS_PER_ROUND: usize = 4;

/// The handshakes of a worker.
#[derive(Debug, Default)]
pub struct Handshakes {
    ready: VecDeque<ConnKey>,
    /// Deadlines, in the order in which the handshakes began. Handshakes
    /// that have ended since are still included.
    deadlines: VecDeque<(MonotonicMs, ConnKey)>,
    in_flight: HashSet<ConnKey>,
}

impl Handshakes {
    /// Adds the handshake of `key`, which begins.
    pub fn add(&mut self, key: ConnKey, now_ms: MonotonicMs) {
        self.in_flight.insert(key);
        self.deadlines.push_back((now_ms.saturating_add(HANDSHAKE_TIME), key));
    }

    /// Removes the handshake of `key`, which has succeeded or failed. Without one, does nothing.
    pub fn remove(&mut self, key: ConnKey) {
        self.in_flight.remove(&key);
        if self.in_flight.is_empty() {
            self.deadlines.clear();
        }
    }

    /// Returns whether no handshake is in progress, and no connection waits for its turn.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.ready.is_empty()
    }

    /// Returns whether a handshake is in progress.
    #[inline]
    pub fn has_any(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Returns how many more handshakes may begin.
    pub fn left(&self) -> usize {
        HANDSHAKES_MAX.saturating_sub(self.in_flight.len())
    }

    /// Returns whether another handshake may begin.
    pub fn has_room(&self) -> bool {
        self.left() > 0
    }

    /// Queues the connection of `key`, which has something to read.
    pub fn queue(&mut self, key: ConnKey) {
        self.ready.push_back(key);
    }

    /// Returns whether a connection waits for its turn.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes the next connection from the queue.
    pub fn next_ready(&mut self) -> Option<ConnKey> {
        self.ready.pop_front()
    }

    /// Takes the next connection whose deadline has passed. Its handshake may have ended since.
    pub fn next_overdue(&mut self, now_ms: MonotonicMs) -> Option<ConnKey> {
        let (until_ms, key) = *self.deadlines.front()?;
        if until_ms > now_ms {
            return None;
        }
        self.deadlines.pop_front();
        Some(key)
    }

    /// Returns the time until the first deadline.
    pub fn wait_ms(&self, now_ms: MonotonicMs) -> Option<u64> {
        self.deadlines.front().map(|(until_ms, _)| until_ms.ms_since(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::worker::place::{ConnKey, TablePlace};

    #[test]
    fn handshakes_time_out_in_the_order_in_which_they_began() {
        let mut handshakes = Handshakes::default();
        let key = |index| ConnKey { place: TablePlace::new(index), serial: 1 };
        let at = MonotonicMs::new;
        handshakes.add(key(0), at(100));
        handshakes.add(key(1), at(200));
        assert_eq!(handshakes.wait_ms(at(150)), Some(HANDSHAKE_TIME.as_millis() as u64 - 50));
        assert_eq!(handshakes.next_overdue(at(99).saturating_add(HANDSHAKE_TIME)), None);
        assert_eq!(handshakes.next_overdue(at(100).saturating_add(HANDSHAKE_TIME)), Some(key(0)));
        assert_eq!(handshakes.next_overdue(at(100).saturating_add(HANDSHAKE_TIME)), None);
        handshakes.remove(key(0));
        handshakes.remove(key(0));
        assert!(handshakes.has_any(), "another one is in progress");
        handshakes.remove(key(1));
        assert_eq!(handshakes.wait_ms(at(150)), None, "none is in progress");
    }
}
