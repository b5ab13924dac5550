//! Messages to be sent again, ordered by time.
use std::time::Duration;

use super::ahead::ReadAhead;
use super::recipient_verdict::AnsweredRecipients;
use super::sent_before::Remaining;
use crate::log::Slot;
use crate::time::MonotonicNs;

/// Maximum number of messages waiting for a retry. Further ones are given up, and remain for a
/// resume.
const WAITING_MAX: usize = 65_536;
/// Maximum pause, as a multiple of the first one.
const LONGEST: u32 = 64;

/// How often and when to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The number of attempts after the first.
    pub times: u32,
    /// The pause before the first retry; each further pause is twice as long, up to 64 times the
    /// first.
    pub after: Duration,
}

/// A message to be sent again.
#[derive(Debug, Clone)]
pub struct PendingRetry {
    /// The slot of the message.
    pub slot: Slot,
    /// The number of attempts so far.
    pub tries: u32,
    /// The recipients that remain.
    pub remaining: Remaining,
    /// The recipients that the target has answered for so far.
    pub answered: AnsweredRecipients,
    /// Whether the last attempt sent nothing, because the connection failed.
    pub is_not_sent: bool,
}

/// The messages that wait for a retry.
#[derive(Debug)]
pub struct Retries {
    retry: Retry,
    waiting: ReadAhead<MonotonicNs, PendingRetry>,
}

impl Retries {
    /// Starts without waiting messages.
    pub fn new(retry: Retry) -> Retries {
        Retries { retry, waiting: ReadAhead::new(WAITING_MAX) }
    }

    /// Returns whether a message in progress may be retried.
    pub fn is_enabled(&self) -> bool {
        self.retry.times > 0
    }

    /// Adds a message after `pending.tries` attempts, at `now_ns`. Returns it if it has no attempts
    /// left, or if too many messages are waiting.
    pub fn schedule(
        &mut self,
        pending: PendingRetry,
        now_ns: MonotonicNs,
    ) -> Result<(), PendingRetry> {
        if pending.tries > self.retry.times || self.waiting.is_full() {
            return Err(pending);
        }
        let doublings = pending.tries.saturating_sub(1).min(LONGEST.ilog2());
        let pause = self.retry.after.saturating_mul(1 << doublings);
        let due_ns = now_ns.saturating_add(pause);
        self.waiting.push(due_ns, pending);
        Ok(())
    }

    /// Returns when the next message is due.
    pub fn due_ns(&self) -> Option<MonotonicNs> {
        self.waiting.peek().copied()
    }

    /// Removes and returns the next message.
    pub fn pop(&mut self) -> Option<(MonotonicNs, PendingRetry)> {
        self.waiting.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MessageId;
    use crate::sender::replay::testkit::slot;

    fn pending(tries: u32) -> PendingRetry {
        let slot = slot(MessageId { segment: 1, slot: tries });
        PendingRetry {
            slot,
            tries,
            remaining: None,
            answered: AnsweredRecipients::default(),
            is_not_sent: false,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let at = MonotonicNs::new;
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
            assert_eq!(
                retries.schedule(pending(tries), at(5)).is_ok(),
                pause_ns.is_some(),
                "{tries}"
            );
            assert_eq!(retries.due_ns(), pause_ns.map(|ns| at(5 + ns)), "{tries}");
        }
        assert!(
            Retries::new(Retry { times: 0, ..retry })
                .schedule(pending(1), MonotonicNs::START)
                .is_err()
        );
    }

    #[test]
    fn retries_beyond_the_limit_are_refused() {
        let mut retries = Retries::new(Retry { times: 1, after: Duration::from_secs(1) });
        for count in 0..=WAITING_MAX {
            assert_eq!(
                retries.schedule(pending(1), MonotonicNs::START).is_ok(),
                count < WAITING_MAX
            );
        }
    }
}
