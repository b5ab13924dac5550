//! File system operations of the log.
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::log::format::{Hole, LIVE_WORDS, LiveWords, PAGE_BYTES, SegmentIdentity};

/// Returns options for files that may have to be created. They are readable only by their owner,
/// because a data folder holds other people's mail.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Creates a folder and its parents, accessible only by their owner. Existing ones are left
/// unchanged.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How often [`share`] tries, and how long it waits between tries: longer than sinkd needs to
/// recycle a file.
const SHARE_TRIES: u32 = 100;
const SHARE_EVERY: Duration = Duration::from_millis(2);

/// Takes the shared lock of a segment to be read. While it is held, the file is not recycled for
/// another segment. Another process may hold the exclusive lock indefinitely, so after a moment
/// this gives up and continues without the lock; checksums then reveal what happened to the file.
pub(crate) fn share(file: &File) {
    for _ in 0..SHARE_TRIES {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let _ = crossbeam_channel::after(SHARE_EVERY).recv();
            }
            // sinkd does not run where files can't be locked.
            Ok(()) | Err(TryLockError::Error(_)) => return,
        }
    }
}

/// Creates a file that must not exist.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    private().read(true).write(true).create_new(true).open(path)
}

/// Extends the file to contain the octets `from..to`, with space allocated on disk; they read as
/// zeros until written.
///
/// Errors: `StorageFull`, `QuotaExceeded`, `FileTooLarge`, and other errors of the system.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    loop {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(file, FallocateFlags::empty(), from, to - from) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => break,
            Err(e) => return Err(e.into()),
        }
    }
    // Without fallocate, only octets that were written are sure to have space: storing to a hole on
    // a full disk would raise SIGBUS.
    write_zeros(file, from, to)
}

/// Writes zeros to the octets `from..to`.
pub(crate) fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let len = (to - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..len as usize], at)?;
        at += len;
    }
    Ok(())
}

/// Returns the whole pages within `hole` to the disk; readers then see zeros. Does nothing if the
/// file system can't do that, because only disk usage depends on it.
pub(crate) fn punch(file: &File, hole: Hole) {
    let start = hole.start.next_multiple_of(PAGE_BYTES);
    let end = hole.end / PAGE_BYTES * PAGE_BYTES;
    if start >= end {
        return;
    }
    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if let Err(e) = fallocate(file, flags, start, end - start) {
            tracing::debug!(error = %e, "unused space of a segment stays allocated");
        }
    }
    #[cfg(any(sinkd_portable, not(target_os = "linux")))]
    let _ = (file, start, end);
}

/// Returns the maximum number of descriptors that this process may have open.
pub(crate) fn descriptors_max() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.unwrap_or(u64::MAX)
}

/// Returns how many octets this process can still write to the file system of `folder`.
pub(crate) fn space_left(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Returns the disk space that a file uses, in octets.
pub(crate) fn bytes_of(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Writes a whole live page through the file.
pub(crate) fn write_live(file: &File, words: &LiveWords) -> io::Result<()> {
    file.write_all_at(&words.encode(), crate::log::format::LIVE_AT)
}

/// Reads the meaningful part of a live page.
pub(crate) fn read_live(file: &File) -> io::Result<LiveWords> {
    let mut bytes = [0; 8 * LIVE_WORDS];
    file.read_exact_at(&mut bytes, crate::log::format::LIVE_AT)?;
    Ok(LiveWords::decode(&bytes))
}

/// Reads the identity page of a segment's file; `None`: it can't be read, or its checksum is wrong.
pub(crate) fn identity_of(file: &File) -> Option<SegmentIdentity> {
    let mut page = [0; PAGE_BYTES as usize];
    file.read_exact_at(&mut page, crate::log::format::IDENTITY_AT).ok()?;
    SegmentIdentity::decode(&page).ok()
}
