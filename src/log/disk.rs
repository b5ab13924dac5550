//! What the log asks of the file system, and whether a file system can do it.
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::error::OpenError;
use super::format::{Hole, Identity, LIVE_WORDS, LiveWords, PAGE_BYTES, RECORDS_AT};
use super::layout::segments_folder;
use super::map::Mapping;

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

/// Gives the whole pages inside `hole` back to the disk; readers then see zeros. Where that cannot
/// be done, nothing happens: only space depends on it.
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

/// Writes a live page as a whole, through the file.
pub(crate) fn write_live(file: &File, words: &LiveWords) -> io::Result<()> {
    file.write_all_at(&words.encode(), super::format::LIVE_AT)
}

/// Reads the meaningful part of a live page.
pub(crate) fn read_live(file: &File) -> io::Result<LiveWords> {
    let mut bytes = [0; 8 * LIVE_WORDS];
    file.read_exact_at(&mut bytes, super::format::LIVE_AT)?;
    Ok(LiveWords::decode(&bytes))
}

/// Reads the identity page of a segment's file; `None`: it cannot be read, or does not check.
pub(crate) fn identity_of(file: &File) -> Option<Identity> {
    let mut page = [0; PAGE_BYTES as usize];
    file.read_exact_at(&mut page, super::format::IDENTITY_AT).ok()?;
    Identity::decode(&page).ok()
}

/// Tries on a file of its own what the log needs: create, allocate, map, populate, punch.
pub(crate) fn probe(folder: &Path) -> Result<(), OpenError> {
    refuse_network(folder)?;
    let path = segments_folder(folder).join("probe");
    let unsupported = |call| {
        let path = folder.to_owned();
        move |cause| OpenError::Unsupported { path, call, cause }
    };
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(OpenError::of(&path, e)),
        _ => {}
    }
    let file = create(&path).map_err(|e| OpenError::of(&path, e))?;
    // From here on the file must go again, whatever happens.
    let outcome = (|| {
        let bytes = RECORDS_AT + 2 * PAGE_BYTES;
        allocate(&file, 0, bytes).map_err(|e| OpenError::of(&path, e))?;
        let handle = file.try_clone().map_err(|e| OpenError::of(&path, e))?;
        let (mapping, mut door) =
            Mapping::new(handle, bytes).map_err(unsupported("map a file for writing"))?;
        mapping.populate(0..bytes).map_err(unsupported("populate a mapped file"))?;
        door.write(RECORDS_AT, 1)[0] = 1;
        let mut seen = [0];
        file.read_exact_at(&mut seen, RECORDS_AT).map_err(|e| OpenError::of(&path, e))?;
        if seen != [1] {
            let cause = io::Error::other("a store to the map was not seen by a read");
            return Err(unsupported("keep maps and reads coherent")(cause));
        }
        punch(&file, Hole { start: RECORDS_AT, end: bytes });
        Ok(())
    })();
    std::fs::remove_file(&path).map_err(|e| OpenError::of(&path, e))?;
    outcome
}

/// Maps and locks of network file systems are not what the log builds on.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
fn refuse_network(folder: &Path) -> Result<(), OpenError> {
    let stat = rustix::fs::statfs(folder).map_err(|e| OpenError::of(folder, e.into()))?;
    // linux/magic.h, and cifs and smb2 in their sources.
    let kind = match stat.f_type as u64 & 0xffff_ffff {
        0x6969 => "NFS",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x517b => "SMB",
        0x5346_414f => "AFS",
        0x00c3_6400 => "Ceph",
        0x0102_1997 => "9P",
        _ => return Ok(()),
    };
    Err(OpenError::Network { path: folder.to_owned(), kind })
}

#[cfg(any(sinkd_portable, not(target_os = "linux")))]
fn refuse_network(_folder: &Path) -> Result<(), OpenError> {
    Ok(())
}
