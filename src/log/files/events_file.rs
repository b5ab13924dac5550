//! Writes `events.jsonl` in sinkd: only when the lock is free, without ever waiting for it.
//!
//! Any process can hold the lock indefinitely (a suspended `sinkctl rm` does). So a thread of sinkd
//! that finds it taken keeps its line, continues, and tries again later. Failed attempts are
//! counted, and logged once if the lock stays taken.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::dropped::{Dropped, DroppedBy, joined};
use super::event_lines::is_among;
use super::events;
use super::lock::HeldLock;
use crate::time::ProcessClock;

/// File size above which lines are merged. 256 KiB is about 2000 lines, which take a millisecond to
/// read.
const FOLD_BYTES_OVER: u64 = 256 << 10;
/// How long the lock must be taken before sinkd logs that: sinkctl holds it for milliseconds only.
const REPORT_AFTER_NS: u64 = 1_000_000_000;
/// How often sinkd tries to get the lock while it stops.
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// How long each thread that still has lines to write waits for the lock while sinkd stops.
pub const PATIENCE_AT_END: Duration = Duration::from_secs(1);

/// The file, shared by all threads of sinkd.
#[derive(Debug)]
pub struct EventsFile {
    folder: PathBuf,
    /// Number of failed attempts since the start. Relaxed here and below: the numbers publish no
    /// other data.
    busy: AtomicU64,
    /// Time since which every attempt has failed, in Unix ns; 0: the last attempt succeeded.
    busy_since_ns: AtomicU64,
    /// Whether sinkd has logged that the lock is taken.
    is_reported: AtomicBool,
    /// Size of the file after it was last merged.
    folded_bytes: AtomicU64,
}

impl EventsFile {
    /// Returns the file of a data folder, without opening it.
    pub fn new(folder: &Path) -> EventsFile {
        EventsFile {
            folder: folder.to_owned(),
            busy: AtomicU64::new(0),
            busy_since_ns: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
            folded_bytes: AtomicU64::new(0),
        }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how often an attempt since the start found the lock held by another process.
    pub fn busy(&self) -> u64 {
        self.busy.load(Relaxed)
    }

    /// Returns the file under its exclusive lock; `None`: the attempt failed, usually because
    /// another process holds the lock.
    pub(crate) fn try_lock(&self) -> io::Result<Option<HeldLock>> {
        let file = events::try_locked(&self.folder)?;
        if file.is_some() {
            self.busy_since_ns.store(0, Relaxed);
            if self.is_reported.swap(false, Relaxed) {
                tracing::info!("the lock of events.jsonl is free again");
            }
            return Ok(file);
        }
        self.busy.fetch_add(1, Relaxed);
        let now_ns = ProcessClock::get().unix_ns().get();
        let since = self.busy_since_ns.compare_exchange(0, now_ns, Relaxed, Relaxed);
        let busy_ns = since.map_or_else(|since_ns| now_ns.saturating_sub(since_ns), |_| 0);
        if busy_ns >= REPORT_AFTER_NS && !self.is_reported.swap(true, Relaxed) {
            tracing::warn!(
                "another process holds the lock of events.jsonl: lines for it wait until it lets go"
            );
        }
        Ok(None)
    }

    /// Retries `write` until it returns true (the lock was free), for at most `PATIENCE_AT_END`.
    /// For threads that are about to end.
    pub fn try_until_the_end(&self, mut write: impl FnMut() -> bool) {
        let tries = PATIENCE_AT_END.as_millis() / TRY_AGAIN.as_millis();
        for _ in 0..tries {
            if write() {
                return;
            }
            let _ = crossbeam_channel::after(TRY_AGAIN).recv();
        }
    }

    /// Records segments that sinkd drops. Returns false if the lock is taken, so that nothing was
    /// written.
    ///
    /// `waited`: segments that were dropped while the lock was taken. Those that `sinkctl prune`
    /// has recorded meanwhile are omitted, which costs a read of the file. `now`: a segment that is
    /// about to be dropped, and its file. If the file no longer exists, `sinkctl` has dropped and
    /// recorded it. Errors: any of the file system. Recording the same segments again after an
    /// error counts none of them twice.
    pub(crate) fn record_pruned(
        &self,
        waited: &[Dropped],
        now: Option<(&Dropped, &Path)>,
    ) -> io::Result<bool> {
        let Some(mut file) = self.try_lock()? else {
            return Ok(false);
        };
        let mut new = Vec::new();
        if !waited.is_empty() {
            let noted = events::pruned_in(&mut file)?;
            new.extend(waited.iter().filter(|one| !is_among(&noted, one.first)).copied());
        }
        new.extend(now.filter(|(_, path)| path.exists()).map(|(one, _)| *one));
        new.sort_by_key(|one| one.first);
        let new = joined(&new);
        if new.is_empty() {
            return Ok(true);
        }
        if self.pays_to_fold(file.metadata()?.len()) {
            let left = events::fold(&self.folder, &mut file, &new)?;
            self.folded_bytes.store(left, Relaxed);
        } else {
            events::append_all(&mut file, DroppedBy::Sinkd, &new)?;
        }
        Ok(true)
    }

    /// Returns whether to merge the lines of a file of `bytes`. Merging reads and writes the whole
    /// file, including the lines of others, so it waits until the file is twice as large as after
    /// the last merge: the cost per line does not grow with the file.
    fn pays_to_fold(&self, bytes: u64) -> bool {
        bytes > FOLD_BYTES_OVER.max(self.folded_bytes.load(Relaxed).saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::files::pruned::pruned_sums;
    use std::os::unix::fs::MetadataExt;

    fn dropped(number: u32, messages: u64) -> Dropped {
        Dropped { segments: 1, messages, first: number, last: number, ..Dropped::default() }
    }

    /// Drops a segment of a folder in which all segments are the same file, which always exists.
    fn drop_one(file: &EventsFile, one: &Dropped) -> bool {
        let path = file.folder().to_owned();
        file.record_pruned(&[], Some((one, &path))).unwrap()
    }

    fn path_of(folder: &Path) -> PathBuf {
        folder.join("events.jsonl")
    }

    #[test]
    fn merging_lines_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = b"{\"event\":\"later\",\"x\":1}\nnot json\n";
        std::fs::write(path_of(dir.path()), foreign).unwrap();
        events::LockedEvents::lock(dir.path())
            .unwrap()
            .note(DroppedBy::Sinkctl, &dropped(1, 1))
            .unwrap();
        let file = EventsFile::new(dir.path());
        for n in 0..4000 {
            assert!(drop_one(&file, &dropped(n + 2, 3)));
        }
        let all = pruned_sums(dir.path()).unwrap().total();
        assert_eq!((all.segments, all.messages, all.first, all.last), (4001, 12_001, 1, 4001));
        let text = std::fs::read(path_of(dir.path())).unwrap();
        assert!(text.len() as u64 <= FOLD_BYTES_OVER + 300, "{}", text.len());
        assert!(text.windows(foreign.len()).any(|w| w == foreign), "others' lines stay");
    }

    #[test]
    fn lines_are_not_merged_at_every_drop() {
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("{{\"event\":\"mark\",\"at_ns\":1,\"text\":\"{}\"}}\n", "x".repeat(90));
        std::fs::write(path_of(dir.path()), mark.repeat(10_000)).unwrap();
        let file = EventsFile::new(dir.path());
        let inode = || std::fs::metadata(path_of(dir.path())).unwrap().ino();
        let (mut before, mut folds) = (inode(), 0);
        for n in 0..2000 {
            assert!(drop_one(&file, &dropped(n + 1, 1)));
            folds += u32::from(inode() != before);
            before = inode();
        }
        assert!(folds <= 1, "{folds} foldings for 2000 drops");
        assert_eq!(pruned_sums(dir.path()).unwrap().total().messages, 2000);
    }

    #[test]
    fn a_taken_lock_is_counted_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = EventsFile::new(dir.path());
        let held = events::locked(dir.path()).unwrap();
        assert!(!drop_one(&file, &dropped(1, 5)));
        assert_eq!(file.busy(), 1);
        drop(held);
        assert!(file.record_pruned(&[dropped(1, 5)], None).unwrap());
        assert_eq!(pruned_sums(dir.path()).unwrap().total().messages, 5);
    }

    #[test]
    fn segments_recorded_by_sinkctl_are_not_recorded_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = EventsFile::new(dir.path());
        events::LockedEvents::lock(dir.path())
            .unwrap()
            .note(DroppedBy::Sinkctl, &dropped(2, 7))
            .unwrap();
        assert!(file.record_pruned(&[dropped(1, 5), dropped(2, 7), dropped(3, 1)], None).unwrap());
        assert_eq!(pruned_sums(dir.path()).unwrap().total().messages, 13);
    }
}
