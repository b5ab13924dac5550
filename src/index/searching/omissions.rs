//! What a search could not check, and which indexes it could not use.
use std::io;

use crate::index::sidecar::Unusable;
use crate::log::reader::ReadError;

/// Maximum number of damaged messages that are listed individually.
const DAMAGE_LISTED_MAX: usize = 20;

/// Messages that a search did not compare with the query, or only in part.
#[derive(Debug, Default)]
pub struct Omissions {
    /// Number of messages skipped because they are not indexed.
    pub not_indexed: u64,
    /// Number of messages for which the query depends on parts that are not stored.
    pub partial: u64,
    /// Number of messages that can't be read.
    pub unreadable: u64,
    /// Number of messages not checked before the time limit.
    pub not_in_time: u64,
    /// The first errors of unreadable messages, and of segments that can't be opened.
    pub damage: Vec<ReadError>,
    /// Whether the caller ended the search, by `SearchProgress::stop`.
    pub stopped: bool,
}

impl Omissions {
    /// Returns whether every message was compared in full. Messages that a limit excluded do not
    /// matter.
    pub fn is_nothing(&self) -> bool {
        let messages = self.not_indexed + self.partial + self.unreadable + self.not_in_time;
        messages == 0 && self.damage.is_empty() && !self.stopped
    }

    pub(super) fn add_damage(&mut self, damage: impl Into<ReadError>) {
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage.into());
        }
    }

    pub(super) fn unreadable(&mut self, damage: impl Into<ReadError>) {
        self.unreadable += 1;
        self.add_damage(damage);
    }

    /// Adds what another search left out.
    pub fn add(&mut self, other: Omissions) {
        self.not_indexed += other.not_indexed;
        self.partial += other.partial;
        self.unreadable += other.unreadable;
        self.not_in_time += other.not_in_time;
        self.stopped |= other.stopped;
        other.damage.into_iter().for_each(|damage| self.add_damage(damage));
    }
}

/// A segment whose index can't be used.
#[derive(Debug)]
pub struct UnusableIndex {
    /// The number of the segment.
    pub segment: u32,
    /// Why its index can't be used.
    pub fault: IndexFault,
}

/// Why the index of a segment can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFault {
    /// The sidecar is damaged, or has another version.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The sidecar of a sealed segment ends with octets that belong to no valid block.
    #[error("its end is damaged")]
    Cut,
    /// The sidecar can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}
