//! One segment file, for reading.
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::fence;

use super::scan::{Extent, Found, is_valid_at, scan};
use super::{Damage, SegmentError};
use crate::log::boot::current_boot;
use crate::log::disk;
use crate::log::format::{
    BootId, COUNTED_MAX, COUNTED_WORD, Crc, FORMAT_VERSION, Identity, LIVE_AT, LIVE_WORDS,
    LiveWords, NOTES_WORD, NoIdentity, PAGE_BYTES, Published, RECORDS_AT, REJECTIONS_WORD,
    SEGMENT_BYTES_MIN, SLOT_BYTES, STATE_WORD, Seed, Slot, State, Totals, crc, decode_slot,
    slot_at, slot_positions,
};
use crate::log::id::MessageId;
use crate::log::layout;
use crate::log::map::LiveView;

/// Slots read at once by [`Slots`]: 64 KiB.
const SLOTS_AT_ONCE: u32 = 1024;
/// Octets of a record read at once where its content isn't kept.
const RECORD_BYTES_AT_ONCE: u64 = 256 << 10;

/// One segment file, open for reading. It stays readable when the file is unlinked.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
    identity: Identity,
    seed: Seed,
    counts: Counts,
    page: Page,
    /// The live page when it was opened.
    words: LiveWords,
}

/// Where a segment's counts come from.
#[derive(Debug)]
enum Counts {
    /// Its worker may still commit: the live page, mapped.
    Live(LiveView),
    /// It was sealed, and its totals check.
    Sealed(LiveWords),
    /// They could not be trusted: every slot position was tried.
    Found(Arc<Found>),
}

/// Why a segment's counts are believed, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// They are those of this boot, or were flushed and check.
    Believed,
    /// The machine went down before they were flushed.
    Unflushed,
    /// It is open, in a boot that has no name: a writer may be at work, or may have been in another
    /// boot.
    Unknown,
    /// What they say is impossible, or a checksum doesn't hold.
    Damaged,
}

/// What of a segment was worked out before, to open it once more without reading all of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    found: Arc<Found>,
    page: Page,
}

impl Known {
    /// What is wrong with the counts of the segment in `file`.
    pub(super) fn fault(&self, file: &Path) -> Option<SegmentError> {
        let (file, is_counted_known) = (file.to_owned(), self.found.is_counted_known);
        (self.page == Page::Damaged).then_some(SegmentError::Counts { file, is_counted_known })
    }
}

impl Segment {
    /// Opens the file of a segment. Costs one read of 8 KiB; a segment that was not flushed before
    /// the machine last went down is read as a whole.
    pub fn open(path: &Path) -> Result<Segment, SegmentError> {
        Segment::open_in(path, current_boot())
    }

    /// The same, in a machine whose boot is `boot`.
    pub(crate) fn open_in(path: &Path, boot: BootId) -> Result<Segment, SegmentError> {
        Segment::of(open_locked(path)?, path, boot)
    }

    /// `file` under any name.
    pub(crate) fn of(file: File, path: &Path, boot: BootId) -> Result<Segment, SegmentError> {
        let (mut segment, words) = Segment::headed(file, path)?;
        (segment.counts, segment.page) = segment.counts_of(words, boot)?;
        Ok(segment)
    }

    /// Opens it once more, with what was [`Segment::known`] of it. Costs one read of 8 KiB.
    pub(super) fn open_known(path: &Path, known: Known) -> Result<Segment, SegmentError> {
        let (mut segment, _) = Segment::headed(open_locked(path)?, path)?;
        (segment.counts, segment.page) = (Counts::Found(known.found), known.page);
        Ok(segment)
    }

    /// Checks the header; the counts are yet to be judged.
    fn headed(file: File, path: &Path) -> Result<(Segment, LiveWords), SegmentError> {
        let (identity, words) = read_head(&file, path)?;
        let (seed, counts, page) = (identity.seed(), Counts::Sealed(words), Page::Believed);
        let path = path.to_owned();
        Ok((Segment { file, path, identity, seed, counts, page, words }, words))
    }

    /// Decides what to believe of the live page.
    fn counts_of(
        &self,
        mut words: LiveWords,
        boot: BootId,
    ) -> Result<(Counts, Page), SegmentError> {
        let io = |cause| SegmentError::Io { file: self.path.clone(), cause };
        let is_same_boot = boot.is_known() && self.identity.boot == boot;
        if is_same_boot && words.state() == Some(State::Open) {
            if words.is_almost_sealed(&self.seed) {
                return Ok((Counts::Sealed(words), Page::Believed));
            }
            let view = LiveView::new(&self.file).map_err(io)?;
            if is_possible(&view, self.identity.segment_bytes) {
                return Ok((Counts::Live(view), Page::Believed));
            }
        } else if words.state() != Some(State::Open) {
            // It may be being sealed under our eyes: the second look sees all of it.
            words = disk::read_live(&self.file).map_err(io)?;
        }
        let is_sealed = words.is_sealed(&self.seed);
        if words.is_synced(&self.seed) || (is_same_boot && is_sealed) {
            return Ok((Counts::Sealed(words), Page::Believed));
        }
        let page = match words.state() {
            _ if is_sealed => Page::Unflushed,
            Some(State::Open) if !boot.is_known() || !self.identity.boot.is_known() => {
                Page::Unknown
            }
            Some(State::Open) if !is_same_boot => Page::Unflushed,
            _ => Page::Damaged,
        };
        let found = scan(self, Extent::Everything, &words);
        let page = if found.is_counted_known { page } else { Page::Damaged };
        Ok((Counts::Found(Arc::new(found)), page))
    }

    /// What was worked out of it, if its counts could not be believed.
    pub(super) fn known(&self) -> Option<Known> {
        match &self.counts {
            Counts::Found(found) => Some(Known { found: found.clone(), page: self.page }),
            _ => None,
        }
    }

    /// What is wrong with its counts. It can be read all the same.
    pub fn fault(&self) -> Option<SegmentError> {
        self.known()?.fault(&self.path)
    }

    /// Whether its worker has committed since it was opened, unseen: it must be opened again to see
    /// more. Costs a read where the boot has no name, else nothing.
    pub(super) fn is_outdated(&self) -> bool {
        let is_same = || disk::read_live(&self.file).is_ok_and(|words| words == self.words);
        self.page == Page::Unknown && !is_same()
    }

    /// The identity page.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The segment's number.
    pub fn number(&self) -> u32 {
        self.identity.number
    }

    /// The file's name when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// What recovery worked out, where the live page could not be believed.
    pub(crate) fn found(&self) -> Option<&Found> {
        match &self.counts {
            Counts::Found(found) => Some(found),
            _ => None,
        }
    }

    /// May its worker still commit into it?
    pub fn is_live(&self) -> bool {
        self.page == Page::Unknown
            || (matches!(self.counts, Counts::Live(_)) && self.state() == State::Open)
    }

    /// Slots and messages that readers may read now; never falls. Costs a load.
    pub fn published(&self) -> Published {
        let published = match &self.counts {
            Counts::Live(view) => {
                let word = view.live()[0].load(Relaxed);
                // Partner: the release store in `OpenSegment::publish`, which slots precede.
                fence(Acquire);
                Published::of(u64::from_le(word))
            }
            Counts::Sealed(words) => words.published(),
            Counts::Found(found) => found.words.published(),
        };
        // A damaged page may say anything; there is only so much room.
        let slots = published.slots.min(slot_positions(self.identity.segment_bytes));
        Published { slots, messages: published.messages.min(slots) }
    }

    fn words(&self) -> LiveWords {
        match &self.counts {
            Counts::Live(view) => {
                let live = view.live();
                let state = u64::from_le(live[STATE_WORD].load(Relaxed));
                // Partner: the release store in `seal::write_down`; before it, the totals.
                fence(Acquire);
                let mut words =
                    LiveWords(std::array::from_fn(|i| u64::from_le(live[i].load(Relaxed))));
                words.0[STATE_WORD] = state;
                words
            }
            Counts::Sealed(words) => *words,
            Counts::Found(found) => found.words,
        }
    }

    /// Open, sealed or suspect.
    pub fn state(&self) -> State {
        if self.page == Page::Unknown {
            return State::Open;
        }
        self.words().state().unwrap_or(State::Open)
    }

    /// What sealing wrote down; `None` while it is open.
    pub fn totals(&self) -> Option<Totals> {
        let words = self.words();
        (words.state() != Some(State::Open)).then(|| words.totals())
    }

    /// Slots that hold rejections.
    pub fn rejections(&self) -> u64 {
        self.words().0[REJECTIONS_WORD]
    }

    /// Slots that hold notes.
    pub fn notes(&self) -> u64 {
        self.words().0[NOTES_WORD]
    }

    /// Messages that were accepted and only counted (storage mode `none`).
    pub fn only_counted(&self) -> u64 {
        self.words().0[COUNTED_WORD]
    }

    /// Has a flush covered it, so that it survives a power loss?
    pub fn is_synced(&self) -> bool {
        disk::read_live(&self.file).is_ok_and(|words| words.is_synced(&self.seed))
    }

    /// Reads slot `index`. Costs one read of 64 octets.
    pub fn slot(&self, index: u32) -> Result<Slot, Damage> {
        let id = MessageId { segment: self.number(), slot: index };
        let offset = slot_at(self.identity.segment_bytes, index)
            .filter(|_| index < self.published().slots)
            .ok_or_else(|| Damage::NoSuchSlot { file: self.path.clone(), id })?;
        let mut bytes = [0; SLOT_BYTES as usize];
        self.read(&mut bytes, offset)?;
        self.decode(&bytes, index)
    }

    /// `bytes`: the 64 octets of slot `index`.
    pub(crate) fn decode(&self, bytes: &[u8], index: u32) -> Result<Slot, Damage> {
        let id = MessageId { segment: self.number(), slot: index };
        let is_lost = self.found().is_some_and(|found| found.is_lost(index));
        decode_slot(bytes, &self.seed, id, self.identity.segment_bytes)
            .filter(|_| !is_lost)
            .ok_or_else(|| self.slot_damage(index))
    }

    fn slot_damage(&self, index: u32) -> Damage {
        let id = MessageId { segment: self.number(), slot: index };
        let offset = slot_at(self.identity.segment_bytes, index).unwrap_or(RECORDS_AT);
        Damage::Slot { file: self.path.clone(), offset, id }
    }

    /// The slots of `range` in order, as far as they are published now. Costs one read for each
    /// 1024 of them.
    pub fn slots(&self, range: Range<u32>) -> Slots<'_> {
        let end = range.end.min(self.published().slots);
        Slots { segment: self, next: range.start, end, chunk: Vec::new(), chunk_at: 0..0 }
    }

    /// Reads a record into `buf`, which grows as needed and is overwritten; gives envelope and
    /// payload (wire form) if the checksum holds. Costs one read, and the CRC.
    pub fn record<'a>(
        &self,
        slot: &Slot,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        let envelope = slot.envelope_bytes as usize;
        let bytes = envelope + slot.payload_bytes as usize;
        if buf.len() < bytes {
            buf.resize(bytes, 0);
        }
        let record = &mut buf[..bytes];
        self.read(record, slot.record_offset)?;
        if crc(record) != slot.record_crc {
            return Err(self.record_damage(slot));
        }
        Ok(record.split_at(envelope))
    }

    /// The same for a record of any size, in bounded memory: gives at most `payload_max` octets of
    /// the payload. The rest is read through all the same, for the checksum.
    pub fn record_start<'a>(
        &self,
        slot: &Slot,
        payload_max: usize,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        if slot.payload_bytes as usize <= payload_max {
            return self.record(slot, buf);
        }
        let envelope = slot.envelope_bytes as usize;
        let bytes = envelope + payload_max;
        self.read_through(slot, bytes, buf)?;
        Ok(buf[..bytes].split_at(envelope))
    }

    /// Gives the envelope alone, if the record's checksum holds. It covers the payload, too, which
    /// is read through in constant memory: costs as much as reading the record.
    pub fn envelope<'a>(&self, slot: &Slot, buf: &'a mut Vec<u8>) -> Result<&'a [u8], Damage> {
        let envelope = slot.envelope_bytes as usize;
        // Mostly the whole record in one read.
        let first = (envelope as u64).max(RECORD_BYTES_AT_ONCE);
        let first = first.min(slot.record_end() - slot.record_offset) as usize;
        self.read_through(slot, first, buf)?;
        Ok(&buf[..envelope])
    }

    /// Puts the first `first` octets of a record into `buf`, which grows as needed, and checks all
    /// of it in constant memory.
    fn read_through(&self, slot: &Slot, first: usize, buf: &mut Vec<u8>) -> Result<(), Damage> {
        if buf.len() < first {
            buf.resize(first, 0);
        }
        self.read(&mut buf[..first], slot.record_offset)?;
        let mut crc = Crc::new();
        crc.update(&buf[..first]);
        let mut rest = slot.record_offset + first as u64..slot.record_end();
        let mut chunk = Vec::new();
        while !rest.is_empty() {
            chunk.resize((rest.end - rest.start).min(RECORD_BYTES_AT_ONCE) as usize, 0);
            self.read(&mut chunk, rest.start)?;
            crc.update(&chunk);
            rest.start += chunk.len() as u64;
        }
        if crc.value() != slot.record_crc {
            return Err(self.record_damage(slot));
        }
        Ok(())
    }

    /// Reads a record through and checks it, in constant memory.
    pub fn check_record(&self, slot: &Slot) -> Result<(), Damage> {
        let mut chunk = Vec::new();
        self.check_record_with(slot, &mut chunk)
    }

    pub(crate) fn check_record_with(&self, slot: &Slot, chunk: &mut Vec<u8>) -> Result<(), Damage> {
        let end = slot.record_end();
        let bytes = (end - slot.record_offset).min(RECORD_BYTES_AT_ONCE) as usize;
        if chunk.len() < bytes {
            chunk.resize(bytes, 0);
        }
        let (mut crc, mut at) = (Crc::new(), slot.record_offset);
        while at < end {
            let len = (end - at).min(RECORD_BYTES_AT_ONCE) as usize;
            self.read(&mut chunk[..len], at)?;
            crc.update(&chunk[..len]);
            at += len as u64;
        }
        if crc.value() == slot.record_crc { Ok(()) } else { Err(self.record_damage(slot)) }
    }

    fn record_damage(&self, slot: &Slot) -> Damage {
        Damage::Record { file: self.path.clone(), offset: slot.record_offset, id: slot.id }
    }

    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> Result<(), Damage> {
        let io = |cause| Damage::Io { file: self.path.clone(), offset, cause };
        self.file.read_exact_at(buf, offset).map_err(io)
    }

    /// Valid slots with valid records directly behind those that are published. A writer is about
    /// to publish them; if nobody writes, the count is damaged, or the writer was killed. Costs
    /// reading them, and one slot more.
    pub fn unpublished(&self) -> u32 {
        let published = self.published().slots;
        let behind = (published..u32::MAX).take_while(|slot| is_valid_at(self, *slot));
        behind.count() as u32
    }

    /// Reads everything that is published now and checks every checksum: the damage found, in slot
    /// order. Costs about 0.15 s per GB from the page cache.
    pub fn verify(&self) -> impl Iterator<Item = Damage> + '_ {
        let mut chunk = Vec::new();
        self.slots(0..u32::MAX).filter_map(move |slot| match slot {
            Ok(slot) => self.check_record_with(&slot, &mut chunk).err(),
            Err(damage) => Some(damage),
        })
    }
}

/// Slots of one segment, in order; a damaged one is an `Err` and does not end it.
#[derive(Debug)]
pub struct Slots<'a> {
    segment: &'a Segment,
    next: u32,
    end: u32,
    /// The octets of the slots `chunk_at`, highest first, as they lie in the file.
    chunk: Vec<u8>,
    chunk_at: Range<u32>,
}

impl Slots<'_> {
    fn fill(&mut self) -> Result<(), Damage> {
        let range = self.next..self.end.min(self.next.saturating_add(SLOTS_AT_ONCE));
        let offset = slot_at(self.segment.identity.segment_bytes, range.end - 1)
            .expect("published slots lie inside the file");
        self.chunk.resize(SLOT_BYTES as usize * range.len(), 0);
        self.chunk_at = 0..0;
        self.segment.read(&mut self.chunk, offset)?;
        self.chunk_at = range;
        Ok(())
    }
}

impl Iterator for Slots<'_> {
    type Item = Result<Slot, Damage>;

    fn next(&mut self) -> Option<Result<Slot, Damage>> {
        if self.next >= self.end {
            return None;
        }
        if !self.chunk_at.contains(&self.next)
            && let Err(damage) = self.fill()
        {
            self.next = self.end;
            return Some(Err(damage));
        }
        let at = SLOT_BYTES as usize * (self.chunk_at.end - 1 - self.next) as usize;
        let index = self.next;
        self.next += 1;
        Some(self.segment.decode(&self.chunk[at..at + SLOT_BYTES as usize], index))
    }
}

/// As long as we read, the file is not made another segment's.
fn open_locked(path: &Path) -> Result<File, SegmentError> {
    let file =
        File::open(path).map_err(|cause| SegmentError::Io { file: path.to_owned(), cause })?;
    disk::share(&file);
    Ok(file)
}

/// Whether the counts of an open segment of `segment_bytes` can be true: no checksum covers them,
/// but each slot holds a message, a rejection or a note.
fn is_possible(view: &LiveView, segment_bytes: u64) -> bool {
    let word = |at: usize| u64::from_le(view.live()[at].load(Relaxed));
    let Published { slots, messages } = Published::of(word(0));
    // Partner: the release store in `OpenSegment::publish`; before it, the other counts.
    fence(Acquire);
    let (rejections, notes) = (word(REJECTIONS_WORD), word(NOTES_WORD));
    let positions = u64::from(slot_positions(segment_bytes));
    let is_each_possible = messages <= slots
        && u64::from(slots) <= positions
        && rejections <= positions
        && notes <= positions
        && word(COUNTED_WORD) < COUNTED_MAX;
    is_each_possible && u64::from(slots) <= u64::from(messages) + rejections + notes
}

/// Reads and checks both header pages.
pub(super) fn read_head(file: &File, path: &Path) -> Result<(Identity, LiveWords), SegmentError> {
    let name = || path.to_owned();
    let io = |cause| SegmentError::Io { file: name(), cause };
    let found = file.metadata().map_err(io)?.len();
    let mut head = vec![0; RECORDS_AT as usize];
    let readable = found.min(RECORDS_AT) as usize;
    file.read_exact_at(&mut head[..readable], 0).map_err(io)?;
    let (page, live) = head.split_at(LIVE_AT as usize);
    let identity = match Identity::decode(page) {
        _ if found < PAGE_BYTES && found > 0 && is_ours(page) => {
            return Err(SegmentError::Truncated { file: name(), found, expected: RECORDS_AT });
        }
        Err(NoIdentity::Foreign) => return Err(SegmentError::Foreign { file: name() }),
        Err(NoIdentity::Newer(version)) => {
            return Err(SegmentError::Newer { file: name(), version, newest: FORMAT_VERSION });
        }
        Err(NoIdentity::Damaged { at }) => {
            let problem = "the identity page's checksum does not hold";
            return Err(SegmentError::Damaged { file: name(), offset: at, problem });
        }
        Ok(identity) => identity,
    };
    let bytes = identity.segment_bytes;
    if bytes < SEGMENT_BYTES_MIN || !bytes.is_multiple_of(SLOT_BYTES) {
        let problem = "no segment has this length";
        return Err(SegmentError::Damaged { file: name(), offset: 32, problem });
    }
    if found < bytes {
        return Err(SegmentError::Truncated { file: name(), found, expected: bytes });
    }
    let words = LiveWords::decode(&live[..8 * LIVE_WORDS]);
    let is_spare = path
        .file_name()
        .and_then(|name| layout::segment_number(name.to_str()?))
        .is_some_and(|number| number != identity.number);
    if is_spare {
        return Err(SegmentError::Spare { file: name(), number: identity.number });
    }
    Ok((identity, words))
}

/// Does it begin as a segment does, as far as it goes?
fn is_ours(page: &[u8]) -> bool {
    page.starts_with(&crate::log::format::MAGIC)
}
