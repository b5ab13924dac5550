//! What happened at one listener: for `/metrics` alone, so it is summed up and never written down.

/// What happened at one listener. [`Counter`](super::Counter) has the same of all together.
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

    /// Adds what happened at another time.
    pub fn add(&mut self, other: &ListenerCounts) {
        self.connections += other.connections;
        self.denied += other.denied;
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
