//! Repairs files that a crash left between two segments: a dropped one, and the one for which it
//! was being recycled (`threads/recycle.rs`).
use std::fs::File;
use std::io;
use std::path::Path;

use crate::log::files::disk;
use crate::log::files::flags;
use crate::log::files::layout;
use crate::log::files::store::StoreFile;
use crate::log::format::SegmentIdentity;
use crate::log::reader::{Extent, SegmentError, SegmentFile, scan};

/// The result of [`reclaim`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reclaimed {
    /// Number of files renamed to the segment that they contain.
    pub renamed: u64,
    /// Number of files deleted, without any acknowledged message.
    pub removed: u64,
}

/// Renames every spare of a data folder (its name and its identity differ) to the segment that its
/// identity describes, or deletes it if it is empty. The folder must be locked.
///
/// A crash of sinkd leaves an empty spare. A power loss can undo the last renaming but keep what
/// was written after it: such a file holds mail. The segment whose name the file has was dropped on
/// purpose. Files of another store are left alone.
///
/// Costs a read of 4 KiB per segment, and of each whole spare. Errors: any of the file system.
pub(crate) fn reclaim(folder: &Path) -> io::Result<Reclaimed> {
    let mut done = Reclaimed::default();
    let store = StoreFile::id_of(folder)?;
    for (number, path) in layout::segment_files(folder)? {
        let Some((file, identity)) = spare(&path, number) else {
            continue;
        };
        if store.is_some_and(|id| id != identity.store) {
            continue;
        }
        let name = layout::segment_path(folder, identity.number);
        let has_mail = match holds_mail(file, &name) {
            Ok(has_mail) => has_mail,
            Err(error) => {
                let file = path.display();
                tracing::warn!(%file, %error, "a spare segment cannot be read, so it stays");
                continue;
            }
        };
        match (has_mail, name.exists()) {
            (true, false) => {
                std::fs::rename(&path, name)?;
                done.renamed += 1;
            }
            // A copy made by hand.
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

/// Returns the open file and its identity, if the number in the identity differs from `number`.
fn spare(path: &Path, number: u32) -> Option<(File, SegmentIdentity)> {
    let file = File::open(path).ok()?;
    let identity = disk::identity_of(&file)?;
    (identity.number != number).then_some((file, identity))
}

/// Returns whether the file, read as the segment with the path `name`, is sealed or holds a valid
/// message. Reads the whole file.
///
/// Errors: the system can't read it, so it may hold mail.
fn holds_mail(file: File, name: &Path) -> io::Result<bool> {
    // As if in an unknown boot: only checksums are trusted.
    let (file, words) = match SegmentFile::from_file(file, name) {
        Ok(opened) => opened,
        Err(SegmentError::Io { cause, .. }) => return Err(cause),
        Err(_) => return Ok(false),
    };
    let found = scan(&file, Extent::Everything, &words);
    match found.unread {
        Some(cause) => Err(io::Error::other(cause)),
        None => Ok(found.words.published().slots > 0 || words.is_sealed(file.seed())),
    }
}
