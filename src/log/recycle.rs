//! Using the file of a dropped segment again: its pages are in memory already, which makes them five
//! times as cheap as fresh ones.
//!
//! A reader holds a shared flock on the segment it reads, and after taking it looks whether the
//! identity page still bears the number it asked for. We take the exclusive one without waiting.
//! Whenever we are interrupted, the file is the old segment, a spare (its name and its identity
//! differ), or the new segment, still empty; what lies in it from before never checks, because the
//! number is under every checksum.
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::disk;
use super::format::{Identity, LIVE_AT, PAGE_BYTES};

/// Makes the file of segment `old` that of the segment `identity` describes, but for its name. Its
/// exclusive lock is held until the caller has renamed it.
///
/// Errors: `WouldBlock`, a reader has it open; `InvalidInput`, it has another length; others as the
/// system says. After an error the file is as it was, or a spare: the caller unlinks it.
pub(crate) fn renew(folder: &Path, old: u32, identity: &Identity) -> io::Result<File> {
    let path = disk::segment_path(folder, old);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    if file.metadata()?.len() != identity.segment_bytes {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.try_lock().map_err(io::Error::from)?;
    // First the counts: at no time does the file claim messages under the new number.
    file.write_all_at(&[0; PAGE_BYTES as usize], LIVE_AT)?;
    // What sealing had given back to the disk.
    disk::allocate(&file, 0, identity.segment_bytes)?;
    file.write_all_at(&identity.encode(), 0)?;
    Ok(file)
}

/// Is it the file of an interrupted [`renew`]: another segment's name, and nothing in it?
pub(crate) fn is_interrupted(path: &Path) -> bool {
    let words = File::open(path).and_then(|file| disk::read_live(&file));
    words.is_ok_and(|words| words.0.iter().all(|word| *word == 0))
}
