//! Why two runs cannot be compared.
use std::io;

use super::super::error::Error;
use super::kind::RecordedBy;

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// A folder has no statistics, or they can't be read.
    #[error(transparent)]
    Folder(#[from] Error),
    /// A file of statistics can't be read.
    #[error("{name}: cannot read its statistics")]
    Unreadable {
        /// The run, as it was asked for.
        name: String,
        /// What the file system says.
        source: io::Error,
    },
    /// One side merges folders of both kinds.
    #[error(
        "{0} mixes the records of a sink and a sender; choose the folders of one side with --data"
    )]
    Mixed(char),
    /// There is nothing to compare.
    #[error("nothing to compare: {letter} ({name}) has no accepted messages")]
    NoMessages {
        /// 'A' or 'B'.
        letter: char,
        /// The run, as it was asked for.
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
    /// A run is compared with itself.
    #[error(
        "A ({0}) and B ({1}) are the same recording, or one is a copy of the other; choose \
         two different runs"
    )]
    Same(String, String),
}
