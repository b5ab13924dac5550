//! `dropped.jsonl`: segments that sinkd dropped while it could not write to `events.jsonl`.
//!
//! Another process may hold the lock of `events.jsonl`, or the disk may be full. `dropped.jsonl` is
//! written only by the sinkd that owns the folder, so it needs no lock. Its lines have the format
//! of `events.jsonl`, one per segment, and each is written before its segment is deleted. As soon
//! as possible, this or the next sinkd moves the lines to `events.jsonl` and deletes the file.
//! Readers count both files.
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk;
use super::dropped::{Dropped, DroppedBy, joined};
use super::event_lines;
use super::events;
use super::events_file::EventsFile;

/// Number of segments that get a line each (10 MB of lines); beyond that, consecutive ones are
/// merged.
const UNRECORDED_MAX: usize = 65_536;

/// Entries that still have to be moved to `events.jsonl`.
#[derive(Debug)]
pub(crate) struct UnrecordedDrops {
    path: PathBuf,
    events: Arc<EventsFile>,
    segments: Vec<Dropped>,
    /// When to try again.
    at: Option<Instant>,
    /// Whether the last attempt failed with an error, which was logged.
    has_failed: bool,
}

/// Interval between attempts.
const RETRY: Duration = Duration::from_millis(500);

impl UnrecordedDrops {
    /// Loads what earlier sinkds left. Costs a read of the file.
    pub(crate) fn load(events: Arc<EventsFile>) -> UnrecordedDrops {
        let folder = events.folder();
        let segments = read(folder).unwrap_or_else(|e| {
            tracing::warn!(error = %e, "dropped.jsonl cannot be read");
            Vec::new()
        });
        let path = path_of(folder);
        UnrecordedDrops { path, events, segments, at: None, has_failed: false }
    }

    /// Returns when to try again.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.at
    }

    /// Records a segment that is about to be deleted, whose file is `path`, in `events.jsonl`,
    /// along with the entries that wait. If that fails, records it here, to be moved later.
    pub(crate) fn note(&mut self, dropped: Dropped, path: &Path, now: Instant) {
        let is_there = path.exists();
        if !self.try_note(Some((&dropped, path)), now) && is_there {
            self.push(dropped);
        }
    }

    /// Moves the waiting entries to `events.jsonl`, if there are any.
    pub(crate) fn record_waiting(&mut self, now: Instant) {
        if !self.segments.is_empty() {
            self.try_note(None, now);
        }
    }

    /// Moves the waiting entries if a new attempt is due.
    pub(crate) fn record_if_due(&mut self, now: Instant) {
        if self.at.is_some_and(|at| at <= now) {
            self.try_note(None, now);
        }
    }

    /// Moves entries left by this process or an earlier one; called when the thread begins or ends.
    /// The next start moves the rest.
    pub(crate) fn record_rest(&mut self, now: Instant) {
        if self.segments.is_empty() || self.try_note(None, now) {
            return;
        }
        let segments: u64 = self.segments.iter().map(|one| one.segments).sum();
        tracing::warn!(segments, "drops are noted only in dropped.jsonl until the next sinkd");
    }

    /// Tries to record the waiting entries and `going`. Returns whether it succeeded.
    fn try_note(&mut self, going: Option<(&Dropped, &Path)>, now: Instant) -> bool {
        match self.events.record_pruned(&self.segments, going) {
            Ok(true) => {
                self.clear();
                return true;
            }
            Ok(false) => {}
            Err(e) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(error = %e, "cannot write events.jsonl: drops are noted later");
                }
            }
        }
        self.at = Some(now + RETRY);
        false
    }

    /// Adds a segment that is about to be deleted.
    fn push(&mut self, dropped: Dropped) {
        self.segments.push(dropped);
        let written = if self.segments.len() > UNRECORDED_MAX {
            self.segments.sort_by_key(|one| one.first);
            self.segments = joined(&self.segments);
            self.rewrite()
        } else {
            self.append(&dropped)
        };
        if let Err(e) = written {
            tracing::debug!(error = %e, "noted in memory alone");
        }
    }

    /// Removes all entries, because they are in `events.jsonl` now.
    fn clear(&mut self) {
        if !self.segments.is_empty() {
            self.segments.clear();
            // If the file stays, the next sinkd finds that its entries are recorded.
            drop(std::fs::remove_file(&self.path));
        }
        (self.at, self.has_failed) = (None, false);
    }

    fn append(&self, dropped: &Dropped) -> io::Result<()> {
        let mut file = disk::private().read(true).append(true).create(true).open(&self.path)?;
        events::append_all(&mut file, DroppedBy::Sinkd, &[*dropped])
    }

    fn rewrite(&self) -> io::Result<()> {
        let new = self.path.with_extension("jsonl.new");
        let mut file: File = disk::private().read(true).append(true).create(true).open(&new)?;
        file.set_len(0)?;
        events::append_all(&mut file, DroppedBy::Sinkd, &self.segments)?;
        file.flush()?;
        std::fs::rename(new, &self.path)
    }
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join("dropped.jsonl")
}

/// Reads the file of a folder; usually there is none.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<Dropped>> {
    let text = match std::fs::read(path_of(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    Ok(text.split(|octet| *octet == b'\n').filter_map(event_lines::pruned_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_entries_survive_the_process_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let load = || UnrecordedDrops::load(Arc::new(EventsFile::new(dir.path())));
        let mut unrecorded = load();
        let one =
            |n: u32| Dropped { segments: 1, messages: 2, first: n, last: n, ..Dropped::default() };
        (1..=3).for_each(|n| unrecorded.push(one(n)));
        drop(unrecorded);
        let mut unrecorded = load();
        assert_eq!(unrecorded.segments, [one(1), one(2), one(3)]);
        unrecorded.segments.extend((4..=UNRECORDED_MAX as u32).map(one));
        unrecorded.push(one(UNRECORDED_MAX as u32 + 1));
        let again = load();
        assert_eq!((again.segments.len(), again.segments[0].messages), (1, 131_074));
        unrecorded.clear();
        assert_eq!(read(dir.path()).unwrap(), []);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
