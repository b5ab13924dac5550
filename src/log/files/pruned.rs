//! What was pruned from a folder, wherever that was noted.
use std::io;
use std::path::Path;

use super::events::{self, Event};
use super::owed;
use super::pruned_sums::PrunedSums;

/// Returns what was pruned from `folder` so far, by any process. Costs one read of the file.
pub(crate) fn pruned_sums(folder: &Path) -> io::Result<PrunedSums> {
    // First what is not there yet: it may be taken over meanwhile, and then it counts once.
    let owed = owed::read(folder)?;
    let mut sums = PrunedSums::default();
    for event in events::all(folder)? {
        if let Event::Pruned { dropped, .. } = event {
            sums.add(&dropped);
        }
    }
    owed.iter().for_each(|one| sums.add(one));
    Ok(sums)
}
