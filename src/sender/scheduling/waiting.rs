//! Messages that wait until they are due, or for a connection.
use crate::time::MonotonicNs;

use crate::sender::source::DueMessage;

/// Maximum number of waiting messages that were overtaken by ones due sooner. A replay has at most
/// 7 distinct pauses between attempts, and messages with the same pause keep their order.
const OVERTAKEN_MAX: usize = 16;

/// Which message of the source would leave before the first waiting one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedMessage {
    /// None: a due message already waits for a connection, or too many messages wait.
    Nothing,
    /// Any message, because none is waiting.
    Any,
    /// Only a message due before this time.
    Before(MonotonicNs),
}

/// The waiting messages, latest due first, so the next to leave is last.
#[derive(Debug)]
pub struct WaitingMessages<M>(Vec<(DueMessage, M)>);

impl<M> WaitingMessages<M> {
    /// Starts without waiting messages.
    pub fn new() -> WaitingMessages<M> {
        WaitingMessages(Vec::new())
    }

    /// Returns whether no message is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns which message to request from the source.
    #[inline]
    pub fn wanted_message(&self, now_ns: MonotonicNs) -> WantedMessage {
        let Some((due, _)) = self.0.last() else { return WantedMessage::Any };
        let has_room = self.0.len() <= OVERTAKEN_MAX;
        match due.due_ns {
            Some(due_ns) if due_ns > now_ns && has_room => WantedMessage::Before(due_ns),
            _ => WantedMessage::Nothing,
        }
    }

    /// Adds a message of the source. It is not always the soonest: the source may have skipped one
    /// that it could not provide.
    #[inline]
    pub fn add(&mut self, due: DueMessage, mail: M) {
        let at = self.0.partition_point(|(other, _)| other.due_ns > due.due_ns);
        self.0.insert(at, (due, mail));
    }

    /// Returns when the next message is due; `None` if it has no due time, or none is waiting.
    pub fn due_ns(&self) -> Option<MonotonicNs> {
        self.0.last().and_then(|(due, _)| due.due_ns)
    }

    /// Returns the next message if it is due.
    pub fn due(&self, now_ns: MonotonicNs) -> Option<&DueMessage> {
        let (due, _) = self.0.last()?;
        due.due_ns.is_none_or(|due_ns| due_ns <= now_ns).then_some(due)
    }

    /// Removes and returns the next message if it is due.
    #[inline]
    pub fn take_due(&mut self, now_ns: MonotonicNs) -> Option<(DueMessage, M)> {
        self.0.pop_if(|(due, _)| due.due_ns.is_none_or(|due_ns| due_ns <= now_ns))
    }

    /// Removes and returns all messages, soonest first.
    pub fn take_all(&mut self) -> Vec<(DueMessage, M)> {
        self.0.reverse();
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> MonotonicNs {
        MonotonicNs::new(ns)
    }

    fn due_message(ticket: u64, due_ns: Option<MonotonicNs>) -> DueMessage {
        DueMessage { ticket, due_ns, lane: None }
    }

    #[test]
    fn messages_leave_in_the_order_of_their_moments() {
        let mut waiting = WaitingMessages::new();
        assert_eq!((waiting.wanted_message(at(0)), waiting.due_ns()), (WantedMessage::Any, None));
        for (ticket, due_ns) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            waiting.add(due_message(ticket, Some(at(due_ns))), ());
        }
        assert_eq!(
            (waiting.wanted_message(at(5)), waiting.due_ns()),
            (WantedMessage::Before(at(10)), Some(at(10)))
        );
        assert_eq!(
            waiting.wanted_message(at(10)),
            WantedMessage::Nothing,
            "it waits only for a connection"
        );
        assert!(waiting.take_due(at(9)).is_none());
        let mut taken = Vec::new();
        for now_ns in [10, 10, 20, 29, 30].map(at) {
            taken.extend(waiting.take_due(now_ns).map(|(due, ())| due.ticket));
        }
        assert_eq!(taken, [2, 4, 3, 1], "messages due at the same time keep their order");
        waiting.add(due_message(5, None), ());
        assert_eq!(waiting.wanted_message(at(0)), WantedMessage::Nothing);
        assert!(waiting.take_due(at(0)).is_some() && waiting.is_empty());
    }

    #[test]
    fn at_most_the_limit_of_messages_is_overtaken() {
        let mut waiting = WaitingMessages::new();
        for number in 0..=OVERTAKEN_MAX as u64 {
            let due_ns = 1_000 - number;
            assert_ne!(waiting.wanted_message(at(0)), WantedMessage::Nothing, "{number}");
            waiting.add(due_message(number, Some(at(due_ns))), ());
        }
        assert_eq!(waiting.wanted_message(at(0)), WantedMessage::Nothing);
        let tickets: Vec<u64> = waiting.take_all().iter().map(|(due, ())| due.ticket).collect();
        assert!(tickets.iter().rev().copied().eq(0..=OVERTAKEN_MAX as u64), "soonest first");
    }
}
