//! Memory maps of segments, one kind for writers and two for readers. Contains all unsafe code of
//! the log.
//!
//! A [`Mapping`] is shared between a worker and other threads. It lends no slices, only the live
//! page's atomic words. Slices come from its only [`WriteAccess`], which the worker owns, and
//! borrow from it, so no other slice exists while the worker writes to one. The mapping knows which
//! octets may be lent: those that provisioning is done with, and has usually populated. So a caller
//! that computes a wrong range causes a panic, but accesses no memory.
//!
//! No type can keep another program from truncating the file. sinkd truncates only dedicated
//! segments, once, at their commit: after the worker has given up its access, and before the file
//! gets the name by which readers find it. Other programs must leave the file alone.
#![allow(unsafe_code)]
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};

use super::disk;
use super::usable::{Usable, UsableMarks};
use crate::log::format::{
    LIVE_AT, LIVE_WORDS, PAGE_BYTES, RECORDS_AT, SegmentIdentity, Slot, SlotSource,
};

/// The words of a live page, in the map.
pub(crate) type LivePage = [AtomicU64; LIVE_WORDS];

/// A segment file mapped for writing.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: MmapRaw,
    file: File,
    usable: UsableMarks,
    /// Length of the file; the map may be longer. A thread must hold this lock to move the marks in
    /// `usable`, so only one moves them at a time.
    file_bytes: Mutex<u64>,
}

/// The worker's access to a mapping's records and slots.
#[derive(Debug)]
pub(crate) struct WriteAccess {
    mapping: Arc<Mapping>,
}

impl Mapping {
    /// Maps `reach` octets of `file`, whose current length is `bytes`. No octets are usable yet.
    /// Costs three system calls.
    pub(crate) fn new(
        file: File,
        bytes: u64,
        reach: u64,
    ) -> io::Result<(Arc<Mapping>, WriteAccess)> {
        assert!(RECORDS_AT <= bytes && bytes <= reach, "a segment has both header pages");
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = usize::try_from(reach).map_err(|_| io::ErrorKind::InvalidInput)?;
        let raw = MmapOptions::new().len(len).map_raw(&file)?;
        let usable = UsableMarks::new(Usable::nothing_of(reach));
        let mapping = Arc::new(Mapping { raw, file, usable, file_bytes: Mutex::new(bytes) });
        Ok((mapping.clone(), WriteAccess { mapping }))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the live page's words.
    pub(crate) fn live(&self) -> &LivePage {
        // SAFETY: `new` ensured that file and map contain the live page, whose offset is a multiple
        // of 8. The map lives as long as `self`. These words are only accessed as atomics, because
        // `WriteAccess` never lends the header pages. Every bit pattern is a valid `AtomicU64`.
        unsafe { &*self.raw.as_ptr().add(LIVE_AT as usize).cast::<LivePage>() }
    }

    /// Returns which octets the worker may use. Another thread may make more of them usable at any
    /// time; only [`WriteAccess::renew`] takes them back. Costs two atomic loads.
    #[inline]
    pub(crate) fn usable(&self) -> Usable {
        self.usable.load()
    }

    /// Returns the length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        *self.lock()
    }

    /// Extends the file, with space allocated on disk. Errors: see [`disk::allocate`].
    pub(crate) fn grow(&self, to: u64) -> io::Result<()> {
        let mut bytes = self.lock();
        if to > *bytes {
            disk::allocate(&self.file, *bytes, to)?;
            *bytes = to;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.file_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Populates the header pages.
    pub(crate) fn populate_header(&self) -> io::Result<()> {
        self.populate(0..RECORDS_AT)
    }

    /// Populates the octets up to `to`, so that stores cause no page fault, and makes them usable.
    /// Costs 0.2 µs per recycled page and 1 µs per new one.
    ///
    /// Errors: the disk is full or failing (on file systems that allocate blocks on write).
    pub(crate) fn populate_front(&self, to: u64) -> io::Result<()> {
        let bytes = self.lock();
        assert!(to <= *bytes, "inside the file");
        let front = self.usable().front;
        if to > front {
            self.populate(front..to)?;
            self.usable.raise(to);
        }
        Ok(())
    }

    /// Populates the octets from `from` to the end of the file, and makes them usable.
    pub(crate) fn populate_back(&self, from: u64) -> io::Result<()> {
        let bytes = self.lock();
        assert!(*bytes == self.raw.len() as u64, "the file has its final length");
        let back = self.usable().back;
        if from < back {
            self.populate(from..back)?;
            self.usable.lower(from);
        }
        Ok(())
    }

    /// Makes the whole file usable, populated or not.
    pub(crate) fn use_all(&self) {
        let bytes = self.lock();
        assert!(*bytes == self.raw.len() as u64, "the file has its final length");
        self.usable.lower(0);
        self.usable.raise(*bytes);
    }

    /// Populates `range`, which must be within the file and contain no usable octets.
    fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let (start, end) = (range.start, range.end);
        // A page that is partly usable would be written while its worker uses it.
        assert!(start.is_multiple_of(PAGE_BYTES), "marks move by whole pages");
        match self.advise_populate(start, end) {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                self.touch(start, end);
                Ok(())
            }
            other => other,
        }
    }

    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    fn advise_populate(&self, start: u64, end: u64) -> io::Result<()> {
        let (start, len) = (start as usize, (end - start) as usize);
        loop {
            match self.raw.advise_range(memmap2::Advice::PopulateWrite, start, len) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    #[cfg(any(sinkd_portable, not(target_os = "linux")))]
    fn advise_populate(&self, _start: u64, _end: u64) -> io::Result<()> {
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// Populates pages in the portable way (also for Linux before 5.14): writes to each without
    /// changing it.
    fn touch(&self, start: u64, end: u64) {
        for page in (start..end).step_by(PAGE_BYTES as usize) {
            // SAFETY: the word is within map and file: each caller bounds the range by the length
            // of the file, and begins it at a page, so the offset is a multiple of 8. No slice of
            // these octets exists: the header is never lent, and all other octets are not usable
            // yet, because `usable` only advances under the lock that the caller holds for them,
            // and is only reset with `&mut WriteAccess`.
            let word = unsafe { &*self.raw.as_ptr().add(page as usize).cast::<AtomicU64>() };
            // Relaxed: adds 0, and publishes nothing.
            word.fetch_add(0, Relaxed);
        }
    }

    /// Unmaps the pages of `range` without affecting their content in the page cache. Keeps the
    /// memory usage of large transfers low.
    pub(crate) fn release_pages(&self, range: Range<u64>) {
        release_pages(&self.raw, range);
    }
}

/// Unmaps the whole pages within `range` of a shared file map. They are mapped again on the next
/// access.
fn release_pages(raw: &MmapRaw, range: Range<u64>) {
    let start = range.start.next_multiple_of(PAGE_BYTES);
    let end = range.end.min(raw.len() as u64) / PAGE_BYTES * PAGE_BYTES;
    #[cfg(any(sinkd_portable, not(target_os = "linux")))]
    let _ = (start, end);
    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    if start < end {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: the map is shared and backed by a file, so dropped pages have the same content on
        // the next access: no slice changes while it is borrowed.
        let done =
            unsafe { raw.unchecked_advise_range(advice, start as usize, (end - start) as usize) };
        // An error affects only memory usage.
        drop(done);
    }
}

impl WriteAccess {
    pub(crate) fn live(&self) -> &LivePage {
        self.mapping.live()
    }

    pub(crate) fn file(&self) -> &File {
        self.mapping.file()
    }

    /// Returns the mapping, for its file and its live page.
    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        self.mapping.clone()
    }

    /// Returns which octets may be used: see [`Mapping::usable`].
    #[inline]
    pub(crate) fn usable(&self) -> Usable {
        self.mapping.usable()
    }

    /// Makes all octets unusable, because the file becomes another segment.
    pub(crate) fn renew(&mut self) {
        let _bytes = self.mapping.lock();
        let Usable { front, back } = Usable::nothing_of(self.mapping.raw.len() as u64);
        self.mapping.usable.lower(back);
        self.mapping.usable.raise(front);
    }

    /// Returns the octets `start..start + len` of the file for writing. Panics if they are not
    /// usable.
    #[inline]
    pub(crate) fn write(&mut self, start: u64, len: usize) -> &mut [u8] {
        self.check(start, len);
        #[cfg(test)]
        crate::log::between_stores::before_store();
        // SAFETY: `check` found the range usable, so it is within map and file, after the header
        // pages, and no other thread accesses it. `&mut self` makes this the only slice in this
        // process. Other processes only read, and ignore everything above the published count.
        unsafe {
            let start = self.mapping.raw.as_mut_ptr().add(start as usize);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Returns the octets `start..start + len` of the file for reading. Panics if they are not
    /// usable.
    #[inline]
    pub(crate) fn read(&self, start: u64, len: usize) -> &[u8] {
        self.check(start, len);
        // SAFETY: as in `write`; while `&self` is borrowed, no `&mut` slice exists.
        unsafe { std::slice::from_raw_parts(self.mapping.raw.as_ptr().add(start as usize), len) }
    }

    /// Copies `len` octets of the file from `from` to `to`. The ranges must not overlap.
    pub(crate) fn copy(&mut self, from: u64, to: u64, len: usize) {
        assert!(from + len as u64 <= to || to + len as u64 <= from, "apart");
        let (low, high) = (from.min(to), from.max(to));
        let both = self.write(low, (high - low) as usize + len);
        let (first, second) = both.split_at_mut((high - low) as usize);
        if from == low {
            second[..len].copy_from_slice(&first[..len]);
        } else {
            first[..len].copy_from_slice(&second[..len]);
        }
    }

    #[inline]
    fn check(&self, start: u64, len: usize) {
        let end = start.checked_add(len as u64).expect("offsets stay far below 2^64");
        let Usable { front, back } = self.usable();
        let is_inside = end <= front || (start >= back && end <= self.mapping.raw.len() as u64);
        assert!(start >= RECORDS_AT && is_inside, "inside the usable records");
    }
}

/// A live page, mapped for reading.
#[derive(Debug)]
pub(crate) struct LiveView {
    raw: MmapRaw,
}

impl LiveView {
    /// Maps the live page of `file`. Costs three system calls.
    pub(crate) fn new(file: &File) -> io::Result<LiveView> {
        if file.metadata()?.len() < RECORDS_AT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let page = PAGE_BYTES as usize;
        let raw = MmapOptions::new().offset(LIVE_AT).len(page).map_raw_read_only(file)?;
        Ok(LiveView { raw })
    }

    /// Loads a word. Relaxed: the caller needs a fence to order it with other data.
    pub(crate) fn load(&self, word: usize) -> u64 {
        // SAFETY: the map is one page long, page-aligned, and lives as long as `self`. `new`
        // checked that the page is within the file, whose length never changes while it has a name
        // by which readers find it (docs/segment-format.md). Its writer, in this process or
        // another, stores atomically. This is the only access to the words, and a relaxed load,
        // which is allowed on read-only memory.
        let live = unsafe { &*self.raw.as_ptr().cast::<LivePage>() };
        u64::from_le(live[word].load(Relaxed))
    }
}

/// A whole segment file mapped for reading; returns records in place.
#[derive(Debug)]
pub(crate) struct RecordsView {
    raw: MmapRaw,
    source: SlotSource,
    /// The file. Its shared lock keeps it from being recycled for another segment.
    _file: File,
}

impl RecordsView {
    /// Maps `file` and takes its shared lock. Costs five system calls. Error `InvalidData`: it is
    /// no longer the segment described by `identity`.
    pub(crate) fn new(file: File, identity: &SegmentIdentity) -> io::Result<RecordsView> {
        file.lock_shared()?;
        // Checked now, because it can no longer change.
        if disk::identity_of(&file).as_ref() != Some(identity) {
            let problem = "it has become another segment";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let found = file.metadata()?;
        if found.len() < identity.segment_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let source = SlotSource::new(identity, found.dev(), found.ino());
        let bytes = identity.segment_bytes;
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let raw = MmapOptions::new().len(len).map_raw_read_only(&file)?;
        Ok(RecordsView { raw, source, _file: file })
    }

    /// Populates the pages of `range`, so that reading them causes no page fault, and a failing
    /// disk causes an error here instead of a signal. Costs a system call.
    pub(crate) fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let start = range.start / PAGE_BYTES * PAGE_BYTES;
        let end = range.end.min(self.raw.len() as u64);
        if start >= end {
            return Ok(());
        }
        #[cfg(all(target_os = "linux", not(sinkd_portable)))]
        loop {
            let (start, len) = (start as usize, (end - start) as usize);
            match self.raw.advise_range(memmap2::Advice::PopulateRead, start, len) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Linux before 5.14: pages are loaded when accessed.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(()),
                other => return other,
            }
        }
        #[cfg(any(sinkd_portable, not(target_os = "linux")))]
        Ok(())
    }

    /// Unmaps the pages of `range`. Their content stays in the page cache, or is read from disk
    /// again.
    pub(crate) fn release_pages(&self, range: Range<u64>) {
        release_pages(&self.raw, range);
    }

    /// Returns the record of `slot`, which must be published; `None`: the slot was read from
    /// another file.
    pub(crate) fn record(self: &Arc<RecordsView>, slot: &Slot) -> Option<RecordOctets> {
        let range = slot.record_offset()..slot.record_end();
        let is_inside = range.start >= RECORDS_AT && range.end <= self.raw.len() as u64;
        let view = self.clone();
        (slot.is_of(&self.source) && is_inside).then_some(RecordOctets { view, range })
    }
}

/// A record, or a part of one, in the map. Only [`RecordsView::record`] creates it.
#[derive(Debug)]
pub(crate) struct RecordOctets {
    view: Arc<RecordsView>,
    range: Range<u64>,
}

impl RecordOctets {
    /// Returns the octets before `at`, and the rest.
    pub(crate) fn split_at(self, at: u64) -> (RecordOctets, RecordOctets) {
        let middle = self.range.start.saturating_add(at).min(self.range.end);
        let first = RecordOctets { view: self.view.clone(), range: self.range.start..middle };
        (first, RecordOctets { view: self.view, range: middle..self.range.end })
    }
}

impl AsRef<[u8]> for RecordOctets {
    fn as_ref(&self) -> &[u8] {
        let (start, len) = (self.range.start as usize, self.range.end - self.range.start);
        // SAFETY: `record` checked that the range is within the map, and took it from a slot that
        // was read from this file and whose checksum is right: a worker writes that once its record
        // is complete. No thread stores to a published record (docs/segment-format.md): sealing
        // punches out only what belongs to no record; a failed flush zeros only slots that were not
        // published, and recovery only slots whose checksums are wrong; `rm` writes another file;
        // pruning unlinks this one, whose octets stay available to processes that have it open.
        // Recycling a dropped segment requires the exclusive lock, which our shared lock prevents
        // as long as `_file` is open. The file does not end before its records: `new` checked its
        // length, which never changes from the moment the file gets its name. The map lives as long
        // as `view`.
        unsafe { std::slice::from_raw_parts(self.view.raw.as_ptr().add(start), len as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = RECORDS_AT + 4 * PAGE_BYTES;

    fn mapped() -> (Arc<Mapping>, WriteAccess) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(BYTES).unwrap();
        Mapping::new(file, BYTES, BYTES).unwrap()
    }

    #[track_caller]
    fn check(access: &WriteAccess, start: u64, len: usize, is_lent: bool) {
        let read = || access.read(start, len).len();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
        assert_eq!(read.is_ok(), is_lent, "{start} and {len}");
    }

    #[test]
    fn only_usable_octets_are_lent() {
        let (mapping, mut access) = mapped();
        check(&access, RECORDS_AT, 1, false);
        mapping.populate_front(RECORDS_AT + PAGE_BYTES).unwrap();
        mapping.populate_back(BYTES - PAGE_BYTES).unwrap();
        check(&access, RECORDS_AT, 4096, true);
        check(&access, RECORDS_AT, 4097, false);
        check(&access, LIVE_AT, 8, false);
        check(&access, BYTES - PAGE_BYTES, 4096, true);
        check(&access, BYTES - PAGE_BYTES - 1, 4096, false);
        check(&access, BYTES - 1, 2, false);
        mapping.use_all();
        check(&access, RECORDS_AT, 4 * 4096, true);
        access.renew();
        check(&access, RECORDS_AT, 1, false);
        check(&access, BYTES - 64, 64, false);
    }

    #[test]
    fn a_map_longer_than_its_file_lends_only_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(RECORDS_AT).unwrap();
        let (mapping, access) = Mapping::new(file, RECORDS_AT, BYTES).unwrap();
        check(&access, RECORDS_AT, 1, false);
        mapping.grow(RECORDS_AT + PAGE_BYTES).unwrap();
        mapping.populate_front(RECORDS_AT + PAGE_BYTES).unwrap();
        check(&access, RECORDS_AT, 4096, true);
        check(&access, RECORDS_AT, 4097, false);
    }
}
