//! Why a data folder can't be opened for writing.
use std::io;
use std::path::PathBuf;

/// Why [`Log::open`](crate::log::Log::open) failed. Each message says what failed, where, and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder, or a file in it, is not writable.
    #[error("{path}: not writable ({cause}); make it writable, or choose another folder")]
    NotWritable {
        /// The path that could not be created or opened.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Another sinkd is using the folder.
    #[error(
        "{folder}: in use by another sinkd{}; stop that one, or choose another folder",
        by(*.pid)
    )]
    Locked {
        /// The data folder.
        folder: PathBuf,
        /// The other process, if its lock file names it.
        pid: Option<u32>,
    },
    /// The path is not a folder.
    #[error("{path}: not a folder; choose a folder")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The file with the id and the counters of the folder has no valid line.
    #[error(
        "{file}, byte 0: no valid line (\"sinkd-store 1 id=…\") in it; move the file away, or \
         choose another folder"
    )]
    Store {
        /// The file.
        file: PathBuf,
    },
    /// The file system lacks an operation that the log requires.
    #[error(
        "{path}: this file system cannot {call} ({cause}); put the data folder on a local disk"
    )]
    Unsupported {
        /// The data folder.
        path: PathBuf,
        /// The operation.
        call: &'static str,
        /// The system's error.
        cause: io::Error,
    },
    /// The folder is on a network file system.
    #[error("{path}: is on a network file system ({kind}); put the data folder on a local disk")]
    Network {
        /// The data folder.
        path: PathBuf,
        /// The type of the file system.
        kind: &'static str,
    },
    /// There is not enough space for a worker's first segment.
    #[error("{path}: the disk is full; free some space, or choose another folder")]
    NoSpace {
        /// The data folder.
        path: PathBuf,
    },
    /// A segment exceeds the maximum file size.
    #[error(
        "{path}: files as large as a segment are not allowed ({cause}); raise the limit (ulimit \
         -f), or choose a folder on another file system"
    )]
    FileTooLarge {
        /// The file to be written.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start the thread {name} ({cause}); raise the process limit (ulimit -u)")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The system's error.
        cause: io::Error,
    },
    /// Any other error.
    #[error("{path}: {cause}")]
    Io {
        /// The path that was being read or written.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl OpenError {
    /// Classifies a system error by what the user can do about it.
    pub(crate) fn new(path: impl Into<PathBuf>, cause: io::Error) -> OpenError {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                OpenError::NotWritable { path, cause }
            }
            io::ErrorKind::NotADirectory => OpenError::NotAFolder { path },
            io::ErrorKind::FileTooLarge => OpenError::FileTooLarge { path, cause },
            _ if is_no_space(&cause) => OpenError::NoSpace { path },
            _ => OpenError::Io { path, cause },
        }
    }
}

/// Returns whether storage or a quota is used up, so that dropping older mail helps.
pub(crate) fn is_no_space(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Returns whether a shorter file could succeed.
pub(crate) fn is_shorter_better(e: &io::Error) -> bool {
    is_no_space(e) || e.kind() == io::ErrorKind::FileTooLarge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(errno: i32, is_expected: impl Fn(&OpenError) -> bool, said: &str) {
        let error = OpenError::new("/data", io::Error::from_raw_os_error(errno));
        assert!(is_expected(&error), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn system_errors_are_classified_by_remedy() {
        check(28, |e| matches!(e, OpenError::NoSpace { .. }), "the disk is full");
        // EFBIG: free disk space would not help.
        check(27, |e| matches!(e, OpenError::FileTooLarge { .. }), "ulimit -f");
        // EEXIST: another file has the name; this is not a file instead of a folder.
        check(17, |e| matches!(e, OpenError::Io { .. }), "/data: File exists");
        check(20, |e| matches!(e, OpenError::NotAFolder { .. }), "not a folder");
        check(13, |e| matches!(e, OpenError::NotWritable { .. }), "not writable");
    }

    #[test]
    fn a_file_size_limit_makes_segments_shorter_and_drops_no_mail() {
        let too_large = io::Error::from(io::ErrorKind::FileTooLarge);
        assert!(is_shorter_better(&too_large) && !is_no_space(&too_large));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(is_shorter_better(&full) && is_no_space(&full));
    }
}
