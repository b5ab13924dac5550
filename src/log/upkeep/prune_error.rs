//! Why segments can't be pruned.
use std::io;
use std::path::{Path, PathBuf};

use crate::log::files::events;

/// Why [`prune`](crate::log::prune) or [`prunable`](crate::log::prunable) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The folder or its segments can't be listed.
    #[error("{}: cannot be read", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The events of the folder can't be read, locked or written.
    #[error("{}: cannot be read or written", file.display())]
    Events {
        /// The path of `events.jsonl`.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file of a segment can't be unlinked. Segments dropped before it are recorded.
    #[error("{}: cannot be deleted", file.display())]
    Segment {
        /// The path of the segment.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl PruneError {
    pub(super) fn folder(folder: &Path) -> impl FnOnce(io::Error) -> PruneError {
        move |source| PruneError::Folder { folder: folder.to_owned(), source }
    }

    pub(super) fn events(folder: &Path) -> impl FnOnce(io::Error) -> PruneError {
        move |source| PruneError::Events { file: events::path_of(folder), source }
    }
}
