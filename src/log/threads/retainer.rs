//! Provisioning's side of retention: drops segments beyond the limits, or recycles their files.
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::recycle::KeptMaps;
use crate::log::exchange::DedicatedFlushed;
use crate::log::files::disk;
use crate::log::files::events_file::EventsFile;
use crate::log::files::flags::{self, FlagsOf};
use crate::log::files::layout::{self, Present};
use crate::log::files::map::WriteAccess;
use crate::log::files::unrecorded_drops::UnrecordedDrops;
use crate::log::format::StoreId;
use crate::log::upkeep::retention::{Retention, SealedSegments};
use crate::log::upkeep::sealed::Sealed;
use crate::time::ProcessClock;

/// How often ages are checked: a tenth of the age, within these bounds.
const AGE_CHECK_MIN: Duration = Duration::from_millis(100);
const AGE_CHECK_MAX: Duration = Duration::from_secs(10);
/// How often to check whether `sinkctl prune` has dropped segments: one stat, and a listing if the
/// folder has changed. Until then, segments that it dropped use disk space, because sinkd still
/// maps them.
const FOLDER_CHECK: Duration = Duration::from_secs(1);

/// Enforces retention on the sealed segments of the folder.
pub(crate) struct Retainer {
    folder: PathBuf,
    retention: Retention,
    store: StoreId,
    sealed_segments: SealedSegments,
    kept: KeptMaps,
    /// Segments that are not sealed yet, including those of large messages, and the disk space they
    /// use.
    open: HashMap<u32, u64>,
    /// Dedicated segments that will get their names once they are flushed.
    unnamed: HashMap<u32, Sealed>,
    unrecorded: UnrecordedDrops,
    /// The time of the request being served.
    now: Instant,
    /// When to check ages next.
    age_at: Option<Instant>,
    /// When to check the folder of segments next, and its modification time at the last check.
    check_folder_at: Option<Instant>,
    folder_changed: Option<SystemTime>,
}

impl Retainer {
    pub(crate) fn new(
        retention: Retention,
        store: StoreId,
        sealed_segments: SealedSegments,
        events: Arc<EventsFile>,
        now: Instant,
    ) -> Retainer {
        Retainer {
            folder: events.folder().to_owned(),
            retention,
            store,
            sealed_segments,
            kept: KeptMaps::new(disk::descriptors_max()),
            open: HashMap::new(),
            unnamed: HashMap::new(),
            unrecorded: UnrecordedDrops::load(events),
            now,
            age_at: None,
            check_folder_at: None,
            folder_changed: None,
        }
    }

    /// Returns the time of the request being served.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Sets the time of the requests that follow: the thread reads the clock once for each.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Runs at the start of the thread.
    pub(crate) fn begin(&mut self) {
        self.unrecorded.record_rest(self.now);
        self.age_at = self.enforce_age();
        self.check_folder_at = self.check_if_changed();
    }

    /// Runs at the end of the thread.
    pub(crate) fn end(&mut self) {
        self.unrecorded.record_rest(self.now);
    }

    /// Returns when to act without a request.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        [self.age_at, self.check_folder_at, self.unrecorded.due_at()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn run_due(&mut self) {
        if self.age_at.is_some_and(|at| at <= self.now) {
            self.age_at = self.enforce_age();
        }
        if self.check_folder_at.is_some_and(|at| at <= self.now) {
            self.check_folder_at = self.check_if_changed();
        }
        self.unrecorded.record_if_due(self.now);
    }

    /// Counts an open segment that uses `bytes` of the disk.
    pub(crate) fn opened(&mut self, number: u32, bytes: u64) {
        self.open.insert(number, bytes);
    }

    /// Stops counting an open segment, because it was deleted or sealed.
    pub(crate) fn closed(&mut self, number: u32) {
        self.open.remove(&number);
    }

    /// Returns the number of open segments, and the disk space that they use.
    fn open_segments(&self) -> (u64, u64) {
        let bytes = self.open.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        (self.open.len() as u64, bytes)
    }

    /// Returns the disk space of all sealed segments.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed_segments.disk_bytes()
    }

    /// Drops what exceeds the limits once another segment of `bytes` is created. Returns the first
    /// segment of that length for recycling, instead of deleting its file.
    pub(crate) fn room_for(&mut self, bytes: u64) -> Option<u32> {
        let mut again = None;
        let (open, open_bytes) = self.open_segments();
        let (open, open_bytes) = (open + 1, open_bytes.saturating_add(bytes));
        if self.exceeds_limits(open, open_bytes) {
            self.check_folder();
        }
        while self.exceeds_limits(open, open_bytes) {
            let number = self.sealed_segments.next_to_drop()?;
            let path = layout::segment_path(&self.folder, number);
            let has_length = std::fs::metadata(path).is_ok_and(|m| m.len() == bytes);
            if again.is_none() && has_length {
                self.record_dropped(number);
                again = Some(number);
            } else {
                self.drop_segment(number);
            }
        }
        again
    }

    /// Returns whether a sealed segment must be dropped. The newest is never dropped, so that a
    /// message that was just acknowledged is not lost because it is larger than the ring.
    fn exceeds_limits(&self, open: u64, open_bytes: u64) -> bool {
        self.sealed_segments.len() > 1
            && self.sealed_segments.exceeds_limits(&self.retention, open, open_bytes)
    }

    /// Drops what exceeds the limits now.
    pub(crate) fn enforce(&mut self) {
        let (open, open_bytes) = self.open_segments();
        while self.exceeds_limits(open, open_bytes) {
            let Some(number) = self.sealed_segments.next_to_drop() else {
                return;
            };
            self.drop_segment(number);
        }
    }

    /// Drops the next segment because the disk is full, if retention permits dropping at all.
    /// Returns whether it did.
    pub(crate) fn drop_one(&mut self) -> bool {
        let first = self.sealed_segments.next_to_drop().filter(|_| self.retention.is_on());
        first.inspect(|number| self.drop_segment(*number)).is_some()
    }

    /// Drops segments that are too old; returns the time of the next check.
    ///
    /// An age is a difference of two times of this process's clock: fresh mail stays fresh, even if
    /// the system clock is set or the machine sleeps.
    fn enforce_age(&mut self) -> Option<Instant> {
        let age = self.retention.age?;
        while let Some(number) = self.sealed_segments.expired(age, ProcessClock::get().unix_ns()) {
            self.drop_segment(number);
        }
        Some(self.now + (age / 10).clamp(AGE_CHECK_MIN, AGE_CHECK_MAX))
    }

    /// Unlinks a sealed segment. A reader that has it open can continue.
    fn drop_segment(&mut self, number: u32) {
        self.record_dropped(number);
        drop(self.kept.take(number));
        self.unlink(number);
        // A disk that was full now has room for a line.
        self.unrecorded.record_waiting(self.now);
    }

    /// Checks the folder if it has changed; returns the time of the next check.
    fn check_if_changed(&mut self) -> Option<Instant> {
        if !self.retention.is_on() {
            return None;
        }
        let folder = layout::segments_folder(&self.folder);
        let changed = std::fs::metadata(folder).and_then(|m| m.modified()).ok();
        if changed != self.folder_changed {
            self.folder_changed = changed;
            self.check_folder();
        }
        Some(self.now + FOLDER_CHECK)
    }

    /// Forgets segments that others dropped, and unmaps them: only then does the disk get its space
    /// back. Segments from which all messages were removed become the next to be dropped.
    fn check_folder(&mut self) {
        let Ok(Present { segments, flagged }) = layout::present(&self.folder) else {
            return;
        };
        for number in self.sealed_segments.numbers() {
            if !segments.contains(&number) {
                self.sealed_segments.remove(number);
                drop(self.kept.take(number));
            }
        }
        let kept = self.sealed_segments.kept().into_iter();
        for number in kept.filter(|number| flagged.contains(number)) {
            let of = FlagsOf { store: self.store, number };
            let flags = flags::load(&self.folder, of);
            self.sealed_segments.count_removed(number, flags.messages(), flags.only_counted);
        }
    }

    pub(crate) fn unlink(&self, number: u32) {
        flags::forget(&self.folder, number);
        match std::fs::remove_file(layout::segment_path(&self.folder, number)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(segment = number, error = %e, "cannot drop a segment");
            }
            _ => {}
        }
    }

    /// Removes a segment from the list, and records it before it is deleted, so that nothing is
    /// ever missing without a record. If recording is not possible now, the segment is deleted
    /// nevertheless, and recorded later.
    fn record_dropped(&mut self, number: u32) {
        let Some(sealed) = self.sealed_segments.remove(number) else {
            return;
        };
        let path = layout::segment_path(&self.folder, number);
        self.unrecorded.note(sealed.as_dropped(number), &path, self.now);
    }

    /// Keeps the map of a segment that was just sealed. Only a ring recycles files: with a limit on
    /// age alone, kept maps would be useless.
    pub(crate) fn keep_map(&mut self, number: u32, access: WriteAccess) {
        let bytes = self.open.remove(&number).unwrap_or(0);
        if self.retention.is_ring() {
            self.kept.insert(number, access, bytes);
        }
    }

    /// Returns the kept map of a segment.
    pub(crate) fn take_map(&mut self, number: u32) -> Option<WriteAccess> {
        self.kept.take(number)
    }

    /// Stores a complete dedicated segment that gets its name after its flush; before that, it must
    /// not be dropped.
    pub(crate) fn name_later(&mut self, number: u32, sealed: Sealed) {
        self.unnamed.insert(number, sealed);
    }

    /// Handles the outcome of flushing a dedicated segment.
    pub(crate) fn dedicated_flushed(&mut self, number: u32, outcome: DedicatedFlushed) {
        match (outcome, self.unnamed.remove(&number)) {
            (DedicatedFlushed::Named, Some(sealed)) => self.add_sealed(number, sealed),
            _ => self.closed(number),
        }
    }

    /// Adds a sealed segment, which may be dropped from now on.
    pub(crate) fn add_sealed(&mut self, number: u32, sealed: Sealed) {
        self.open.remove(&number);
        self.sealed_segments.insert(number, sealed);
        self.enforce();
    }
}
