//! Counts of one listener, only for `/metrics`: they are summed up, but never written.

/// Counts of one listener. [`Counter`](super::Counter) has the same counts for all listeners
/// together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections of clients that the lists of the listener do not serve.
    pub denied: u64,
    /// Accepted messages.
    pub messages: u64,
    /// Bytes of accepted messages.
    pub bytes: u64,
}

impl ListenerCounts {
    /// Counts a message of `bytes` octets.
    #[inline]
    pub fn message(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Adds the counts of another interval.
    pub fn add(&mut self, other: &ListenerCounts) {
        self.connections += other.connections;
        self.denied += other.denied;
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
