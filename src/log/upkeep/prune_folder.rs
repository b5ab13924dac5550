//! Drops sealed segments at a user's request, with or without a running sinkd.
//!
//! Each segment is dropped under the lock of `events.jsonl` and its own shared lock. So sinkd can't
//! recycle the file meanwhile, and a segment that both want to drop is recorded once. Segments that
//! may still receive messages are never dropped. A reader that has a segment open can continue,
//! because unlinking keeps the file for it.
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::prune_error::PruneError;
use super::retention::{Retention, SealedSegments};
use super::sealed::Sealed;
use crate::log::files::disk;
use crate::log::files::dropped::{Dropped, DroppedBy, joined};
use crate::log::files::events::{self, LockedEvents};
use crate::log::files::flags;
use crate::log::reader::{Folder, Segment};

/// Number of segments dropped under one lock: bounds the number of open files, and how long sinkd
/// has to do without the lock.
const AT_ONCE: usize = 64;

/// What [`prune`] keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// The retention limits, as sinkd interprets them.
    pub retention: Retention,
    /// Whether to drop sealed segments from which all messages were removed.
    pub without_removed: bool,
}

/// Drops the oldest sealed segments of a data folder until `keep` holds. Open segments count, but
/// are never dropped. Returns what was dropped.
///
/// Costs a read of 8 KiB per segment, and an unlink per dropped one. Errors: the folder or its
/// `events.jsonl` can't be read or written, or a file can't be unlinked; what was dropped before is
/// recorded.
pub fn prune(path: &Path, keep: &Keep) -> Result<Vec<Dropped>, PruneError> {
    let folder = Folder::open(path).map_err(PruneError::folder(path))?;
    let mut gone = Vec::new();
    for some in segments_to_drop(&folder, keep)?.chunks(AT_ONCE) {
        gone.extend(drop_some(path, some)?);
    }
    Ok(joined(&gone))
}

/// Returns what [`prune`] would drop now. Changes nothing, and costs a read of 8 KiB per segment.
///
/// Errors: the folder or its `events.jsonl` can't be read.
pub fn prunable(path: &Path, keep: &Keep) -> Result<Vec<Dropped>, PruneError> {
    let folder = Folder::open(path).map_err(PruneError::folder(path))?;
    Ok(joined(&segments_to_drop(&folder, keep)?))
}

/// Returns what must be dropped for `keep` to hold, ordered by number.
fn segments_to_drop(folder: &Folder, keep: &Keep) -> Result<Vec<Dropped>, PruneError> {
    // Mail has the times of its sinkd's clock; the system clock may have moved since.
    let moved = events::moved_clocks(folder.path()).map_err(PruneError::events(folder.path()))?;
    let mut sealed_segments = SealedSegments::default();
    let (mut open, mut open_bytes) = (0, 0);
    for summary in folder.segments() {
        let number = summary.identity.number;
        let bytes = std::fs::metadata(&summary.path).map_or(0, |m| disk::bytes_of(&m));
        if folder.segment(number).is_ok_and(|segment| !segment.is_live()) {
            let (published, totals) = (summary.published, &summary.totals);
            let sealed =
                Sealed::new(bytes, &summary.identity, published, summary.only_counted, totals);
            sealed_segments.insert(number, Sealed { is_removed: summary.is_removed(), ..sealed });
            if let Some(ahead_ns) = moved.get(&summary.identity.start_count) {
                sealed_segments.correct_clock(number, *ahead_ns);
            }
        } else {
            open += 1;
            open_bytes += bytes;
        }
    }
    let now_ns = events::now_ns();
    let mut segments_to_drop = Vec::new();
    loop {
        let Keep { retention, without_removed } = keep;
        let removed = sealed_segments.removed().filter(|_| *without_removed);
        let old = || retention.age.and_then(|age| sealed_segments.expired(age, now_ns));
        let over = || {
            sealed_segments
                .next_to_drop()
                .filter(|_| sealed_segments.exceeds_limits(retention, open, open_bytes))
        };
        let Some(number) = removed.or_else(old).or_else(over) else { break };
        segments_to_drop
            .extend(sealed_segments.remove(number).map(|sealed| sealed.as_dropped(number)));
    }
    segments_to_drop.sort_by_key(|dropped| dropped.first);
    Ok(segments_to_drop)
}

/// Drops the segments of `some` that still exist, and returns them. If a process was killed between
/// noting a segment and dropping it, the note is not repeated.
fn drop_some(path: &Path, some: &[Dropped]) -> Result<Vec<Dropped>, PruneError> {
    let mut lines = LockedEvents::lock(path).map_err(PruneError::events(path))?;
    let mut held: Vec<(Dropped, Arc<Segment>)> = Vec::new();
    let folder = Folder::open(path).map_err(PruneError::folder(path))?;
    for dropped in some {
        // Gone, or being recycled: sinkd has already dropped and recorded it.
        if let Ok(segment) = folder.segment(dropped.first)
            && !segment.is_live()
        {
            held.push((*dropped, segment));
        }
    }
    let gone: Vec<Dropped> = held.iter().map(|(dropped, _)| *dropped).collect();
    let mut unsaid = gone.clone();
    unsaid.retain(|dropped| !lines.has_pruned(dropped.first));
    for run in joined(&unsaid) {
        lines.note(DroppedBy::Sinkctl, &run).map_err(PruneError::events(path))?;
    }
    for (_, segment) in &held {
        flags::forget(path, segment.number());
        match std::fs::remove_file(segment.path()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(PruneError::Segment { file: segment.path().to_owned(), source });
            }
            _ => {}
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_could_not_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = prune(&missing, &Keep::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be read", missing.display()));

        std::fs::create_dir(folder.path().join("segments")).unwrap();
        let events = folder.path().join("events.jsonl");
        std::fs::create_dir(&events).unwrap();
        let error = prune(folder.path(), &Keep::default()).unwrap_err();
        let expected = format!("{}: cannot be read or written", events.display());
        assert_eq!(error.to_string(), expected);
    }
}
