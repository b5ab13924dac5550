//! Which octets of a segment its worker may use: provisioning moves the marks, the worker reads
//! them. Only the memory orders here ensure that the worker uses no octets that provisioning is not
//! done with.
#[cfg(not(sinkd_loom))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

// tools/orderings runs this file with all outcomes that the memory orders allow.
#[cfg(sinkd_loom)]
use loom::sync::atomic::AtomicU64;

use crate::log::format::RECORDS_AT;

/// The octets of a segment that its worker may use, as offsets. Both ranges are within the file.
/// They are populated, except after `Mapping::use_all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usable {
    /// End of the octets from `RECORDS_AT` on: `RECORDS_AT` if none of them is usable.
    pub front: u64,
    /// Start of the octets up to the end of the map: that end if none of them is usable.
    pub back: u64,
}

impl Usable {
    /// Returns the marks of a map of `bytes` octets of which none is usable.
    pub(crate) fn nothing_of(bytes: u64) -> Usable {
        Usable { front: RECORDS_AT, back: bytes }
    }
}

/// The atomic marks that [`Usable`] is loaded from. They only move toward each other, and past each
/// other in `Mapping::use_all`, until `WriteAccess::renew`.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct UsableMarks {
    front: AtomicU64,
    back: AtomicU64,
}

impl UsableMarks {
    pub(crate) fn new(usable: Usable) -> UsableMarks {
        let Usable { front, back } = usable;
        UsableMarks { front: AtomicU64::new(front), back: AtomicU64::new(back) }
    }

    pub(crate) fn load(&self) -> Usable {
        // Partner: the release stores in `raise` and `lower`. Octets are populated before they are
        // lent, and then only the worker accesses them.
        Usable { front: self.front.load(Acquire), back: self.back.load(Acquire) }
    }

    pub(crate) fn raise(&self, front: u64) {
        // Partner: the acquire load in `load`.
        self.front.store(front, Release);
    }

    pub(crate) fn lower(&self, back: u64) {
        // Partner: the acquire load in `load`.
        self.back.store(back, Release);
    }
}
