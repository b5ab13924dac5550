//! Why two runs cannot be compared.
use std::io;

use super::kind::RecordedBy;
use crate::analysis::error::AnalysisError;

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// A folder has no statistics, or they can't be read.
    #[error(transparent)]
    Folder(#[from] AnalysisError),
    /// A file of statistics can't be read.
    #[error("{name}: cannot read its statistics")]
    Unreadable {
        /// The run as the user named it.
        name: String,
        /// The error of the file system.
        source: io::Error,
    },
    /// One side merges recordings of sinks and of senders.
    #[error("{0} mixes the records of a sink and a sender")]
    Mixed(char),
    /// A run has no accepted messages.
    #[error("nothing to compare: {letter} ({name}) has no accepted messages")]
    NoMessages {
        /// 'A' or 'B'.
        letter: char,
        /// The run as the user named it.
        name: String,
    },
    /// The runs were recorded on different sides.
    #[error(
        "A was recorded by a {}, B by a {}, which measure different intervals; compare two runs \
         that were recorded on the same side",
        .0.name(),
        .1.name()
    )]
    DifferentKinds(RecordedBy, RecordedBy),
    /// Both runs are the same recording, so nothing can differ.
    #[error(
        "A ({0}) and B ({1}) are the same recording, or one is a copy of the other; choose \
         two different runs"
    )]
    Same(String, String),
}
