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
use super::flags;
use super::format::{BootId, Identity, LIVE_AT, PAGE_BYTES};
use super::layout;
use super::map::{Door, Mapping};
use super::reader::{Extent, Segment, scan};
use super::store::Store;

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
/// up to [`KEPT_BYTES_MAX`]. It costs address space, page tables (2 KiB a MiB) and a descriptor
/// each; the pages are those of the page cache.
#[derive(Debug)]
pub(crate) struct KeptMaps {
    doors: HashMap<u32, (Door, u64)>,
    bytes: u64,
    /// How many there may be.
    count_max: usize,
}

/// 1 GiB: a ring of that size stays in memory on most machines; a larger one does not pay.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// Of the descriptors that this process may have, one in so many is for maps that are kept: the
/// others are for clients. With 1,024 of them that is a ring of 64 segments.
const DESCRIPTORS_PER_MAP: u64 = 16;

impl KeptMaps {
    /// As many as `descriptors`, which this process may have open, allow.
    pub(crate) fn new(descriptors: u64) -> KeptMaps {
        let count_max = usize::try_from(descriptors / DESCRIPTORS_PER_MAP).unwrap_or(usize::MAX);
        KeptMaps { doors: HashMap::new(), bytes: 0, count_max }
    }

    /// Keeps the map of a segment of `bytes` octets, if there is room.
    pub(crate) fn put(&mut self, number: u32, door: Door, bytes: u64) {
        let sum = self.bytes.saturating_add(bytes);
        if sum <= KEPT_BYTES_MAX && self.doors.len() < self.count_max {
            self.bytes = sum;
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
    let path = layout::segment_path(folder, number);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    Mapping::new(file, bytes).map(|(_, door)| door)
}

/// What [`reclaim`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reclaimed {
    /// Files that got the name of the segment they are.
    pub renamed: u64,
    /// Files with nothing in them that anybody was told of.
    pub removed: u64,
}

/// Gives every spare of a data folder (its name and its identity differ) the name of the segment
/// that its identity describes, or removes it if there is nothing in it. The caller holds the lock
/// of the folder.
///
/// A crash of sinkd leaves a spare that is empty. A power loss can take the last renaming back and
/// keep what was written after it: such a file holds mail. The segment by whose name it goes was
/// dropped on purpose. Files of another store are left alone.
///
/// Costs a read of 4 KiB per segment, and of each spare as a whole. Errors: what the file system
/// says.
pub(crate) fn reclaim(folder: &Path) -> io::Result<Reclaimed> {
    let mut done = Reclaimed::default();
    let store = Store::id_of(folder)?;
    for (number, path) in layout::segment_files(folder)? {
        let Some((file, identity)) = spare(&path, number) else {
            continue;
        };
        if store.is_some_and(|id| id != identity.store) {
            continue;
        }
        let name = layout::segment_path(folder, identity.number);
        match (holds_mail(file, &name), name.exists()) {
            (true, false) => {
                std::fs::rename(&path, name)?;
                done.renamed += 1;
            }
            // A copy that somebody made.
            (true, true) => continue,
            (false, _) => {
                std::fs::remove_file(&path)?;
                done.removed += 1;
            }
        }
        flags::forget(folder, number);
    }
    if done != Reclaimed::default() {
        tracing::info!(
            with_mail = done.renamed,
            empty = done.removed,
            "files that a crash left between two segments were reclaimed"
        );
    }
    Ok(done)
}

/// The file and what it is, if that is not what it is called.
fn spare(path: &Path, number: u32) -> Option<(File, Identity)> {
    let file = File::open(path).ok()?;
    let identity = disk::identity_of(&file)?;
    (identity.number != number).then_some((file, identity))
}

/// Does any slot in it check, under the name it should have? Reads the whole file.
fn holds_mail(file: File, name: &Path) -> bool {
    let Ok(words) = disk::read_live(&file) else {
        return false;
    };
    // In no boot of this machine: nothing but checksums is believed.
    Segment::of(file, name, BootId::default()).is_ok_and(|segment| {
        let found = scan(&segment, Extent::Everything, &words);
        found.words.published().slots > 0 || words.is_sealed(segment.seed())
    })
}
