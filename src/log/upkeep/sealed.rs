//! A sealed segment as retention sees it: its size on disk, and its age.
use crate::log::files::dropped::Dropped;
use crate::log::format::{Published, SealedTotals, SegmentIdentity};
use crate::time::UnixNs;

/// A sealed segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    /// Disk space, in octets.
    pub disk_bytes: u64,
    /// When its last message was received; its age counts from this time.
    pub last_received_at_ns: UnixNs,
    pub messages: u64,
    pub message_bytes: u64,
    pub only_counted: u64,
    /// Whether all of its messages were removed, so that it is dropped first.
    pub is_removed: bool,
}

impl Sealed {
    /// Combines what the header pages of a segment say with its size on disk.
    ///
    /// Age has a single definition: a segment is as old as its last message. Without a slot
    /// (messages were only counted), it is as old as its file, because no other time is known to
    /// all callers: sinkd when it seals the segment, the next sinkd, and `prune`.
    pub(crate) fn new(
        disk_bytes: u64,
        identity: &SegmentIdentity,
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
