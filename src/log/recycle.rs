//! Using the file of a dropped segment again: its pages are in memory already, which makes them
//! five times as cheap as fresh ones.
//!
//! A reader holds a shared flock on the segment it reads, and after taking it looks whether the
//! identity page still bears the number it asked for. We take the exclusive one without waiting.
//! Whenever we are interrupted, the file is the old segment, a spare (its name and its identity
//! differ), or the new segment, still empty; what lies in it from before never checks, because the
//! number is under every checksum.
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::disk;
use super::format::{IDENTITY_AT, Identity, LIVE_AT, PAGE_BYTES, SLOT_BYTES, decode_slot, slot_at};
use super::id::MessageId;
use super::map::{Door, Mapping};

/// Makes the file of a dropped segment that of the segment `identity` describes, but for its name.
/// Its exclusive lock is held until the caller has renamed it.
///
/// Errors: `WouldBlock`, a reader has it open; `InvalidInput`, it has another length; others as the
/// system says. After an error the file is as it was, or a spare: the caller unlinks it.
pub(crate) fn renew(file: &File, identity: &Identity) -> io::Result<()> {
    if file.metadata()?.len() != identity.segment_bytes {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.try_lock().map_err(io::Error::from)?;
    // First the counts: at no time does the file claim messages under the new number.
    file.write_all_at(&[0; PAGE_BYTES as usize], LIVE_AT)?;
    // What sealing had given back to the disk.
    disk::allocate(file, 0, identity.segment_bytes)?;
    file.write_all_at(&identity.encode(), 0)
}

/// Maps of sealed segments that may become the next ones, by number: their pages stay mapped.
///
/// Mapping and populating a segment anew costs as much as receiving it, so a ring keeps its maps,
/// up to [`KEPT_BYTES_MAX`]. It costs address space and page tables (2 KiB a MiB); the pages are
/// those of the page cache.
#[derive(Debug, Default)]
pub(crate) struct KeptMaps {
    doors: HashMap<u32, (Door, u64)>,
    bytes: u64,
}

/// 1 GiB: a ring of that size stays in memory on most machines; a larger one does not pay.
const KEPT_BYTES_MAX: u64 = 1 << 30;

impl KeptMaps {
    /// Keeps the map of a segment of `bytes` octets, if there is room.
    pub(crate) fn put(&mut self, number: u32, door: Door, bytes: u64) {
        if self.bytes + bytes <= KEPT_BYTES_MAX {
            self.bytes += bytes;
            self.doors.insert(number, (door, bytes));
        }
    }

    /// Gives it, or lets it go: the segment is about to be dropped.
    pub(crate) fn take(&mut self, number: u32) -> Option<Door> {
        let (door, bytes) = self.doors.remove(&number)?;
        self.bytes -= bytes;
        Some(door)
    }
}

/// The file of a sealed segment, mapped.
pub(crate) fn map_again(folder: &Path, number: u32) -> io::Result<Door> {
    let path = disk::segment_path(folder, number);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    Mapping::new(file, bytes).map(|(_, door)| door)
}

/// Is it the file of an interrupted [`renew`]: another segment's name, nothing in it? Its counts
/// alone don't say so, as nothing covers them: no slot may be one of the segment it claims to be.
pub(crate) fn is_interrupted(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let words = disk::read_live(&file);
    words.is_ok_and(|words| words.0.iter().all(|word| *word == 0)) && !has_first_slot(&file)
}

fn has_first_slot(file: &File) -> bool {
    let mut page = [0; PAGE_BYTES as usize];
    let mut slot = [0; SLOT_BYTES as usize];
    let read = file.read_exact_at(&mut page, IDENTITY_AT).map_err(drop);
    let Ok(identity) = read.and_then(|()| Identity::decode(&page).map_err(drop)) else {
        return false;
    };
    let bytes = identity.segment_bytes;
    let id = MessageId { segment: identity.number, slot: 0 };
    slot_at(bytes, 0).is_some_and(|at| file.read_exact_at(&mut slot, at).is_ok())
        && decode_slot(&slot, &identity.seed(), id, bytes).is_some()
}
