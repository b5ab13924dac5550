//! Why a log cannot be read.
use std::io;
use std::path::PathBuf;

/// Why a log cannot be read, or only in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file can't be opened.
    #[error("{}: cannot be read", path.display())]
    Open {
        /// The sender's log, as the user named it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file has an unsupported format.
    #[error("{}: {form}, expected text, gzip or zstd: {advice}", path.display())]
    Form {
        /// The sender's log, as the user named it.
        path: PathBuf,
        /// The format of the file, such as "compressed by xz".
        form: &'static str,
        /// What the user can do.
        advice: &'static str,
    },
    /// Reading failed, or the compressed data is damaged (a log that is merely cut off is not an
    /// error).
    #[error("{}:{line}: cannot read on from this line", path.display())]
    Read {
        /// The sender's log, as the user named it.
        path: PathBuf,
        /// The first line that could not be read, from 1.
        line: u64,
        /// The error of the file system or of the decompression.
        source: io::Error,
    },
}
