//! What the log asks of the file system.
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::log::format::{Hole, Identity, LIVE_WORDS, LiveWords, PAGE_BYTES};

/// How files of a data folder are opened where they may have to be made: they hold other people's
/// mail, so they are for their owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a folder, and those above it, for their owner alone. Those that exist stay as they are.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How often [`share`] tries, and how long it waits in between: longer than sinkd needs to make a
/// file another segment's.
const SHARE_TRIES: u32 = 100;
const SHARE_EVERY: Duration = Duration::from_millis(2);

/// Takes the shared lock of a segment that is to be read: as long as it is held, the file is not
/// made another segment's. Any process may hold the other lock for as long as it likes, so after a
/// moment this goes on without: checksums tell what has become of the file.
pub(crate) fn share(file: &File) {
    for _ in 0..SHARE_TRIES {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let _ = crossbeam_channel::after(SHARE_EVERY).recv();
            }
            // Where files cannot be locked, no sinkd runs.
            Ok(()) | Err(TryLockError::Error(_)) => return,
        }
    }
}

/// Creates a file that isn't there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    private().read(true).write(true).create_new(true).open(path)
}

/// Makes the octets `from..to` part of the file, with space on the disk: zeros until written.
///
/// Errors: `StorageFull`, `QuotaExceeded`, `FileTooLarge`; others as the system says.
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
    // Without fallocate, only written octets have space for sure: a store to a hole on a full disk
    // would be SIGBUS.
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

/// Returns the whole pages inside `hole` to the disk; readers then see zeros. Where the file system
/// can't do that, nothing happens: only space depends on it.
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

/// Descriptors that this process may have open.
pub(crate) fn descriptors_max() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.unwrap_or(u64::MAX)
}

/// Octets that this process may still write to the file system of `folder`.
pub(crate) fn space_left(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Octets of disk that a file takes.
pub(crate) fn bytes_of(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Writes a live page as a whole, through the file.
pub(crate) fn write_live(file: &File, words: &LiveWords) -> io::Result<()> {
    file.write_all_at(&words.encode(), crate::log::format::LIVE_AT)
}

/// Reads the meaningful part of a live page.
pub(crate) fn read_live(file: &File) -> io::Result<LiveWords> {
    let mut bytes = [0; 8 * LIVE_WORDS];
    file.read_exact_at(&mut bytes, crate::log::format::LIVE_AT)?;
    Ok(LiveWords::decode(&bytes))
}

/// Reads the identity page of a segment's file; `None`: it cannot be read, or does not check.
pub(crate) fn identity_of(file: &File) -> Option<Identity> {
    let mut page = [0; PAGE_BYTES as usize];
    file.read_exact_at(&mut page, crate::log::format::IDENTITY_AT).ok()?;
    Identity::decode(&page).ok()
}
