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

use crate::log::files::disk;
use crate::log::files::layout;
use crate::log::files::map::{Mapping, WriteAccess};
use crate::log::format::{Identity, LIVE_AT, PAGE_BYTES};

/// Turns the file of a dropped segment into the segment that `identity` describes, except for the
/// file name. Its exclusive lock is held until the caller has renamed it.
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
/// up to [`KEPT_BYTES_MAX`]. It costs address space, page tables (2 KiB a MiB) and a descriptor
/// each; the pages themselves belong to the page cache.
#[derive(Debug)]
pub(crate) struct KeptMaps {
    maps: HashMap<u32, (WriteAccess, u64)>,
    bytes: u64,
    /// How many there may be.
    count_max: usize,
}

/// 1 GiB: a ring of that size stays in memory on most machines; a larger one does not pay.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// Of the descriptors that this process may have, one in this number is for maps that are kept: the
/// others are for clients. With 1,024 of them that is a ring of 64 segments.
const DESCRIPTORS_PER_MAP: u64 = 16;

impl KeptMaps {
    /// Keeps as many maps as `descriptors`, which this process may have open, allow.
    pub(crate) fn new(descriptors: u64) -> KeptMaps {
        let count_max = usize::try_from(descriptors / DESCRIPTORS_PER_MAP).unwrap_or(usize::MAX);
        KeptMaps { maps: HashMap::new(), bytes: 0, count_max }
    }

    /// Keeps the map of a segment of `bytes` octets, if there is room.
    pub(crate) fn insert(&mut self, number: u32, access: WriteAccess, bytes: u64) {
        let sum = self.bytes.saturating_add(bytes);
        if sum <= KEPT_BYTES_MAX && self.maps.len() < self.count_max {
            self.bytes = sum;
            self.maps.insert(number, (access, bytes));
        }
    }

    /// Returns the map and forgets it: the segment is about to be dropped.
    pub(crate) fn take(&mut self, number: u32) -> Option<WriteAccess> {
        let (access, bytes) = self.maps.remove(&number)?;
        self.bytes -= bytes;
        Some(access)
    }
}

/// The file of a sealed segment, mapped.
pub(crate) fn remap(folder: &Path, number: u32) -> io::Result<WriteAccess> {
    let path = layout::segment_path(folder, number);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    Mapping::new(file, bytes, bytes).map(|(_, access)| access)
}
