//! `events.jsonl`: events of the data folder other than the arrival of mail, one JSON object per
//! line.
//!
//! Any process appends under an exclusive flock on the file; sinkd does so through
//! [`super::events_file`], which never waits for the lock. Lines that a crash cut short, or that
//! are unknown to this version, are skipped. When the file has grown, lines about pruning by sinkd
//! are merged into one, so that a ring that runs for days stays small.
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::disk;
use super::dropped::{Dropped, DroppedBy};
use super::event_lines::{self, Event, is_among};
use super::lock::HeldLock;
use crate::time::UnixNs;

/// Returns the path of the file in a data folder.
pub(crate) fn path_of(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

/// Returns, for each start of sinkd, the last recorded difference between the system clock and
/// sinkd's clock, in ns. Starts during which the system clock was never set are omitted.
pub(crate) fn moved_clocks(folder: &Path) -> io::Result<BTreeMap<u32, i64>> {
    let moved = all(folder)?.into_iter().filter_map(|event| match event {
        Event::Mark { clock, .. } => clock.map(|moved| (moved.start, moved.ahead_ns)),
        _ => None,
    });
    Ok(moved.collect())
}

/// Returns the pruned segments that are named in the file.
pub(crate) fn pruned_in(file: &mut File) -> io::Result<Vec<Dropped>> {
    Ok(event_lines::pruned(&read_all(file)?))
}

/// The file, locked: no other process writes to it until this is dropped.
#[derive(Debug)]
pub(crate) struct LockedEvents {
    file: HeldLock,
    /// The entries that the file had when it was locked.
    pruned: Vec<Dropped>,
}

impl LockedEvents {
    /// Waits for the lock, then reads the file.
    pub(crate) fn lock(folder: &Path) -> io::Result<LockedEvents> {
        let mut file = locked(folder)?;
        let pruned = pruned_in(&mut file)?;
        Ok(LockedEvents { file, pruned })
    }

    /// Returns whether a line names exactly this segment as dropped, or a range without gaps that
    /// contains it.
    pub(crate) fn has_pruned(&self, number: u32) -> bool {
        is_among(&self.pruned, number)
    }

    /// Records that segments are being dropped. Must be called before the first of them is deleted.
    pub(crate) fn note(&mut self, by: DroppedBy, dropped: &Dropped) -> io::Result<()> {
        append(&mut self.file, by, dropped)
    }
}

/// Returns every event that this version knows, in the order written. Costs one read of the file.
pub(crate) fn all(folder: &Path) -> io::Result<Vec<Event>> {
    Ok(event_lines::known(&text_of(folder)?))
}

/// Returns the numbers (from 1) of damaged lines, as [`event_lines::damaged`] does. Costs one read
/// of the file.
pub(crate) fn damaged_lines(folder: &Path) -> io::Result<Vec<usize>> {
    Ok(event_lines::damaged(&text_of(folder)?))
}

/// Returns the text of the file; a missing file is empty.
fn text_of(folder: &Path) -> io::Result<Vec<u8>> {
    match File::open(path_of(folder)).and_then(|mut file| read_all(&mut file)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// Reads the file from its start to its current end. A file that keeps growing, or a device in its
/// place, can't block the caller.
fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let (bytes, mut text) = (file.metadata()?.len(), Vec::new());
    file.seek(SeekFrom::Start(0))?;
    file.take(bytes).read_to_end(&mut text)?;
    Ok(text)
}

/// Appends one line per entry to the file, which must be locked.
pub(crate) fn append_all(file: &mut File, by: DroppedBy, all: &[Dropped]) -> io::Result<()> {
    all.iter().try_for_each(|dropped| append(file, by, dropped))
}

fn append(file: &mut File, by: DroppedBy, dropped: &Dropped) -> io::Result<()> {
    append_event(file, &Event::Pruned { at_ns: now_ns(), by, dropped: *dropped })
}

/// Appends a line to the file, which must be locked.
pub(crate) fn append_event(file: &mut File, event: &Event) -> io::Result<()> {
    let line = event_lines::line(event)?;
    // A line that a crash cut short must not run into this one.
    let is_torn = file.seek(SeekFrom::End(0))? > 0 && last_octet(file)? != b'\n';
    file.write_all(if is_torn { [b"\n", &line[..]].concat() } else { line }.as_slice())
}

/// Rewrites the file as [`event_lines::folded`] says, and adds `newest`. Returns the size of the
/// new file, which replaces the old one.
///
/// Costs a read and a write of the file, so callers do it rarely.
pub(crate) fn fold(folder: &Path, old: &mut File, newest: &[Dropped]) -> io::Result<u64> {
    let folded = event_lines::folded(&read_all(old)?, newest, now_ns())?;
    let new = folder.join("events.jsonl.new");
    let mut file = disk::private().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(&folded)?;
    // A process waiting for the old file's lock will notice that the file has lost its name, and
    // open the new one.
    std::fs::rename(new, path_of(folder))?;
    Ok(folded.len() as u64)
}

fn last_octet(file: &mut File) -> io::Result<u8> {
    let mut octet = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut octet)?;
    Ok(octet[0])
}

/// Returns the file under its exclusive lock, and creates it if necessary. Waits for the lock, so
/// sinkd must not call this. Code that changes flags takes this lock too, so only one process
/// changes them at a time.
pub(crate) fn locked(folder: &Path) -> io::Result<HeldLock> {
    loop {
        let file = open(folder)?;
        file.lock()?;
        let held = HeldLock::of(file);
        if is_named(&held, folder) {
            return Ok(held);
        }
    }
}

/// Opens and locks the file without waiting; `None`: another process holds the lock, or the file
/// has just been replaced.
pub(crate) fn try_locked(folder: &Path) -> io::Result<Option<HeldLock>> {
    let file = open(folder)?;
    match file.try_lock() {
        Ok(()) => {
            let held = HeldLock::of(file);
            Ok(is_named(&held, folder).then_some(held))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

fn open(folder: &Path) -> io::Result<File> {
    disk::private().read(true).append(true).create(true).open(path_of(folder))
}

/// Returns whether the file still has its name. A file loses its name if sinkd replaces it while
/// the caller waits for the lock.
fn is_named(file: &File, folder: &Path) -> bool {
    std::fs::metadata(path_of(folder)).is_ok_and(|named| {
        file.metadata().is_ok_and(|ours| (named.dev(), named.ino()) == (ours.dev(), ours.ino()))
    })
}

/// Returns the time of the system clock; a time before 1970 counts as 1970.
pub(crate) fn now_ns() -> UnixNs {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixNs::of_duration(now.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(folder: &Path) -> io::Result<Dropped> {
        Ok(crate::log::files::pruned::pruned_sums(folder)?.total())
    }

    fn record_pruned(folder: &Path, by: DroppedBy, dropped: &Dropped) -> io::Result<()> {
        let mut held = locked(folder)?;
        append(&mut held, by, dropped)
    }

    fn dropped(first: u32, last: u32, messages: u64) -> Dropped {
        let segments = u64::from(last - first + 1);
        Dropped { segments, messages, message_bytes: 10 * messages, only_counted: 1, first, last }
    }

    #[test]
    fn damaged_lines_are_distinguished_from_newer_ones_and_one_under_way() {
        let dir = tempfile::tempdir().unwrap();
        let damaged = || damaged_lines(dir.path()).unwrap();
        assert_eq!(damaged(), [0_usize; 0], "without a file");
        record_pruned(dir.path(), DroppedBy::Sinkd, &dropped(1, 2, 5)).unwrap();
        let whole = std::fs::read_to_string(path_of(dir.path())).unwrap();
        let lines = [
            whole.trim_end(),
            "{\"event\":\"mark\",\"at_ns\":1,\"text\":\"a",
            "{\"event\":\"of a newer sinkd\"}",
            "{\"event\":\"mark\",\"at_ns\":1}",
            "",
            "\u{0}\u{0}",
            "{\"event\":\"mark\",\"at_ns\":1,\"text\":\"a\"}",
            "{\"event\":\"mar",
        ];
        std::fs::write(path_of(dir.path()), lines.join("\n")).unwrap();
        assert_eq!(damaged(), [2, 4, 6]);
    }

    #[test]
    fn a_torn_line_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        record_pruned(dir.path(), DroppedBy::Sinkd, &dropped(1, 2, 5)).unwrap();
        record_pruned(dir.path(), DroppedBy::Sinkctl, &dropped(3, 3, 7)).unwrap();
        let whole = std::fs::read(path_of(dir.path())).unwrap();
        let first = whole.iter().position(|o| *o == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            std::fs::write(path_of(dir.path()), &whole[..cut]).unwrap();
            record_pruned(dir.path(), DroppedBy::Sinkctl, &dropped(4, 4, 100)).unwrap();
            let messages = pruned(dir.path()).unwrap().messages;
            // If only the line feed is missing, the line is complete.
            let expected = if cut + 1 == whole.len() { 112 } else { 105 };
            assert_eq!(messages, expected, "cut at {cut}");
        }
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for (at, by) in
                [(0, DroppedBy::Sinkd), (1500, DroppedBy::Sinkctl), (3000, DroppedBy::Sinkctl)]
            {
                let folder = dir.path();
                scope.spawn(move || {
                    for n in at..at + 1500 {
                        record_pruned(folder, by, &dropped(n + 1, n + 1, 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(pruned(dir.path()).unwrap().messages, 4500);
    }
}
