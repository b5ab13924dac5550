//! Messages that are to be sent again, ordered by their moment.
use std::time::Duration;

use super::ahead::ReadAhead;
use super::resume::Remaining;
use crate::log::Slot;
use crate::sender::clock::nanos;

/// Messages that wait to be sent again. Beyond it they are given up, and remain for a resume.
const WAITING_MAX: usize = 65_536;
/// Pauses get no longer than this many times the first one.
const LONGEST: u32 = 64;

/// How often, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries beyond the first.
    pub times: u32,
    /// The pause before the first of them; each next is twice as long, up to 64 times this one.
    pub after: Duration,
}

/// A message that is to be sent again.
#[derive(Debug, Clone)]
pub struct Again {
    /// The message's slot.
    pub slot: Slot,
    /// Tries behind it.
    pub tries: u32,
    /// The recipients to whom the message is sent again.
    pub remaining: Remaining,
    /// Recipients that accepted it, and that rejected it, in earlier tries.
    pub answered: (u32, u32),
    /// Whether only lost connections made it wait.
    pub is_not_sent: bool,
}

/// The messages that wait for a retry.
#[derive(Debug)]
pub struct Retries {
    retry: Retry,
    waiting: ReadAhead<u64, Again>,
}

impl Retries {
    /// Waits for nothing yet.
    pub fn new(retry: Retry) -> Retries {
        Retries { retry, waiting: ReadAhead::new(WAITING_MAX) }
    }

    /// Returns whether a message under way can be retried.
    pub fn may_come(&self) -> bool {
        self.retry.times > 0
    }

    /// Takes a message that has `again.tries` behind it, at `now_ns`. Returns it if it has had all
    /// of its tries, or too many wait already.
    pub fn put(&mut self, again: Again, now_ns: u64) -> Result<(), Again> {
        if again.tries > self.retry.times || self.waiting.is_full() {
            return Err(again);
        }
        let doublings = again.tries.saturating_sub(1).min(LONGEST.ilog2());
        let pause_ns = nanos(self.retry.after);
        let due_ns = now_ns.saturating_add(pause_ns.saturating_mul(1 << doublings));
        self.waiting.push(due_ns, again);
        Ok(())
    }

    /// When the next one is due, ns since the start of sending.
    pub fn due_ns(&self) -> Option<u64> {
        self.waiting.peek().copied()
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<(u64, Again)> {
        self.waiting.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testkit::slot;
    use super::*;
    use crate::log::MessageId;

    fn again(tries: u32) -> Again {
        let slot = slot(MessageId { segment: 1, slot: tries });
        Again { slot, tries, remaining: None, answered: (0, 0), is_not_sent: false }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry { times: 9, after: Duration::from_nanos(10) };
        for (tries, pause_ns) in [
            (1, Some(10)),
            (2, Some(20)),
            (3, Some(40)),
            (7, Some(640)),
            (8, Some(640)),
            (10, None),
        ] {
            let mut retries = Retries::new(retry);
            assert_eq!(retries.put(again(tries), 5).is_ok(), pause_ns.is_some(), "{tries}");
            assert_eq!(retries.due_ns(), pause_ns.map(|ns| 5 + ns), "{tries}");
        }
        assert!(Retries::new(Retry { times: 0, ..retry }).put(again(1), 0).is_err());
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut retries = Retries::new(Retry { times: 1, after: Duration::from_secs(1) });
        for count in 0..=WAITING_MAX {
            assert_eq!(retries.put(again(1), 0).is_ok(), count < WAITING_MAX);
        }
    }
}
