//! Why a data folder cannot be opened for writing.
use std::io;
use std::path::PathBuf;

/// Why [`Log::open`](super::Log::open) failed. Each sentence says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder, or something in it, cannot be written.
    #[error("{path}: not writable ({cause}); choose another folder with --data, or allow writing")]
    NotWritable {
        /// What could not be created or opened.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another sinkd has it open.
    #[error(
        "{folder}: in use by another sinkd{}; stop that one, or choose another folder with --data",
        by(*.pid)
    )]
    Locked {
        /// The data folder.
        folder: PathBuf,
        /// The other process, where it says so.
        pid: Option<u32>,
    },
    /// The path is something else.
    #[error("{path}: not a folder; name a folder with --data")]
    NotAFolder {
        /// What is no folder.
        path: PathBuf,
    },
    /// A file of the folder is not what it should be.
    #[error("{file}, octet {offset}: {problem}; move the file away, or choose another folder")]
    Format {
        /// The file.
        file: PathBuf,
        /// From its start.
        offset: u64,
        /// What was found, and what was expected.
        problem: String,
    },
    /// The file system lacks what the log cannot do without.
    #[error(
        "{path}: this file system cannot {call} ({cause}); put the data folder on a local disk"
    )]
    Unsupported {
        /// The data folder.
        path: PathBuf,
        /// What was tried.
        call: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// The folder lies on another machine.
    #[error("{path}: lies on a network file system ({kind}); put the data folder on a local disk")]
    Network {
        /// The data folder.
        path: PathBuf,
        /// Which.
        kind: &'static str,
    },
    /// Not enough space for a worker's first segment.
    #[error("{path}: the disk is full; free some space, or choose another folder with --data")]
    NoSpace {
        /// The data folder.
        path: PathBuf,
    },
    /// Anything else.
    #[error("{path}: {cause}")]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl OpenError {
    /// Sorts an error of the system by what the person can do about it.
    pub(crate) fn of(path: impl Into<PathBuf>, cause: io::Error) -> OpenError {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                OpenError::NotWritable { path, cause }
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                OpenError::NotAFolder { path }
            }
            _ if is_no_space(&cause) => OpenError::NoSpace { path },
            _ => OpenError::Io { path, cause },
        }
    }
}

/// Did storage refuse because it, a quota or the largest allowed file is used up?
pub(crate) fn is_no_space(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
