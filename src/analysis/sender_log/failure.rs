//! Why a log cannot be read.
use std::io;
use std::path::PathBuf;

/// Why a log cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file system refuses the file.
    #[error("{}: cannot open this log", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file is in a form that is not read.
    #[error("{}: {form}, expected text, gzip or zstd: {advice}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it is.
        form: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Reading failed, or what is compressed is damaged (a log that is only cut is not an error).
    #[error("{}:{line}: cannot read on from this line", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The first line that was not read, from 1.
        line: u64,
        /// What the file system or the decompression says.
        source: io::Error,
    },
}
