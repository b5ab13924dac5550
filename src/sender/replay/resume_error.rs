//! Why a resume file is unusable.
use std::io;
use std::path::PathBuf;

/// Why a resume file is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The file can't be read or written.
    #[error("{path}: cannot be read or written")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another replay uses the file.
    #[error("{0}: in use by another replay; wait for it, or choose another file")]
    InUse(PathBuf),
    /// The file is not a resume file.
    #[error("{0}: not a resume file; choose another file")]
    Foreign(PathBuf),
    /// The file belongs to another replay.
    #[error(
        "{path} belongs to another replay, in which '{name}' is {then}; here it is {now}. Use the \
         same options, or choose another file"
    )]
    Other {
        /// The path of the file.
        path: PathBuf,
        /// The name of the value that differs.
        name: String,
        /// The value in the file.
        then: String,
        /// The value now.
        now: String,
    },
    /// The file is damaged, and not only at its end, which a crash may cut off.
    #[error("{path}:{line}: damaged: the messages that were sent are unknown")]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
}
