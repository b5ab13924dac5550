//! Files that a crash left between two segments: a dropped one, and the one that its file was
//! becoming (`threads/recycle.rs`).
use std::fs::File;
use std::io;
use std::path::Path;

use crate::log::files::disk;
use crate::log::files::flags;
use crate::log::files::layout;
use crate::log::files::store::EventsStore;
use crate::log::format::Identity;
use crate::log::reader::{Extent, SegmentFile, scan};

/// What [`reclaim`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reclaimed {
    /// Files that got the name of the segment they are.
    pub renamed: u64,
    /// Files without any acknowledged message.
    pub removed: u64,
}

/// Renames every spare of a data folder (its name and its identity differ) to the segment that its
/// identity describes, or removes it if it is empty. The caller holds the lock of the folder.
///
/// A crash of sinkd leaves a spare that is empty. A power loss can take the last renaming back and
/// keep what was written after it: such a file holds mail. The segment by whose name it goes was
/// dropped on purpose. Files of another store are left alone.
///
/// Costs a read of 4 KiB per segment, and of each spare as a whole. Errors: what the file system
/// says.
pub(crate) fn reclaim(folder: &Path) -> io::Result<Reclaimed> {
    let mut done = Reclaimed::default();
    let store = EventsStore::id_of(folder)?;
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
            // A copy, made by hand.
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

/// Returns whether any slot of the file has a valid checksum, under the name it should have. Reads
/// the whole file.
fn holds_mail(file: File, name: &Path) -> bool {
    // In no boot of this machine: nothing but checksums is believed.
    SegmentFile::from_file(file, name).is_ok_and(|(file, words)| {
        let found = scan(&file, Extent::Everything, &words);
        found.words.published().slots > 0 || words.is_sealed(file.seed())
    })
}
