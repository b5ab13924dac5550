//! Assigns messages of one recorded session to one connection.
use std::collections::HashMap;

use crate::sender::source::{Lane, LaneKey};

/// A recorded session: the start of sinkd, and the number of the session since then.
pub type RecordedSession = (u32, u64);

/// The sessions of waiting messages.
#[derive(Debug, Default)]
pub struct Lanes {
    waiting: HashMap<RecordedSession, LaneQueue>,
    /// Keys are never reused, so two sessions can't share a connection by chance.
    next_key: u64,
}

#[derive(Debug)]
struct LaneQueue {
    key: LaneKey,
    messages: u32,
}

impl Lanes {
    /// Records that a message of this session waits.
    pub fn enter(&mut self, session: RecordedSession) {
        let next_key = &mut self.next_key;
        let waiting = self.waiting.entry(session).or_insert_with(|| {
            *next_key += 1;
            LaneQueue { key: LaneKey(*next_key), messages: 0 }
        });
        waiting.messages += 1;
    }

    /// Takes a waiting message of a session, and returns its lane, which ends with it if no other
    /// message of the session waits.
    pub fn leave(&mut self, session: RecordedSession) -> Lane {
        let Some(waiting) = self.waiting.get_mut(&session) else { return self.fresh() };
        waiting.messages -= 1;
        let lane = Lane { key: waiting.key, is_last: waiting.messages == 0 };
        if lane.is_last {
            self.waiting.remove(&session);
        }
        lane
    }

    /// Returns a new lane for a single message.
    pub fn fresh(&mut self) -> Lane {
        self.next_key += 1;
        Lane { key: LaneKey(self.next_key), is_last: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_lane_while_its_messages_wait() {
        let mut lanes = Lanes::default();
        let (a, b) = ((1, 7), (2, 7)); // session numbers of two starts of sinkd
        for session in [a, b, a] {
            lanes.enter(session);
        }
        let first = lanes.leave(a);
        let other = lanes.leave(b);
        let last = lanes.leave(a);
        assert_ne!(first.key, other.key);
        assert_eq!(first.key, last.key);
        assert_eq!([first, other, last].map(|lane| lane.is_last), [false, true, true]);
        let alone = lanes.fresh();
        assert!(alone.is_last && alone.key != first.key && alone.key != other.key);
        lanes.enter(a);
        assert_ne!(lanes.leave(a).key, first.key); // that connection has ended
    }
}
