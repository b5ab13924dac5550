//! Counts of one listener, only for `/metrics`: they are summed up, but never written.

/// Counts of one listener. [`Counter`](crate::stats::Counter) has the same counts for all listeners
/// together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerCounts {
    /// Connections that this listener accepted and served.
    pub connections: u64,
    /// Connections of clients that the lists of the listener do not serve.
    pub denied: u64,
    /// Messages that this listener accepted.
    pub messages: u64,
    /// Size of these messages, in octets (RFC 1870).
    pub bytes: u64,
}

impl ListenerCounts {
    /// Counts an accepted message of `bytes` octets.
    #[inline]
    pub fn message(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Adds the counts that the same listener has in another interval.
    pub fn add(&mut self, other: &ListenerCounts) {
        self.connections += other.connections;
        self.denied += other.denied;
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
