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

use serde::{Deserialize, Serialize};

use super::disk;
use super::dropped::{Dropped, DroppedBy};
use super::lock::HeldLock;
use super::pruned_sums::PrunedSums;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    Pruned {
        /// Unix time, ns.
        at_ns: u64,
        by: DroppedBy,
        #[serde(flatten)]
        dropped: Dropped,
    },
    /// A run begins; the current one ends.
    #[serde(rename = "run-started")]
    RunStarted {
        /// Unix time, ns.
        at_ns: u64,
        name: String,
    },
    #[serde(rename = "run-stopped")]
    RunStopped {
        /// Unix time, ns.
        at_ns: u64,
    },
    Mark {
        /// Unix time, ns.
        at_ns: u64,
        text: String,
        /// Set by sinkd itself, because the system clock has moved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock: Option<Moved>,
    },
}

/// The difference between the system clock and the clock of a running sinkd, after the system clock
/// moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// The number of this start of sinkd, counting how often the folder was opened.
    pub start: u32,
    /// System clock minus sinkd's clock, ns.
    pub ahead_ns: i64,
}

fn path_of(folder: &Path) -> PathBuf {
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
    let text = read_all(file)?;
    Ok(text.split(|octet| *octet == b'\n').filter_map(pruned_of).collect())
}

/// Returns whether a line of `noted` names exactly this segment, or a range without gaps that
/// contains it.
pub(crate) fn is_among(noted: &[Dropped], number: u32) -> bool {
    let is_dense = |d: &Dropped| d.segments == u64::from(d.last.saturating_sub(d.first)) + 1;
    noted.iter().any(|d| is_dense(d) && (d.first..=d.last).contains(&number))
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

/// Parses a line about pruning. Returns `None` if it is incomplete, or about something else.
pub(crate) fn pruned_of(line: &[u8]) -> Option<Dropped> {
    match serde_json::from_slice(line) {
        Ok(Event::Pruned { dropped, .. }) => Some(dropped),
        _ => None,
    }
}

/// Returns every line that this version knows, in the order written. Costs one read of the file.
pub(crate) fn all(folder: &Path) -> io::Result<Vec<Event>> {
    let text = match File::open(path_of(folder)).and_then(|mut file| read_all(&mut file)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let lines = text.split(|octet| *octet == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Returns the numbers (from 1) of damaged lines, which no version writes. A last line without a
/// line feed does not count as damaged: another process may still be writing it. Costs one read of
/// the file.
pub(crate) fn damaged_lines(folder: &Path) -> io::Result<Vec<usize>> {
    let text = match File::open(path_of(folder)).and_then(|mut file| read_all(&mut file)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    let lines = text[..whole].split(|octet| *octet == b'\n').enumerate();
    // A line of a newer version is a JSON object, too.
    let is_damaged =
        |line: &[u8]| !line.is_empty() && serde_json::from_slice::<AnyEvent>(line).is_err();
    Ok(lines.filter(|(_, line)| is_damaged(line)).map(|(number, _)| number + 1).collect())
}

/// A line of any version. One of a known kind must be valid.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyEvent {
    #[allow(dead_code, reason = "only used to check that the line is valid")]
    Known(Event),
    #[allow(dead_code, reason = "only used to check that the line is valid")]
    Newer(Newer),
}

/// A kind that this version does not know.
struct Newer;

impl<'de> Deserialize<'de> for Newer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Newer, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            event: String,
        }
        let Named { event } = Named::deserialize(deserializer)?;
        match event.as_str() {
            "pruned" | "run-started" | "run-stopped" | "mark" => {
                Err(serde::de::Error::custom("a known event with something wrong in it"))
            }
            _ => Ok(Newer),
        }
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
    let line = line(event)?;
    // A line that a crash cut short must not run into this one.
    let is_torn = file.seek(SeekFrom::End(0))? > 0 && last_octet(file)? != b'\n';
    file.write_all(if is_torn { [b"\n", &line[..]].concat() } else { line }.as_slice())
}

/// Rewrites the file: merges all entries about pruning by sinkd into one line, then adds `newest`;
/// other lines are unchanged. Returns the size of the new file, which replaces the old one.
///
/// Costs a read and a write of the file, so callers do it rarely.
pub(crate) fn fold(folder: &Path, old: &mut File, newest: &[Dropped]) -> io::Result<u64> {
    let text = read_all(old)?;
    let (mut all, mut rest) = (PrunedSums::default(), Vec::new());
    let is_newest = |entry: &Dropped| {
        newest.iter().any(|one| (one.first, one.last) == (entry.first, entry.last))
    };
    for one in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(one) {
            // Written before a kill; the lines for `newest` repeat it.
            Ok(Event::Pruned { by: DroppedBy::Sinkd, dropped, .. }) if is_newest(&dropped) => {}
            Ok(Event::Pruned { by: DroppedBy::Sinkd, dropped, .. }) => all.add(&dropped),
            _ => rest.extend_from_slice(&[one, b"\n"].concat()),
        }
    }
    let by_sinkd =
        |dropped| line(&Event::Pruned { at_ns: now_ns(), by: DroppedBy::Sinkd, dropped });
    let mut folded = [by_sinkd(all.total())?, rest].concat();
    // The newest entries keep lines of their own: their files may still exist, and
    // `LockedEvents::has_pruned` checks for each.
    for dropped in newest {
        folded.extend(by_sinkd(*dropped)?);
    }
    let new = folder.join("events.jsonl.new");
    let mut file = disk::private().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(&folded)?;
    // A process waiting for the old file's lock will notice that the file has lost its name, and
    // open the new one.
    std::fs::rename(new, path_of(folder))?;
    Ok(folded.len() as u64)
}

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
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

pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX))
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
