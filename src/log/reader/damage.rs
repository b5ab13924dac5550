//! What can be wrong with a segment file, or with a part of it.
use std::io;
use std::path::PathBuf;

use crate::log::id::MessageId;

/// Why a file cannot be read as a segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Something else.
    #[error("{file}, octet 0: not a segment of sinkd")]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// From the future.
    #[error("{file}, octet 8: format version {version}; this program reads up to {newest}")]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
        /// Ours.
        newest: u32,
    },
    /// Shorter than it says.
    #[error("{file}, octet {found}: cut off, {expected} octets were expected")]
    Truncated {
        /// The file.
        file: PathBuf,
        /// Its length.
        found: u64,
        /// The length it should have.
        expected: u64,
    },
    /// The identity page is damaged.
    #[error("{file}, octet {offset}: {problem}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// From its start.
        offset: u64,
        /// What doesn't hold.
        problem: &'static str,
    },
    /// A file kept for later use: what it holds belongs to a segment that was dropped.
    #[error("{file}, octet 12: segment {number} under another name")]
    Spare {
        /// The file.
        file: PathBuf,
        /// The number inside.
        number: u32,
    },
    /// It could not be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why one message of a segment cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The slot's checksum doesn't hold, or it points outside the file.
    #[error("{file}, octet {offset}: slot {id} is damaged, or was lost in a crash")]
    Slot {
        /// The file.
        file: PathBuf,
        /// From its start.
        offset: u64,
        /// Whose.
        id: MessageId,
    },
    /// The record's checksum doesn't hold.
    #[error("{file}, octet {offset}: the record of {id} is damaged")]
    Record {
        /// The file.
        file: PathBuf,
        /// From its start.
        offset: u64,
        /// Whose.
        id: MessageId,
    },
    /// No slot has this number (yet).
    #[error("{file}: no message {id}")]
    NoSuchSlot {
        /// The file.
        file: PathBuf,
        /// The one asked for.
        id: MessageId,
    },
    /// The system could not read it.
    #[error("{file}, octet {offset}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// From its start.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// Why something asked of a folder cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The id was never given to a message, or its segment was dropped since.
    #[error("no message {id}: it was pruned, or never there (see: sinkctl ls)")]
    NoSuchMessage {
        /// The one asked for.
        id: MessageId,
    },
    /// It was removed.
    #[error("message {id} was removed")]
    Removed {
        /// The one asked for.
        id: MessageId,
    },
    /// The folder cannot be read, or written to.
    #[error(transparent)]
    Io {
        /// What the system said.
        source: io::Error,
    },
    /// Its segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// It cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
}
