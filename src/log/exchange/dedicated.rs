//! Data that a worker and provisioning exchange about a dedicated segment.
use crate::log::files::map::WriteAccess;
use crate::log::format::SlotFacts;
use crate::log::format::id::MessageId;

/// How far ahead of the filled octets a dedicated segment is prepared: two windows of 10 ms each at
/// 800 MB/s, which is a fast single sender. A faster transfer is parked.
pub(crate) const DEDICATED_WINDOW_BYTES: u64 = 16 << 20;

/// Provisioning's events about a dedicated segment: at most two, first opened, then committed or
/// failed.
#[derive(Debug)]
pub(crate) enum DedicatedEvent {
    Opened(WriteAccess),
    Committed(MessageId),
    Failed,
}

/// Maximum number of events for one dedicated segment.
pub(crate) const DEDICATED_EVENTS_MAX: usize = 2;

/// Data for completing the file of a dedicated segment. The index of its slot is 0.
#[derive(Debug)]
pub(crate) struct DedicatedCommit {
    pub key: u64,
    /// Passed back so that the file is unmapped off the event loop; `None`: the worker never
    /// received it.
    pub access: Option<WriteAccess>,
    /// The envelope, if the worker had not written it yet.
    pub unwritten: Vec<u8>,
    pub envelope_bytes: u32,
    pub payload_bytes: u32,
    /// `None`: more octets were filled than are committed, so the checksum must be computed again.
    pub record_crc: Option<u32>,
    pub facts: SlotFacts,
}
