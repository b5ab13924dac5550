//! Provisioning's making of segments: new files, or those of dropped ones.
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use super::ahead::{Prepared, Rate};
use super::clock::ProcessClock;
use super::disk;
use super::flags;
use super::flush::{FlushJob, Flushed};
use super::format::{Identity, PAGE_BYTES, Seed, SegmentKind};
use super::layout;
use super::map::{Door, Mapping};
use super::provision::Provision;
use super::recycle;
use super::segment::{Held, OpenSegment, Publishing};
use super::settings::Durability;
use super::sync::SyncJob;
use super::window::Window;

/// A segment's file, mapped.
type Made = (Prepared, Door, Seed);

impl Provision {
    /// Creates, allocates, maps and populates a segment of `wanted` octets, or of less, down to
    /// `least`, where the disk is nearly full.
    pub(crate) fn prepare(
        &mut self,
        worker: u32,
        least: u64,
        wanted: u64,
        rate: &Rate,
    ) -> std::io::Result<(Prepared, OpenSegment)> {
        let mut bytes = wanted.next_multiple_of(PAGE_BYTES);
        let least = least.next_multiple_of(PAGE_BYTES);
        loop {
            let made = self.segment_file(worker, bytes);
            match made {
                Err(e) if super::error::is_no_space(&e) && bytes > least => {
                    bytes = (bytes / 2).next_multiple_of(PAGE_BYTES).max(least);
                }
                // Only what would otherwise be refused costs older mail.
                Err(e) if super::error::is_no_space(&e) && self.drop_one() => {}
                Err(e) => return Err(e),
                Ok((prepared, door, seed)) => {
                    if let Err(e) = self.make_ready(&prepared, rate) {
                        self.forget(prepared.number);
                        return Err(e);
                    }
                    let (number, window) = (prepared.number, prepared.window.clone());
                    let publishing = self.publishing(&prepared);
                    let segment = OpenSegment::new(number, bytes, door, window, seed, publishing);
                    return Ok((prepared, segment));
                }
            }
        }
    }

    /// Populates the first window. Where each message is flushed nothing is populated: pages made
    /// ready ahead of the writer would be written out by every flush (zeros, time and again).
    fn make_ready(&self, prepared: &Prepared, rate: &Rate) -> std::io::Result<()> {
        if self.settings.durability != Durability::Message {
            return prepared.populate_first(rate);
        }
        let marks = &prepared.window.marks;
        marks.slots_populated.store(0, Release);
        marks.populated.store(prepared.bytes, Release);
        Ok(())
    }

    /// When slots of this segment are published, and who hears of flushes.
    fn publishing(&self, prepared: &Prepared) -> Publishing {
        match self.settings.durability {
            Durability::Process => Publishing::Now,
            Durability::Message => Publishing::Held(Held::default()),
            Durability::Interval(_) => {
                let flushed = Arc::new(Flushed::default());
                let (number, mapping) = (prepared.number, prepared.mapping.clone());
                // The thread outlives this one.
                let watch = FlushJob::Watch { number, mapping, flushed: flushed.clone() };
                drop(self.flusher.send(watch));
                Publishing::Watched(flushed)
            }
        }
    }

    /// Checks that there is space for `bytes` and for the [`Provision::reserve`].
    pub(crate) fn has_space(&self, bytes: u64, segment_bytes: u64) -> std::io::Result<()> {
        let needed = bytes.saturating_add(self.reserve(segment_bytes));
        if self.settings.space.left(&self.folder)? < needed {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Two segments of `segment_bytes` per worker stay free, for others and for what copy-on-write
    /// file systems need when a page is rewritten.
    pub(crate) fn reserve(&self, segment_bytes: u64) -> u64 {
        segment_bytes.saturating_mul(2).saturating_mul(self.workers_open())
    }

    /// The file of a dropped segment, or a new one.
    fn segment_file(&mut self, worker: u32, bytes: u64) -> std::io::Result<Made> {
        let made = match self.room_for(bytes) {
            Some(old) => self.use_again(worker, bytes, old),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        let made = match made {
            Ok(made) => made,
            Err(_) => {
                self.has_space(bytes, bytes)?;
                self.create(worker, bytes)?
            }
        };
        self.open.insert(made.0.number, bytes);
        Ok(made)
    }

    /// Makes the file of segment `old` that of a new one; if that can't be done it is gone.
    fn use_again(&mut self, worker: u32, bytes: u64, old: u32) -> std::io::Result<Made> {
        let number = self.store.take_number()?;
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        let from = layout::segment_path(&self.folder, old);
        let path = layout::segment_path(&self.folder, number);
        let kept = self.kept.take(old).map_or_else(|| recycle::map_again(&self.folder, old), Ok);
        let made = kept.and_then(|door| {
            recycle::renew(door.file(), &identity)?;
            self.name_safely(door.file(), &from, &path)?;
            door.file().unlock()?;
            flags::forget(&self.folder, old);
            Ok(door)
        });
        let door = made.inspect_err(|e| {
            tracing::debug!(segment = old, error = %e, "its file is not used again");
            self.unlink_segment(old);
            drop(std::fs::remove_file(&path));
        })?;
        let window = Arc::new(Window::default());
        let prepared = Prepared { bytes, mapping: door.mapping(), window, number };
        Ok((prepared, door, identity.seed()))
    }

    /// A segment that nobody has ever committed to.
    pub(crate) fn forget(&mut self, number: u32) {
        self.open.remove(&number);
        if let Err(e) = std::fs::remove_file(layout::segment_path(&self.folder, number)) {
            tracing::warn!(segment = number, error = %e, "cannot remove an unused segment");
        }
    }

    fn create(&mut self, worker: u32, bytes: u64) -> std::io::Result<Made> {
        use std::os::unix::fs::FileExt;
        let number = self.store.take_number()?;
        // Lost syncs are made good by the next; only a power loss asks for it.
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        // No reader ever sees it without its identity page.
        let part = layout::part_path(&self.folder, number);
        let file = disk::create(&part)?;
        let path = layout::segment_path(&self.folder, number);
        let made = disk::allocate(&file, 0, bytes)
            .and_then(|()| self.write_out(&file, bytes))
            .and_then(|()| file.write_all_at(&identity.encode(), 0))
            .and_then(|()| self.name_safely(&file, &part, &path))
            .and_then(|()| Mapping::new(file, bytes));
        match made {
            Ok((mapping, door)) => {
                let window = Arc::new(Window::default());
                let prepared = Prepared { bytes, mapping, window, number };
                Ok((prepared, door, identity.seed()))
            }
            Err(e) => {
                // One of the two is there; recovery removes what stays.
                drop(std::fs::remove_file(&part));
                drop(std::fs::remove_file(&path));
                Err(e)
            }
        }
    }

    /// Where each message is flushed, the file's blocks are written once before use: a flush then
    /// writes data alone, and nothing about the file.
    fn write_out(&self, file: &std::fs::File, bytes: u64) -> std::io::Result<()> {
        match self.settings.durability {
            Durability::Message => disk::write_zeros(file, 0, bytes),
            Durability::Process | Durability::Interval(_) => Ok(()),
        }
    }

    /// Gives a new segment its name, so that it survives a power loss where messages must.
    fn name_safely(
        &self,
        file: &std::fs::File,
        part: &std::path::Path,
        path: &std::path::Path,
    ) -> std::io::Result<()> {
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
    ) -> Identity {
        Identity {
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
}
