//! Why an audit failed.
use std::io;
use std::path::PathBuf;

use super::list::ExpectedListError;
use super::logged::LoggedError;
use crate::analysis::error::AnalysisError;

/// Why an audit failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A folder can't be read.
    #[error(transparent)]
    Folder(#[from] AnalysisError),
    /// The list can't be used.
    #[error(transparent)]
    List(#[from] ExpectedListError),
    /// A log of the sender can't be used.
    #[error(transparent)]
    Log(#[from] LoggedError),
    /// Two folders hold the same log, so one is a copy of the other.
    #[error(
        "{} and {} hold the same log: one is a copy of the other, and its mail would count twice",
        .0.display(),
        .1.display()
    )]
    SameLog(PathBuf, PathBuf),
    /// Records can't be sorted.
    #[error("cannot write or read temporary data; set TMPDIR to a folder with free space")]
    Sort(#[source] io::Error),
    /// The caller's `stop` was set before there was an answer.
    #[error("interrupted before there was an answer")]
    Stopped,
}

impl AuditError {
    /// Returns whether the list is at fault, which the caller names by its path.
    pub fn is_about_list(&self) -> bool {
        matches!(self, AuditError::List(_))
    }
}
