//! Checks whether a file system supports what the log needs.
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::disk;
use super::error::OpenError;
use super::layout::segments_folder;
use super::map::Mapping;
use crate::log::format::{Hole, PAGE_BYTES, RECORDS_AT};

/// Tries, on a temporary file, the operations that the log needs: create, allocate, map, populate,
/// punch.
pub(crate) fn probe(folder: &Path) -> Result<(), OpenError> {
    refuse_network(folder)?;
    let path = segments_folder(folder).join("probe");
    let unsupported = |call| {
        let path = folder.to_owned();
        move |cause| OpenError::Unsupported { path, call, cause }
    };
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(OpenError::new(&path, e)),
        _ => {}
    }
    let file = disk::create(&path).map_err(|e| OpenError::new(&path, e))?;
    // From here on, the file must be deleted in any case.
    let outcome = (|| {
        let bytes = RECORDS_AT + 2 * PAGE_BYTES;
        disk::allocate(&file, 0, bytes).map_err(|e| OpenError::new(&path, e))?;
        let handle = file.try_clone().map_err(|e| OpenError::new(&path, e))?;
        let (mapping, mut access) =
            Mapping::new(handle, bytes, bytes).map_err(unsupported("map a file for writing"))?;
        mapping.populate_front(bytes).map_err(unsupported("populate a mapped file"))?;
        access.write(RECORDS_AT, 1)[0] = 1;
        let mut seen = [0];
        file.read_exact_at(&mut seen, RECORDS_AT).map_err(|e| OpenError::new(&path, e))?;
        if seen != [1] {
            let cause = io::Error::other("a store to the map was not seen by a read");
            return Err(unsupported("keep maps and reads coherent")(cause));
        }
        disk::punch(&file, Hole { start: RECORDS_AT, end: bytes });
        Ok(())
    })();
    std::fs::remove_file(&path).map_err(|e| OpenError::new(&path, e))?;
    outcome
}

/// Refuses network file systems: the log does not rely on their maps and locks.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
fn refuse_network(folder: &Path) -> Result<(), OpenError> {
    let stat = rustix::fs::statfs(folder).map_err(|e| OpenError::new(folder, e.into()))?;
    // From linux/magic.h, and the cifs and smb2 sources.
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
