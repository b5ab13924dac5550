//! Creates segments from new files or from recycled ones.
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::ahead::{SegmentAhead, WriteRate};
use super::recycle;
use super::retainer::Retainer;
use crate::log::exchange::{
    FlushJob, Flushed, PreparedSegment, PublishAfter, SYNC_AFTER, SyncJob, Window,
};
use crate::log::files::disk;
use crate::log::files::error::{is_no_space, is_shorter_better};
use crate::log::files::events_file::EventsFile;
use crate::log::files::layout;
use crate::log::files::map::{Mapping, WriteAccess};
use crate::log::files::store::StoreFile;
use crate::log::format::{BootId, PAGE_BYTES, SegmentIdentity, SegmentKind};
use crate::log::settings::{Durability, LogSettings};
use crate::log::upkeep::retention::SealedSegments;
use crate::time::ProcessClock;

/// Minimum number of segments per worker in a ring, so that each drop forgets little.
const RING_SEGMENTS_MIN: u64 = 8;

/// Initial capacity for holes in a segment.
const HOLES: usize = 64;

/// The handles that provisioning works with.
pub(crate) struct MakerSetup {
    pub folder: PathBuf,
    pub settings: LogSettings,
    pub store: StoreFile,
    pub boot: BootId,
    pub sync: Sender<SyncJob>,
    pub flusher: Sender<FlushJob>,
    pub sealed_segments: SealedSegments,
    pub events: Arc<EventsFile>,
}

/// Creates segments, and drops old ones to make room.
pub(crate) struct Maker {
    pub folder: PathBuf,
    pub settings: LogSettings,
    pub store: StoreFile,
    boot: BootId,
    sync: Sender<SyncJob>,
    pub flusher: Sender<FlushJob>,
    pub retainer: Retainer,
    /// Number of workers that have not closed.
    pub workers: u64,
}

/// A segment's file, mapped.
struct Made {
    identity: SegmentIdentity,
    access: WriteAccess,
}

impl Maker {
    pub(crate) fn new(setup: MakerSetup, now: Instant) -> Maker {
        let (retention, id) = (setup.settings.retention, setup.store.state.id);
        Maker {
            retainer: Retainer::new(retention, id, setup.sealed_segments, setup.events, now),
            folder: setup.folder,
            settings: setup.settings,
            store: setup.store,
            boot: setup.boot,
            sync: setup.sync,
            flusher: setup.flusher,
            workers: 0,
        }
    }

    /// Returns the time of the request being served.
    pub(crate) fn now(&self) -> Instant {
        self.retainer.now()
    }

    /// Creates, allocates, maps and populates a segment of `wanted` octets, or smaller, down to
    /// `least`, if the disk is nearly full.
    pub(crate) fn prepare(
        &mut self,
        worker: u32,
        least: u64,
        wanted: u64,
        rate: &WriteRate,
    ) -> io::Result<(SegmentAhead, PreparedSegment)> {
        let mut bytes = wanted.next_multiple_of(PAGE_BYTES);
        let least = least.next_multiple_of(PAGE_BYTES);
        loop {
            match self.segment_file(worker, bytes) {
                Err(e) if is_shorter_better(&e) && bytes > least => {
                    bytes = (bytes / 2).next_multiple_of(PAGE_BYTES).max(least);
                }
                // Older mail is dropped only if the request would otherwise be refused.
                Err(e) if is_no_space(&e) && self.retainer.drop_one() => {}
                Err(e) => return Err(e),
                Ok(made) => return self.hand_over(made, rate),
            }
        }
    }

    /// Populates the first window, and returns provisioning's view of the segment and the worker's.
    fn hand_over(
        &mut self,
        made: Made,
        rate: &WriteRate,
    ) -> io::Result<(SegmentAhead, PreparedSegment)> {
        let Made { identity, access } = made;
        let (number, bytes) = (identity.number, identity.segment_bytes);
        let (window, mapping) = (Arc::new(Window::default()), access.mapping());
        let ahead = SegmentAhead { bytes, mapping, window: window.clone(), number };
        if let Err(e) = self.populate_or_reserve(&ahead, rate) {
            self.forget(number);
            return Err(e);
        }
        let publish_after = self.publish_after(&ahead);
        let holes = Vec::with_capacity(HOLES);
        let parts = PreparedSegment { identity, access, window, publish_after, holes };
        Ok((ahead, parts))
    }

    /// Populates the first window, unless each message is flushed: then every flush would write the
    /// pages populated ahead of the writer (zeros, again and again).
    fn populate_or_reserve(&self, ahead: &SegmentAhead, rate: &WriteRate) -> io::Result<()> {
        if self.settings.durability != Durability::Message {
            return ahead.populate_first(rate);
        }
        ahead.mapping.use_all();
        Ok(())
    }

    /// Returns when slots of this segment are published, and registers it with the flusher if
    /// necessary.
    fn publish_after(&self, ahead: &SegmentAhead) -> PublishAfter {
        match self.settings.durability {
            Durability::Process => PublishAfter::Commit,
            Durability::Message => PublishAfter::Flush(Arc::default()),
            Durability::Interval(_) => {
                let flushed = Arc::new(Flushed::default());
                let (number, mapping) = (ahead.number, ahead.mapping.clone());
                // The flusher outlives this thread.
                let watch = FlushJob::Watch { number, mapping, flushed: flushed.clone() };
                drop(self.flusher.send(watch));
                PublishAfter::WatchedCommit(flushed)
            }
        }
    }

    /// Returns the length of the segment after one of `bytes`.
    pub(crate) fn doubled(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(2).min(self.segment_bytes_max()).max(self.settings.segment_bytes_first)
    }

    /// Returns the maximum segment length that fits the retention limit on bytes.
    fn segment_bytes_max(&self) -> u64 {
        let max = self.settings.segment_bytes_max;
        let Some(bytes) = self.settings.retention.bytes else {
            return max;
        };
        let share = bytes / (RING_SEGMENTS_MIN * self.workers_open());
        let whole = share / PAGE_BYTES * PAGE_BYTES;
        max.min(whole).max(self.settings.segment_bytes_first)
    }

    /// Returns the number of workers that have not closed, at least 1.
    fn workers_open(&self) -> u64 {
        self.workers.max(1)
    }

    /// Checks that there is space for `bytes` and for the [`Maker::reserve`].
    pub(crate) fn has_space(&self, bytes: u64, segment_bytes: u64) -> io::Result<()> {
        let needed = bytes.saturating_add(self.reserve(segment_bytes));
        if self.settings.space.left(&self.folder)? < needed {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Returns the space that stays free: two segments of `segment_bytes` per worker, for other
    /// programs and for copy-on-write file systems, which need space to rewrite a page.
    fn reserve(&self, segment_bytes: u64) -> u64 {
        segment_bytes.saturating_mul(2).saturating_mul(self.workers_open())
    }

    /// Calls `step`. As long as the disk is too full for it, drops the oldest segment and tries
    /// again. Drops nothing if everything that may be dropped would not make room for `bytes`.
    pub(crate) fn with_space<T>(
        &mut self,
        bytes: u64,
        mut step: impl FnMut(&mut Maker) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match step(self) {
                Err(e)
                    if is_no_space(&e) && self.has_space_for(bytes) && self.retainer.drop_one() => {
                }
                done => return done,
            }
        }
    }

    fn has_space_for(&self, bytes: u64) -> bool {
        let left = self.settings.space.left(&self.folder).unwrap_or(0);
        let needed = bytes.saturating_add(self.reserve(self.settings.segment_bytes_first));
        left.saturating_add(self.retainer.sealed_bytes()) >= needed
    }

    /// Returns the file of a dropped segment, or a new one.
    fn segment_file(&mut self, worker: u32, bytes: u64) -> io::Result<Made> {
        let again = self.retainer.room_for(bytes);
        let again = again.and_then(|old| self.recycle_file(worker, bytes, old).ok());
        let made = match again {
            Some(made) => made,
            None => {
                self.has_space(bytes, bytes)?;
                self.create(worker, bytes)?
            }
        };
        self.retainer.opened(made.identity.number, bytes);
        Ok(made)
    }

    /// Turns the file of segment `old` into a new segment. After an error the file is deleted.
    fn recycle_file(&mut self, worker: u32, bytes: u64, old: u32) -> io::Result<Made> {
        let number = self.store.take_number()?;
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        let from = layout::segment_path(&self.folder, old);
        let path = layout::segment_path(&self.folder, number);
        let kept = self.retainer.take_map(old);
        let kept = kept.map_or_else(|| recycle::remap(&self.folder, old), Ok);
        let made = kept.and_then(|mut access| {
            access.renew();
            recycle::renew(access.file(), &identity)?;
            self.name_safely(access.file(), &from, &path)?;
            access.file().unlock()?;
            crate::log::files::flags::forget(&self.folder, old);
            Ok(access)
        });
        let access = made.inspect_err(|e| {
            tracing::debug!(segment = old, error = %e, "the file of a segment is not reused");
            self.retainer.unlink(old);
            drop(std::fs::remove_file(&path));
        })?;
        Ok(Made { identity, access })
    }

    /// Deletes a segment to which no worker has committed.
    pub(crate) fn forget(&mut self, number: u32) {
        self.retainer.closed(number);
        if let Err(e) = std::fs::remove_file(layout::segment_path(&self.folder, number)) {
            tracing::warn!(segment = number, error = %e, "cannot remove an unused segment");
        }
    }

    fn create(&mut self, worker: u32, bytes: u64) -> io::Result<Made> {
        use std::os::unix::fs::FileExt;
        let number = self.store.take_number()?;
        // If the request is lost, the next one makes up for it; it matters only after a power loss.
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        // No reader sees the file without its identity page.
        let part = layout::part_path(&self.folder, number);
        let file = disk::create(&part)?;
        let path = layout::segment_path(&self.folder, number);
        let made = disk::allocate(&file, 0, bytes)
            .and_then(|()| self.write_out(&file, bytes))
            .and_then(|()| file.write_all_at(&identity.encode(), 0))
            .and_then(|()| self.name_safely(&file, &part, &path))
            .and_then(|()| Mapping::new(file, bytes, bytes));
        match made {
            Ok((_, access)) => Ok(Made { identity, access }),
            Err(e) => {
                // The file has one of the two names; recovery deletes what remains.
                drop(std::fs::remove_file(&part));
                drop(std::fs::remove_file(&path));
                Err(e)
            }
        }
    }

    /// If each message is flushed, writes the file's blocks once before use: flushes then write
    /// only data, not metadata.
    fn write_out(&self, file: &File, bytes: u64) -> io::Result<()> {
        match self.settings.durability {
            Durability::Message => disk::write_zeros(file, 0, bytes),
            Durability::Process | Durability::Interval(_) => Ok(()),
        }
    }

    /// Renames a new segment to its final name. If messages must survive a power loss, so does the
    /// name.
    fn name_safely(&self, file: &File, part: &Path, path: &Path) -> io::Result<()> {
        if self.settings.durability == Durability::Process {
            return std::fs::rename(part, path);
        }
        self.settings.flush.flush(file)?;
        std::fs::rename(part, path)?;
        self.settings.flush.flush_name(path)
    }

    pub(crate) fn identity(
        &self,
        number: u32,
        worker: u32,
        segment_bytes: u64,
        kind: SegmentKind,
    ) -> SegmentIdentity {
        SegmentIdentity {
            number,
            store: self.store.state.id,
            segment_bytes,
            worker,
            start_count: self.store.state.starts,
            boot: self.boot,
            created_at_ns: ProcessClock::get().unix_ns(),
            kind,
        }
    }

    /// Queues a sealed segment for flushing: at once if messages must survive a power loss.
    pub(crate) fn sync_later(&self, number: u32) {
        let path = layout::segment_path(&self.folder, number);
        let wait = match self.settings.durability {
            Durability::Process => SYNC_AFTER,
            Durability::Interval(_) | Durability::Message => Duration::ZERO,
        };
        // The sync thread outlives this one; otherwise, recovery queues the segment again.
        drop(self.sync.send(SyncJob::Segment { number, path, due: self.now() + wait }));
    }
}
