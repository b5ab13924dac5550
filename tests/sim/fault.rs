//! What may go wrong.

/// One kind of fault. A run draws those it has from those that its test names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A connection is cut off, whatever it was about.
    Cut,
    /// A client goes while a reply lies unread in its socket: the sink's calls fail with
    /// `ECONNRESET` and `EPIPE`.
    Reset,
    /// A client shuts its side while the server still owes replies.
    HalfClose,
    /// A client is silent for a while, or for longer than the server waits.
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
    /// The settings change, the extensions that are offered among them.
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
            Fault::Cut | Fault::Reset | Fault::HalfClose | Fault::NoDescriptors | Fault::Reload
        )
    }
}
