//! Which messages went over one connection then, and so do now.
use std::collections::HashMap;

use crate::sender::source::Lane;

/// A session: the start of sinkd, and its number since then.
pub type Session = (u32, u64);

/// The sessions of those messages that wait for their turn.
#[derive(Debug, Default)]
pub struct Lanes {
    waiting: HashMap<Session, LaneQueue>,
    /// Keys are never used twice, so that no two sessions share a connection by chance.
    next_key: u64,
}

#[derive(Debug)]
struct LaneQueue {
    key: u64,
    messages: u32,
}

impl Lanes {
    /// Notes that a message of this session waits.
    pub fn enter(&mut self, session: Session) {
        let next_key = &mut self.next_key;
        let waiting = self.waiting.entry(session).or_insert_with(|| {
            *next_key += 1;
            LaneQueue { key: *next_key, messages: 0 }
        });
        waiting.messages += 1;
    }

    /// One of its messages has its turn: its connection, which ends with it if none waits any more.
    pub fn leave(&mut self, session: Session) -> Lane {
        let Some(waiting) = self.waiting.get_mut(&session) else { return self.fresh() };
        waiting.messages -= 1;
        let lane = Lane { key: waiting.key, is_last: waiting.messages == 0 };
        if lane.is_last {
            self.waiting.remove(&session);
        }
        lane
    }

    /// A connection for one message alone.
    pub fn fresh(&mut self) -> Lane {
        self.next_key += 1;
        Lane { key: self.next_key, is_last: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_lane_while_its_messages_wait() {
        let mut lanes = Lanes::default();
        let (a, b) = ((1, 7), (2, 7)); // numbers begin anew with each start of sinkd
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
