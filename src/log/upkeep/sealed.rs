//! A sealed segment, as retention sees it: what it weighs, and how old it is.
use crate::log::files::dropped::Dropped;
use crate::log::format::{Identity, Published, SealedTotals};

/// A sealed segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    /// Octets of disk.
    pub disk_bytes: u64,
    /// When its last message came: what its age counts from.
    pub last_received_at_ns: u64,
    pub messages: u64,
    pub message_bytes: u64,
    pub only_counted: u64,
    /// Every message in it was removed: it goes first.
    pub is_removed: bool,
}

impl Sealed {
    /// What the file says, and the octets of disk that it takes.
    ///
    /// The one rule of age: a segment is as old as its last message. Without a slot (messages were
    /// only counted) it is as old as its file, because no other time is known to all who ask: sinkd
    /// when it seals it, the next sinkd, and `prune`.
    pub(crate) fn new(
        disk_bytes: u64,
        identity: &Identity,
        published: Published,
        only_counted: u64,
        totals: &SealedTotals,
    ) -> Sealed {
        Sealed {
            disk_bytes,
            last_received_at_ns: totals.last_received_at_ns.max(identity.created_at_ns),
            messages: u64::from(published.messages),
            message_bytes: totals.message_bytes,
            only_counted,
            is_removed: false,
        }
    }

    pub(crate) fn as_dropped(&self, number: u32) -> Dropped {
        Dropped {
            segments: 1,
            messages: self.messages,
            message_bytes: self.message_bytes,
            only_counted: self.only_counted,
            first: number,
            last: number,
        }
    }
}
