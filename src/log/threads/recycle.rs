//! Recycles the file of a dropped segment: its pages are already in memory, so populating them
//! costs a fifth as much as new ones.
//!
//! A reader holds a shared flock on the segment it reads, and after taking it checks that the
//! identity page still has the requested number. Recycling takes the exclusive lock without
//! waiting. If it is interrupted at any point, the file is the old segment, a spare (its name and
//! its identity differ), or the new segment, still empty. Old content never has a valid checksum,
//! because every checksum includes the segment number.
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::log::files::disk;
use crate::log::files::layout;
use crate::log::files::map::{Mapping, WriteAccess};
use crate::log::format::{LIVE_AT, PAGE_BYTES, SegmentIdentity};

/// Turns the file of a dropped segment into the segment that `identity` describes, except for its
/// name. Takes the exclusive lock, which the caller releases after it has renamed the file.
///
/// Errors: `WouldBlock`, a reader has it open; `InvalidInput`, it has another length; otherwise,
/// errors of the system. After an error the file is unchanged, or a spare: the caller must unlink
/// it.
pub(crate) fn renew(file: &File, identity: &SegmentIdentity) -> io::Result<()> {
    if file.metadata()?.len() != identity.segment_bytes {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.try_lock().map_err(io::Error::from)?;
    // The counts are cleared first, so that the file never claims messages under the new number.
    file.write_all_at(&[0; PAGE_BYTES as usize], LIVE_AT)?;
    // Allocates the space that sealing returned to the disk.
    disk::allocate(file, 0, identity.segment_bytes)?;
    file.write_all_at(&identity.encode(), 0)
}

/// Maps of sealed segments that may be recycled, by segment number. Their pages stay mapped.
///
/// Mapping and populating a segment costs as much as receiving it, so a ring keeps its maps, up to
/// [`KEPT_BYTES_MAX`]. Each map uses address space, page tables (2 KiB per MiB) and a descriptor;
/// the pages themselves are part of the page cache.
#[derive(Debug)]
pub(crate) struct KeptMaps {
    maps: HashMap<u32, (WriteAccess, u64)>,
    bytes: u64,
    /// Maximum number of maps.
    count_max: usize,
}

/// 1 GiB: a ring of that size stays in memory on most machines. For a larger one, keeping maps does
/// not pay off.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// One in this number of this process's descriptors can be used for kept maps; the others are for
/// clients. With 1,024 descriptors that is a ring of 64 segments.
const DESCRIPTORS_PER_MAP: u64 = 16;

impl KeptMaps {
    /// Keeps as many maps as fit `descriptors`, the maximum number of descriptors of this process.
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

    /// Removes and returns a map, because its segment is about to be dropped.
    pub(crate) fn take(&mut self, number: u32) -> Option<WriteAccess> {
        let (access, bytes) = self.maps.remove(&number)?;
        self.bytes -= bytes;
        Some(access)
    }
}

/// Maps the file of a sealed segment again.
pub(crate) fn remap(folder: &Path, number: u32) -> io::Result<WriteAccess> {
    let path = layout::segment_path(folder, number);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    Mapping::new(file, bytes, bytes).map(|(_, access)| access)
}
