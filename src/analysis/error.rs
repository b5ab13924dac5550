//! Why a folder gives no answer.
use std::io;
use std::path::{Path, PathBuf};

use crate::log::reader::ReadError;

/// Why a folder gives no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder was named wrongly.
    #[error("{}: no such folder (choose one with --data)", .0.display())]
    NoFolder(PathBuf),
    /// Another folder was named, or sinkd kept no statistics.
    #[error(
        "{}: no statistics: it is not a data folder of sinkd, or sinkd ran with --stats off",
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
    /// The folder has no log, or the file system refuses access.
    #[error("{}: not a data folder of sinkd (choose one with --data)", path.display())]
    NoLog {
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

    pub(super) fn no_log(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::NoLog { path: path.to_owned(), source }
    }

    pub(super) fn log(path: &Path) -> impl FnOnce(ReadError) -> Error {
        move |source| Error::Log { path: path.to_owned(), source }
    }
}
