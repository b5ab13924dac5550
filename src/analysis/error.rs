//! Why a folder gives no answer.
use std::io;
use std::path::{Path, PathBuf};

use crate::log::reader::ReadError;

/// Why a folder gives no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing of that name.
    #[error(
        "{}: no such folder (choose a sinkd data folder with --data)",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// A file has that name.
    #[error(
        "{}: a file, not a folder (choose a sinkd data folder with --data)",
        .0.display()
    )]
    File(PathBuf),
    /// Another folder was named: it has neither log nor statistics.
    #[error(
        "{}: neither segments nor statistics in this folder (choose a sinkd data folder with \
         --data)",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The folder has only statistics, which a sender recorded.
    #[error(
        "{}: no segments in this folder, as in a sender's records (choose a sinkd data folder \
         with --data)",
        .0.display()
    )]
    NoSegments(PathBuf),
    /// sinkd kept no statistics.
    #[error(
        "{}: no statistics in this data folder: sinkd ran with --stats off (choose another with \
         --data)",
        .0.display()
    )]
    NoStatistics(PathBuf),
    /// The file system says no.
    #[error("{}: cannot read its statistics", path.display())]
    Statistics {
        /// The folder.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// What was recorded of connections can't be read.
    #[error("cannot read what was recorded of connections")]
    Connections(#[source] io::Error),
    /// The file system refuses access to the log.
    #[error("{}: cannot read its segments", path.display())]
    Segments {
        /// The folder.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The log can't be read.
    #[error("{}", path.display())]
    Log {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
}

impl Error {
    /// The error and its causes.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            sentence += &format!(": {error}");
            cause = error.source();
        }
        sentence
    }

    pub(super) fn statistics(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Statistics { path: path.to_owned(), source }
    }

    pub(super) fn segments(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Segments { path: path.to_owned(), source }
    }

    pub(super) fn log(path: &Path) -> impl FnOnce(ReadError) -> Error {
        move |source| Error::Log { path: path.to_owned(), source }
    }
}
