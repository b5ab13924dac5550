//! The faults that can be injected into a run.

/// A kind of fault. A run draws its faults from those that its test names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A connection is cut off, at any point.
    Cut,
    /// A client leaves while a reply lies unread in its socket: the sink's calls fail with
    /// `ECONNRESET` and `EPIPE`.
    Reset,
    /// A client shuts down its side while the server still owes replies.
    HalfClose,
    /// A client is silent for a while, or for longer than the server's timeout.
    Stall,
    /// A client reads no replies for a while.
    Deaf,
    /// Provisioning is not served for a while.
    NoRoom,
    /// The disk has no space for a while.
    DiskFull,
    /// A flush fails.
    FlushFails,
    /// The budget for buffers is tight.
    FewBuffers,
    /// No descriptors are left to accept with, for a while.
    NoDescriptors,
    /// The limits on connections are tight.
    FewConnections,
    /// The settings change, including the offered extensions.
    Reload,
    /// The sink gets a signal to stop.
    Stop,
    /// The process is killed, and starts again.
    Kill,
}

impl Fault {
    /// Returns whether sinkd may refuse a message because of this fault, although the client sent
    /// the message whole and in time.
    pub fn may_refuse(self) -> bool {
        !matches!(
            self,
            Fault::Cut
                | Fault::Reset
                | Fault::HalfClose
                | Fault::NoDescriptors
                | Fault::FewConnections
                | Fault::Reload
        )
    }
}
