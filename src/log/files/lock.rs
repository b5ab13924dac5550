//! One writer: the folder's `lock` file, locked for as long as its sinkd lives, its pid inside.
use std::fs::{File, TryLockError};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::disk;
use super::error::OpenError;

/// The lock; the kernel gives it back when the file is closed, however that comes about.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Errors: `Locked` by another process (or by this one, earlier).
    pub(crate) fn take(folder: &Path) -> Result<FolderLock, OpenError> {
        let path = folder.join("lock");
        let mut options = disk::private();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|e| OpenError::of(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::Locked { folder: folder.to_owned(), pid });
            }
            Err(TryLockError::Error(cause)) => {
                return Err(OpenError::Unsupported { path, call: "lock a file", cause });
            }
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all_at(pid.as_bytes(), 0))
            .map_err(|e| OpenError::of(&path, e))?;
        Ok(FolderLock { _file: file })
    }
}
