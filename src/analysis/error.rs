//! Errors of reading a data folder.
use std::io;
use std::path::{Path, PathBuf};

use crate::log::reader::ReadError;

/// Why a data folder could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// The path does not exist.
    #[error("{}: no such folder", .0.display())]
    NoFolder(PathBuf),
    /// The path names a file.
    #[error("{}: a file, not a folder", .0.display())]
    File(PathBuf),
    /// The folder has neither segments nor statistics, so it is not a data folder.
    #[error("{}: neither segments nor statistics in this folder", .0.display())]
    Foreign(PathBuf),
    /// The folder has only statistics, because a sender recorded it.
    #[error("{}: this folder has no segments, like a sender's records", .0.display())]
    NoSegments(PathBuf),
    /// The folder has segments, but no statistics.
    #[error("{}: no statistics in this data folder", .0.display())]
    NoStatistics(PathBuf),
    /// The statistics can't be read.
    #[error("{}: cannot read its statistics", path.display())]
    Statistics {
        /// The data folder, as the caller named it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The recordings of connections can't be read.
    #[error("cannot read what was recorded of connections")]
    Connections(#[source] io::Error),
    /// The segments can't be read.
    #[error("{}: cannot read its segments", path.display())]
    Segments {
        /// The data folder, as the caller named it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The log can't be read.
    #[error("{}", path.display())]
    Log {
        /// The data folder, as the caller named it.
        path: PathBuf,
        /// Which part of the log, and why.
        source: ReadError,
    },
}

impl AnalysisError {
    /// Returns the error and its causes as one sentence.
    pub fn sentence(&self) -> String {
        crate::wording::with_causes(self)
    }

    pub(super) fn statistics(path: &Path) -> impl FnOnce(io::Error) -> AnalysisError {
        move |source| AnalysisError::Statistics { path: path.to_owned(), source }
    }

    pub(super) fn segments(path: &Path) -> impl FnOnce(io::Error) -> AnalysisError {
        move |source| AnalysisError::Segments { path: path.to_owned(), source }
    }

    pub(super) fn log(path: &Path) -> impl FnOnce(ReadError) -> AnalysisError {
        move |source| AnalysisError::Log { path: path.to_owned(), source }
    }
}
