//! How far a worker has come in a segment, and how far it wants to go. The segment's map
//! (`Mapping::usable`) limits how far it may go.
//!
//! Every word has one writer.
use std::sync::atomic::{AtomicBool, AtomicU64};

/// The front positions of a shared segment, and how far provisioning looks ahead of them. Offsets
/// count from the start of its file.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Stored by the worker.
    pub fronts: Fronts,
    /// Stored by provisioning.
    pub ahead: LookAhead,
}

/// Relaxed stores of the worker, loaded by provisioning after the fence in `Gate::attend`.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Fronts {
    /// First octet after the records and regions.
    pub end: AtomicU64,
    /// Lowest slot written or promised.
    pub slots: AtomicU64,
    /// How far the worker wants to write records.
    pub demand: AtomicU64,
}

/// Relaxed stores of provisioning, loaded by the worker: they order nothing.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct LookAhead {
    /// Octets that provisioning wants to keep ready ahead of `end`.
    pub window_bytes: AtomicU64,
    /// Octets of slots that provisioning wants to keep ready.
    pub slots_window_bytes: AtomicU64,
    /// Whether storage refuses to make more of this segment present.
    pub is_full: AtomicBool,
}

/// What provisioning and a worker tell each other about an own segment, which holds one record.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct OwnWindow {
    /// First octet that is not filled. Stored by the worker, as are the next two.
    pub filled_to: AtomicU64,
    /// Where the record is expected to end.
    pub expected_end: AtomicU64,
    /// How far the worker wants to write.
    pub demand: AtomicU64,
    /// Whether storage refuses to make the file longer. Stored by provisioning.
    pub is_full: AtomicBool,
}
