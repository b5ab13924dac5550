//! Replies that a connection could not send yet.
use crate::log::MessageId;
use crate::time::MonotonicUs;

/// The output side of a connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// `None`: everything was sent.
    pub unsent: Option<Box<Unsent>>,
    /// The message whose replies are not complete yet (LMTP has one per recipient).
    pub owing: Option<MessageId>,
}

/// Replies that could not be sent yet because the client does not read.
#[derive(Debug, Default)]
pub struct Unsent {
    bytes: Vec<u8>,
    /// Octets of `bytes` that were sent.
    sent: usize,
    /// Messages acknowledged in `bytes`, each with the offset at which its reply ends.
    acknowledged: Vec<(usize, MessageId)>,
    /// Start times of the transactions whose final replies are in `bytes`. They end once all of
    /// `bytes` has been sent.
    pub began_us: Vec<MonotonicUs>,
}

impl Unsent {
    /// Keeps octets that acknowledge no message.
    pub fn keep_raw(&mut self, octets: &[u8]) {
        self.bytes.extend_from_slice(octets);
    }

    /// Keeps `replies` from octet `sent` on, after those that are already kept. Drains
    /// `acknowledged`: messages with the offset in `replies` at which the reply of each ends.
    pub fn keep(
        &mut self,
        replies: &[u8],
        sent: usize,
        acknowledged: &mut Vec<(usize, MessageId)>,
    ) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&replies[sent..]);
        let kept = acknowledged.drain(..).filter(|(end, _)| *end > sent);
        self.acknowledged.extend(kept.map(|(end, id)| (from + end - sent, id)));
    }

    /// Returns the octets to send next.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Notes that the first `octets` of the rest were sent.
    pub fn advance(&mut self, octets: usize) {
        self.sent += octets;
    }

    /// Returns the messages whose acknowledgement was not sent in full.
    pub fn into_unacknowledged(self) -> impl Iterator<Item = MessageId> {
        let is_unsent = move |(end, id): (usize, MessageId)| (end > self.sent).then_some(id);
        self.acknowledged.into_iter().filter_map(is_unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_unacknowledged_until_their_replies_are_sent_to_the_end() {
        let id = |slot| MessageId { segment: 1, slot };
        let unacknowledged = |sent| {
            let mut unsent = Unsent::default();
            let mut acknowledged = vec![(10, id(0)), (20, id(1))];
            unsent.keep(&[b'-'; 20], 10, &mut acknowledged);
            assert!(acknowledged.is_empty());
            unsent.keep_raw(b"raw");
            unsent.keep(&[b'-'; 5], 0, &mut vec![(5, id(2))]);
            unsent.advance(sent);
            assert_eq!(unsent.rest().len(), 18 - sent);
            unsent.into_unacknowledged().collect::<Vec<_>>()
        };
        assert_eq!(unacknowledged(0), [id(1), id(2)], "the first reply was sent");
        assert_eq!(unacknowledged(9), [id(1), id(2)]);
        assert_eq!(unacknowledged(10), [id(2)]);
        assert_eq!(unacknowledged(17), [id(2)]);
        assert_eq!(unacknowledged(18), []);
    }
}
