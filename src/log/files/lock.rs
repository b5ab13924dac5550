//! Ensures a single writer: the folder's `lock` file is locked as long as its sinkd runs, and
//! contains its pid.
use std::fs::{File, TryLockError};
use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::disk;
use super::error::OpenError;

/// A locked file. The lock ends when this is dropped, or with the process.
///
/// Dropping unlocks explicitly: closing the file alone would leave the lock with other holders of
/// the descriptor, such as a program that another thread is starting.
#[derive(Debug)]
pub(crate) struct HeldLock(File);

impl HeldLock {
    /// Wraps a file that was just locked.
    pub(crate) fn of(file: File) -> HeldLock {
        HeldLock(file)
    }
}

impl Deref for HeldLock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for HeldLock {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Unlocking fails only if there is no lock.
        let _ = self.0.unlock();
    }
}

/// The lock of a folder.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _held: HeldLock,
}

impl FolderLock {
    /// Takes the lock. Errors: `Locked` by another process, or by this one earlier.
    pub(crate) fn take(folder: &Path) -> Result<FolderLock, OpenError> {
        let path = folder.join("lock");
        let mut options = disk::private();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|e| OpenError::new(&path, e))?;
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
        let held = HeldLock::of(file);
        let pid = format!("{}\n", std::process::id());
        held.set_len(0)
            .and_then(|()| held.write_all_at(pid.as_bytes(), 0))
            .map_err(|e| OpenError::new(&path, e))?;
        Ok(FolderLock { _held: held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_holder_although_its_descriptor_lives_on() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        // Like a program that another thread is starting.
        let inherited = lock._held.try_clone().unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(OpenError::Locked { .. })));
        drop(lock);
        FolderLock::take(folder.path()).unwrap();
        drop(inherited);
    }
}
