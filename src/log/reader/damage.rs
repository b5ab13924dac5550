//! Errors of segment files, and of single messages.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::format::id::MessageId;

/// Why a file can't be read as a segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file does not begin as a segment does.
    #[error("{file}, byte 0: not a sinkd segment")]
    Foreign {
        /// The file with the name of a segment.
        file: PathBuf,
    },
    /// The segment has a newer format version.
    #[error("{file}, byte 8: format version {version}; this program reads up to {newest}")]
    Newer {
        /// The file with the name of a segment.
        file: PathBuf,
        /// The version in its header.
        version: u32,
        /// The newest version that this program reads.
        newest: u32,
    },
    /// The file is shorter than its header says.
    #[error("{file}, byte {found}: cut off, expected {expected} bytes")]
    Truncated {
        /// The file with the name of a segment.
        file: PathBuf,
        /// How many bytes it has.
        found: u64,
        /// How many bytes its header announces.
        expected: u64,
    },
    /// The identity page is damaged.
    #[error("{file}, byte {offset}: {problem}")]
    Damaged {
        /// The file with the name of a segment.
        file: PathBuf,
        /// Bytes from the start of the file.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A spare: the file has the name of another segment than the one in its identity page, because
    /// it is being recycled or is a copy.
    #[error("{file}, byte 12: the file is segment {number} under another name")]
    Spare {
        /// The file with the name of a segment.
        file: PathBuf,
        /// The number in its identity page.
        number: u32,
    },
    /// The counts on the live page are damaged. The segment can be read, because every slot was
    /// checked.
    #[error(
        "{file}, byte 4096: the segment's counts are damaged; every slot was checked instead{}",
        if *.is_counted_known { "" } else { ", and messages that were only counted are left out" }
    )]
    Counts {
        /// The file with the name of a segment.
        file: PathBuf,
        /// Whether the count of messages that were only counted is proven to be right.
        is_counted_known: bool,
    },
    /// The flags of the segment are unreadable, damaged, or about another segment. The segment can
    /// be read.
    #[error(
        "{file}: unreadable, damaged, or about another segment; messages removed by it are \
             visible again"
    )]
    Flags {
        /// The file of the flags.
        file: PathBuf,
    },
    /// The file could not be opened or read.
    #[error("{file}: {cause}")]
    Io {
        /// The file with the name of a segment.
        file: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl SegmentError {
    /// Returns the file with the error: the segment's file, or its file of flags.
    pub fn file(&self) -> &Path {
        match self {
            SegmentError::Foreign { file }
            | SegmentError::Newer { file, .. }
            | SegmentError::Truncated { file, .. }
            | SegmentError::Damaged { file, .. }
            | SegmentError::Spare { file, .. }
            | SegmentError::Counts { file, .. }
            | SegmentError::Flags { file }
            | SegmentError::Io { file, .. } => file,
        }
    }

    /// Returns whether the segment is gone: its file was unlinked, or recycled for another segment.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            SegmentError::Spare { .. } => true,
            SegmentError::Io { cause, .. } => cause.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// Why one message of a segment can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The slot's checksum is wrong, or the slot points outside the file.
    #[error("{file}, byte {offset}: slot {id} is damaged, or was lost in a crash")]
    Slot {
        /// The file with the name of a segment.
        file: PathBuf,
        /// Bytes from the start of the file.
        offset: u64,
        /// The ID of the message.
        id: MessageId,
    },
    /// The record's checksum is wrong.
    #[error("{file}, byte {offset}: the record of {id} is damaged")]
    Record {
        /// The file with the name of a segment.
        file: PathBuf,
        /// Bytes from the start of the file.
        offset: u64,
        /// The ID of the message.
        id: MessageId,
    },
    /// No slot has this number (yet).
    #[error("{file}: no message {id}")]
    NoSuchSlot {
        /// The file with the name of a segment.
        file: PathBuf,
        /// The requested ID.
        id: MessageId,
    },
    /// The system could not read the message.
    #[error("{file}, byte {offset}: {cause}")]
    Io {
        /// The file with the name of a segment.
        file: PathBuf,
        /// Bytes from the start of the file.
        offset: u64,
        /// The system's error.
        cause: io::Error,
    },
}

/// Why a message, or a folder, can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No message has this ID now.
    #[error("no message {id}: it was removed, pruned or lost, or never existed")]
    NoSuchMessage {
        /// The requested ID.
        id: MessageId,
    },
    /// The segment was pruned after the last refresh of the folder. [`Folder::segment`] has counted
    /// it: see [`Folder::pruned_unread`].
    ///
    /// [`Folder::segment`]: super::Folder::segment
    /// [`Folder::pruned_unread`]: super::Folder::pruned_unread
    #[error("segment {segment} was pruned while it was read")]
    Pruned {
        /// The number of the segment.
        segment: u32,
    },
    /// The message was removed.
    #[error("no message {id}: it was removed")]
    Removed {
        /// The requested ID.
        id: MessageId,
    },
    /// The folder can't be read or written.
    #[error(transparent)]
    Io {
        /// The system's error.
        source: io::Error,
    },
    /// The message's segment can't be read, or only in part. Shared with the folder, which keeps
    /// the errors of its segments.
    #[error(transparent)]
    Segment(Arc<SegmentError>),
    /// The message can't be read.
    #[error(transparent)]
    Damage(#[from] Damage),
}

impl From<SegmentError> for ReadError {
    fn from(error: SegmentError) -> ReadError {
        ReadError::Segment(Arc::new(error))
    }
}

impl From<&Arc<SegmentError>> for ReadError {
    fn from(error: &Arc<SegmentError>) -> ReadError {
        ReadError::Segment(error.clone())
    }
}
