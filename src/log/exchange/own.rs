//! What a worker and provisioning tell each other about an own segment.
use crate::log::files::map::WriteAccess;
use crate::log::format::SlotFacts;
use crate::log::format::id::MessageId;

/// How far ahead of the filled octets an own segment is kept ready: two windows of 10 ms each at
/// 800 MB/s, a fast single sender; its transfer is parked when it is faster.
pub(crate) const OWN_WINDOW_BYTES: u64 = 16 << 20;

/// What provisioning says about an own segment: two of them at most, opened; committed or failed.
#[derive(Debug)]
pub(crate) enum OwnEvent {
    Opened(WriteAccess),
    Committed(MessageId),
    Failed,
}

/// Events of one own segment.
pub(crate) const OWN_EVENTS_MAX: usize = 2;

/// What is needed to finish the file; the slot's index is 0.
#[derive(Debug)]
pub(crate) struct OwnCommit {
    pub key: u64,
    /// Handed over so that the map goes where no event loop waits; `None`: never taken.
    pub access: Option<WriteAccess>,
    /// The envelope, where the worker had not yet written it.
    pub unwritten: Vec<u8>,
    pub envelope_bytes: u32,
    pub payload_bytes: u32,
    /// `None`: more had been put into it than is committed, so it must be computed again.
    pub record_crc: Option<u32>,
    pub facts: SlotFacts,
}
