//! Everything that was pruned from a folder, from both files that record it.
use std::io;
use std::path::Path;

use super::event_lines::Event;
use super::events;
use super::pruned_sums::PrunedSums;
use super::unrecorded_drops;

/// Returns what was pruned from `folder` so far, by any process. Costs one read of each file.
pub(crate) fn pruned_sums(folder: &Path) -> io::Result<PrunedSums> {
    // `dropped.jsonl` is read first: entries that are moved meanwhile are then found in both files,
    // and count once.
    let unrecorded = unrecorded_drops::read(folder)?;
    let mut sums = PrunedSums::default();
    for event in events::all(folder)? {
        if let Event::Pruned { dropped, .. } = event {
            sums.add(&dropped);
        }
    }
    unrecorded.iter().for_each(|one| sums.add(one));
    Ok(sums)
}
