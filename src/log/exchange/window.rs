//! Positions in a segment: how far a worker has written, and how far it wants to. How far it may
//! write is limited by the segment's map (`Mapping::usable`).
//!
//! Every word has a single writer.
use std::sync::atomic::{AtomicBool, AtomicU64};

/// The front positions of a shared segment, and how far ahead of them provisioning prepares it.
/// Offsets are relative to the start of the file.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Stored by the worker.
    pub fronts: Fronts,
    /// Stored by provisioning.
    pub ahead: LookAhead,
}

/// Stored by the worker with Relaxed; provisioning loads them after the fence in
/// `Gate::acknowledge`.
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

/// Stored by provisioning with Relaxed; the worker loads them. They order nothing.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct LookAhead {
    /// Number of octets that provisioning tries to keep ready ahead of `end`.
    pub window_bytes: AtomicU64,
    /// Number of octets of slots that provisioning tries to keep ready.
    pub slots_window_bytes: AtomicU64,
    /// Whether storage refuses to populate more of this segment.
    pub is_full: AtomicBool,
}

/// Positions in a dedicated segment, which holds one record.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct DedicatedWindow {
    /// First octet that is not filled. Stored by the worker, like the next two.
    pub filled_to: AtomicU64,
    /// Where the record is expected to end.
    pub expected_end: AtomicU64,
    /// How far the worker wants to write.
    pub demand: AtomicU64,
    /// Whether storage refuses to extend the file. Stored by provisioning.
    pub is_full: AtomicBool,
}
