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
        "{}: expected a data folder of sinkd, found no such folder (choose one with --data)",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// A file has that name.
    #[error(
        "{}: expected a data folder of sinkd, found a file (choose a folder with --data)",
        .0.display()
    )]
    File(PathBuf),
    /// Another folder was named: it has neither log nor statistics.
    #[error(
        "{}: expected a data folder of sinkd, found a folder with neither segments nor \
         statistics (choose another with --data)",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The folder has only statistics, which a sender recorded.
    #[error(
        "{}: expected a data folder of sinkd, found a folder without segments, such as a \
         sender's records (choose another with --data)",
        .0.display()
    )]
    NoSegments(PathBuf),
    /// sinkd kept no statistics.
    #[error(
        "{}: expected statistics, found a data folder without them: sinkd ran with --stats off \
         (choose another with --data)",
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
