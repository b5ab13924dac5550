//! The writer's map of a segment, and the two kinds a reader has: the only unsafe code of the log.
//!
//! A [`Mapping`] is shared between a worker and the provisioning thread; it gives out no slices,
//! only the live page's atomic words. Slices come from its one [`Door`], which the worker owns, and
//! each is borrowed mutably from that door, so that two never overlap in time.
#![allow(unsafe_code)]
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use super::format::{LIVE_AT, LIVE_WORDS, PAGE_BYTES, RECORDS_AT};

/// The words of a live page, in place.
pub(crate) type LivePage = [AtomicU64; LIVE_WORDS];

/// A segment file mapped for writing.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: MmapRaw,
    file: File,
}

/// The worker's access to a mapping's records and slots.
#[derive(Debug)]
pub(crate) struct Door {
    mapping: Arc<Mapping>,
}

impl Mapping {
    /// Maps the first `bytes` octets of `file`, which may still be shorter: octets behind its end
    /// may not be touched before the file has grown. Costs two system calls.
    pub(crate) fn new(file: File, bytes: u64) -> io::Result<(Arc<Mapping>, Door)> {
        assert!(bytes >= RECORDS_AT, "a segment has both header pages");
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let raw = MmapOptions::new().len(len).map_raw(&file)?;
        let mapping = Arc::new(Mapping { raw, file });
        Ok((mapping.clone(), Door { mapping }))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The live page's words.
    pub(crate) fn live(&self) -> &LivePage {
        // SAFETY: `new` saw to it that the map reaches behind the live page, whose offset is a
        // multiple of 8; the map lives as long as `self`; these words are reached through atomics
        // only, as `Door` never gives out the header pages; an `AtomicU64` has no invalid values.
        unsafe { &*self.raw.as_ptr().add(LIVE_AT as usize).cast::<LivePage>() }
    }

    /// Makes the pages of `range` present and writable, so that a store there takes no page fault.
    /// `range` must lie inside the file. Costs 0.2 us a page (recycled) to 1 us (fresh).
    ///
    /// Errors: the disk is full or failing (where blocks are allocated on write).
    pub(crate) fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let start = range.start / PAGE_BYTES * PAGE_BYTES;
        let end = range.end.min(self.raw.len() as u64);
        if start >= end {
            return Ok(());
        }
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

    /// The portable way (and Linux before 5.14): writes to each page without changing it.
    fn touch(&self, start: u64, end: u64) {
        for page in (start..end).step_by(PAGE_BYTES as usize) {
            // SAFETY: inside the map, as `populate` cut the range; the offset is a multiple of 8.
            // The octets lie above the populated mark, so the worker has no slice of them yet.
            let word = unsafe { &*self.raw.as_ptr().add(page as usize).cast::<AtomicU64>() };
            // Relaxed: adds nothing, publishes nothing.
            word.fetch_add(0, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Lets go of the map's hold on the pages of `range`, not of their content, which is in the
    /// page cache: keeps the memory that a large transfer occupies small.
    pub(crate) fn let_go(&self, range: Range<u64>) {
        let_go(&self.raw, range);
    }
}

/// Drops the whole pages inside of `range` from a map of a file; they come back when touched.
fn let_go(raw: &MmapRaw, range: Range<u64>) {
    let start = range.start.next_multiple_of(PAGE_BYTES);
    let end = range.end.min(raw.len() as u64) / PAGE_BYTES * PAGE_BYTES;
    #[cfg(any(sinkd_portable, not(target_os = "linux")))]
    let _ = (start, end);
    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    if start < end {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: the map is shared and backed by a file, so dropped pages come back with the same
        // content on the next access; no slice changes under its holder.
        let done =
            unsafe { raw.unchecked_advise_range(advice, start as usize, (end - start) as usize) };
        // Only memory use depends on it.
        drop(done);
    }
}

impl Door {
    pub(crate) fn live(&self) -> &LivePage {
        self.mapping.live()
    }

    pub(crate) fn file(&self) -> &File {
        self.mapping.file()
    }

    /// What this is the door to: for its file and its live page.
    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        self.mapping.clone()
    }

    /// The octets `start..start + len` of the file, to write to. The caller sees to it that they
    /// lie inside the file and below the populated mark.
    pub(crate) fn write(&mut self, start: u64, len: usize) -> &mut [u8] {
        self.check(start, len);
        #[cfg(test)]
        super::between_stores::tell();
        // SAFETY: `check` put the range inside the map and behind the header pages; it is not a
        // hole behind the file's end, because the caller stays below the populated mark
        // (provision.rs allocates before it populates, and nothing truncates while a door exists).
        // `&mut self` makes this the only slice of the process; other processes only read, and
        // nothing above the published count, so what they see of it never counts.
        unsafe {
            let start = self.mapping.raw.as_mut_ptr().add(start as usize);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// The octets `start..start + len` of the file, to read.
    pub(crate) fn read(&self, start: u64, len: usize) -> &[u8] {
        self.check(start, len);
        // SAFETY: as in `write`; `&self` keeps every `&mut` slice away.
        unsafe { std::slice::from_raw_parts(self.mapping.raw.as_ptr().add(start as usize), len) }
    }

    /// Copies `len` octets of the file from `from` to `to`; the two may not overlap.
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

    fn check(&self, start: u64, len: usize) {
        let end = start.checked_add(len as u64).expect("offsets stay far below 2^64");
        assert!(start >= RECORDS_AT && end <= self.mapping.raw.len() as u64, "inside the records");
    }
}

/// A live page, mapped for reading.
#[derive(Debug)]
pub(crate) struct LiveView {
    raw: MmapRaw,
}

impl LiveView {
    /// Maps the live page of `file`, which the caller found long enough.
    pub(crate) fn new(file: &File) -> io::Result<LiveView> {
        let page = PAGE_BYTES as usize;
        let raw = MmapOptions::new().offset(LIVE_AT).len(page).map_raw_read_only(file)?;
        Ok(LiveView { raw })
    }

    /// The words. Load them `Relaxed` and only so: they lie in read-only memory.
    pub(crate) fn live(&self) -> &LivePage {
        // SAFETY: the map is one page long, page-aligned, lives as long as `self`, and the file's
        // length never changes (docs/segment-format.md). Its writer, in this process or another,
        // stores atomically; ours are relaxed loads, which read-only memory allows.
        unsafe { &*self.raw.as_ptr().cast::<LivePage>() }
    }
}

/// A whole segment file, mapped for reading: gives out published records in place.
#[derive(Debug)]
pub(crate) struct RecordsView {
    raw: MmapRaw,
    /// Its lock, shared, keeps the file from being made another segment's.
    _file: File,
}

impl RecordsView {
    /// Maps `file`, which is as long as `bytes` says: the length on its identity page. Costs two
    /// system calls. The caller holds its shared lock, through this very `File` or one it was
    /// cloned from, and has found the identity page right since.
    pub(crate) fn new(file: File, bytes: u64) -> io::Result<RecordsView> {
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let raw = MmapOptions::new().len(len).map_raw_read_only(&file)?;
        Ok(RecordsView { raw, _file: file })
    }

    /// Brings the pages of `range` in, so that reading them takes no page fault, and so that a disk
    /// that fails is an error here and not a signal there. Costs a system call.
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
                // Linux before 5.14: the pages come as they are touched.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(()),
                other => return other,
            }
        }
        #[cfg(any(sinkd_portable, not(target_os = "linux")))]
        Ok(())
    }

    /// Lets go of the map's hold on the pages of `range`, not of their content, which stays in the
    /// page cache, or comes from the disk again.
    pub(crate) fn let_go(&self, range: Range<u64>) {
        let_go(&self.raw, range);
    }

    /// The octets of `range`: of a record that is published, and of nothing else.
    ///
    /// Nobody stores to them while the slice lives, for a published record never changes
    /// (docs/segment-format.md): sealing punches out only what belongs to no record; a flush that
    /// failed makes zeros only of slots that were not published, recovery only of slots that don't
    /// check; `rm` writes another file; pruning unlinks this one, which leaves its octets to those
    /// who have it open. Who makes a dropped segment the next one needs the exclusive lock, which
    /// our shared one denies as long as `_file` is open. Nor does the file end before its records:
    /// its length never changes from creation to unlink, and `new` looked. As with every map, a
    /// program that isn't ours and writes there breaks the promise.
    pub(crate) fn record(&self, range: Range<u64>) -> &[u8] {
        let len = range.end.checked_sub(range.start).expect("a range goes forward");
        let is_inside = range.start >= RECORDS_AT && range.end <= self.raw.len() as u64;
        assert!(is_inside, "inside the records");
        // SAFETY: the assertions put the range inside the map and behind the header pages, the
        // caller into a published record. What it holds is stable, and there, for the reasons
        // above; the map lives as long as `self`.
        unsafe {
            let start = self.raw.as_ptr().add(range.start as usize);
            std::slice::from_raw_parts(start, len as usize)
        }
    }
}
