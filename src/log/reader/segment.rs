//! Reads one segment file.
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::fence;

use super::file::SegmentFile;
use super::scan::{Extent, ScanResult, scan};
use super::{Damage, SegmentError};
use crate::log::files::boot::current_boot;
use crate::log::files::disk;
use crate::log::files::map::LiveView;
use crate::log::format::{
    BootId, COUNTED_MAX, COUNTED_WORD, LiveWords, NOTES_WORD, PUBLISHED_WORD, Published,
    REJECTIONS_WORD, SLOT_BYTES, STATE_WORD, SealedTotals, Seed, SegmentIdentity, Slot, State,
    slot_positions,
};

/// Number of slots that [`Slots`] reads at once: 64 KiB.
const SLOTS_AT_ONCE: u32 = 1024;
/// A segment file that is open for reading. It stays readable after the file is unlinked.
#[derive(Debug)]
pub struct Segment {
    file: SegmentFile,
    counts: CountsFrom,
    trust: LiveTrust,
    /// The live page at the time of opening.
    words: LiveWords,
}

/// Where a segment's counts come from.
#[derive(Debug)]
enum CountsFrom {
    /// The mapped live page, because the worker may still commit.
    Live(LiveView),
    /// The segment was sealed, and its totals are consistent.
    Sealed(LiveWords),
    /// A scan of every slot position, because the counts could not be trusted.
    Found(Arc<ScanResult>),
}

/// Whether a segment's counts can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiveTrust {
    /// Yes: the counts are from this boot, or were flushed and match their checksum.
    Believed,
    /// No: the machine went down before they were flushed.
    Unflushed,
    /// Unknown: the segment is open, but the boot has no ID. A writer may be active, or may have
    /// been active in another boot.
    Unknown,
    /// No: the counts are impossible, or a checksum is wrong.
    Damaged,
}

/// The result of scanning a segment, for opening it again without another scan.
#[derive(Debug, Clone)]
pub(super) struct KnownScan {
    found: Arc<ScanResult>,
    trust: LiveTrust,
}

impl KnownScan {
    /// Returns the error about the counts of the segment in `file`, if they are damaged.
    pub(super) fn fault(&self, file: &Path) -> Option<SegmentError> {
        let (file, is_counted_known) = (file.to_owned(), self.found.is_counted_known);
        (self.trust == LiveTrust::Damaged)
            .then_some(SegmentError::Counts { file, is_counted_known })
    }
}

impl Segment {
    /// Opens the file of a segment. Costs one read of 8 KiB. A segment that was not flushed before
    /// the machine last went down is read completely.
    pub fn open(path: &Path) -> Result<Segment, SegmentError> {
        Segment::open_in(path, current_boot())
    }

    /// Opens a segment as if the machine's boot were `boot`.
    pub(crate) fn open_in(path: &Path, boot: BootId) -> Result<Segment, SegmentError> {
        let (file, words) = SegmentFile::open(path)?;
        Segment::new(file, words, boot)
    }

    /// Opens `file` as if its name were `path`.
    #[cfg(feature = "testkit")]
    pub(crate) fn from_file(
        file: std::fs::File,
        path: &Path,
        boot: BootId,
    ) -> Result<Segment, SegmentError> {
        let (file, words) = SegmentFile::from_file(file, path)?;
        Segment::new(file, words, boot)
    }

    /// Opens a segment again, with the result of [`Segment::known`]. Costs one read of 8 KiB.
    pub(super) fn open_known(path: &Path, known: KnownScan) -> Result<Segment, SegmentError> {
        let (file, words) = SegmentFile::open(path)?;
        let counts = CountsFrom::Found(known.found);
        Ok(Segment { file, counts, trust: known.trust, words })
    }

    /// Decides where the counts come from, which can cost a scan of the file.
    fn new(file: SegmentFile, words: LiveWords, boot: BootId) -> Result<Segment, SegmentError> {
        let (counts, trust) = judge(&file, words, boot)?;
        Ok(Segment { file, counts, trust, words })
    }

    /// Returns the result of the scan, if the counts could not be trusted.
    pub(super) fn known(&self) -> Option<KnownScan> {
        match &self.counts {
            CountsFrom::Found(found) => Some(KnownScan { found: found.clone(), trust: self.trust }),
            _ => None,
        }
    }

    /// Returns an error if the counts are damaged. The segment can be read nevertheless.
    pub fn fault(&self) -> Option<SegmentError> {
        self.known()?.fault(self.path())
    }

    /// Returns whether the segment must be opened again to see what its worker has committed since
    /// it was opened. Costs a read if the boot has no ID, else nothing.
    pub(super) fn is_outdated(&self) -> bool {
        let is_same = || disk::read_live(self.file.file()).is_ok_and(|words| words == self.words);
        self.trust == LiveTrust::Unknown && !is_same()
    }

    /// Returns the identity page.
    pub fn identity(&self) -> &SegmentIdentity {
        self.file.identity()
    }

    /// Returns the segment's number.
    pub fn number(&self) -> u32 {
        self.file.number()
    }

    /// Returns the file's path at the time of opening.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the segment's file, for reading regardless of its counts.
    pub(crate) fn file(&self) -> &SegmentFile {
        &self.file
    }

    pub(crate) fn seed(&self) -> &Seed {
        self.file.seed()
    }

    /// Returns the result of the scan, if the live page could not be trusted.
    pub(crate) fn found(&self) -> Option<&ScanResult> {
        match &self.counts {
            CountsFrom::Found(found) => Some(found),
            _ => None,
        }
    }

    /// Returns whether its worker may still commit into the segment.
    pub fn is_live(&self) -> bool {
        self.trust == LiveTrust::Unknown
            || (matches!(self.counts, CountsFrom::Live(_)) && self.state() == State::Open)
    }

    /// Returns the number of slots and messages that readers may read now. Never decreases. Costs a
    /// load.
    pub fn published(&self) -> Published {
        let published = match &self.counts {
            CountsFrom::Live(view) => {
                let word = view.load(PUBLISHED_WORD);
                // Partner: the release store in `OpenSegment::publish`, which follows the stores of
                // the slots.
                fence(Acquire);
                Published::from_word(word)
            }
            CountsFrom::Sealed(words) => words.published(),
            CountsFrom::Found(found) => found.words.published(),
        };
        // A damaged page may hold any number; this is how many slots fit in the file.
        let slots = published.slots.min(slot_positions(self.file.bytes()));
        Published { slots, messages: published.messages.min(slots) }
    }

    fn words(&self) -> LiveWords {
        match &self.counts {
            CountsFrom::Live(view) => {
                let state = view.load(STATE_WORD);
                // Partner: the release store in `seal::seal_live_page`, which follows the stores of
                // the totals.
                fence(Acquire);
                let mut words = LiveWords(std::array::from_fn(|word| view.load(word)));
                words.0[STATE_WORD] = state;
                words
            }
            CountsFrom::Sealed(words) => *words,
            CountsFrom::Found(found) => found.words,
        }
    }

    /// Returns the state: open, sealed or suspect.
    pub fn state(&self) -> State {
        if self.trust == LiveTrust::Unknown {
            return State::Open;
        }
        self.words().state().unwrap_or(State::Open)
    }

    /// Returns the totals written at sealing; `None` while it is open.
    pub fn totals(&self) -> Option<SealedTotals> {
        let words = self.words();
        (words.state() != Some(State::Open)).then(|| words.totals())
    }

    /// Returns the number of slots with rejections.
    pub fn rejections(&self) -> u64 {
        self.words().0[REJECTIONS_WORD]
    }

    /// Returns the number of slots with notes.
    pub fn notes(&self) -> u64 {
        self.words().0[NOTES_WORD]
    }

    /// Returns the number of messages that were only counted (storage mode `none`).
    pub fn only_counted(&self) -> u64 {
        self.words().0[COUNTED_WORD]
    }

    /// Returns whether a flush has covered the segment, so that it survives a power loss.
    pub fn is_synced(&self) -> bool {
        disk::read_live(self.file.file()).is_ok_and(|words| words.is_synced(self.seed()))
    }

    /// Reads slot `index`. Costs one read of 64 octets.
    pub fn slot(&self, index: u32) -> Result<Slot, Damage> {
        if index >= self.published().slots {
            return Err(self.file.no_such_slot(index));
        }
        self.decode(&self.file.slot_octets(index)?, index)
    }

    /// Decodes the 64 octets of slot `index`, which is published.
    fn decode(&self, octets: &[u8], index: u32) -> Result<Slot, Damage> {
        let is_lost = self.found().is_some_and(|found| found.is_lost(index));
        let slot = self.file.decode(octets, index).filter(|_| !is_lost);
        slot.ok_or_else(|| self.file.slot_damage(index))
    }

    /// Returns the slots of `range` in order, as far as they are published now. Costs one read per
    /// 1024 slots.
    pub fn slots(&self, range: Range<u32>) -> Slots<'_> {
        let end = range.end.min(self.published().slots);
        Slots { segment: self, next: range.start, end, chunk: Vec::new(), chunk_at: 0..0 }
    }

    /// Reads a record into `buf`, which is overwritten and grows as needed. Returns envelope and
    /// payload (wire form) if the checksum is right. Costs one read, and the CRC.
    pub fn record<'a>(
        &self,
        slot: &Slot,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        self.file.record(slot, buf)
    }

    /// Reads a record of any size in bounded memory: returns at most `payload_max` octets of the
    /// payload. The rest is read too, for the checksum.
    pub fn record_start<'a>(
        &self,
        slot: &Slot,
        payload_max: usize,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        self.file.record_start(slot, payload_max, buf)
    }

    /// Returns the envelope, if the record's checksum is right. The checksum also covers the
    /// payload, which is read in constant memory, so this costs as much as reading the record.
    pub fn envelope<'a>(&self, slot: &Slot, buf: &'a mut Vec<u8>) -> Result<&'a [u8], Damage> {
        self.file.envelope(slot, buf)
    }

    /// Checks a whole record in constant memory.
    pub fn check_record(&self, slot: &Slot) -> Result<(), Damage> {
        self.file.check_record(slot, &mut Vec::new())
    }

    /// Returns the number of valid slots with valid records directly after the published ones.
    /// Either a writer is about to publish them, or the count is damaged, or the writer was killed.
    /// Reads these slots, and one more.
    pub fn unpublished(&self) -> u32 {
        let published = self.published().slots;
        let valid =
            (published..u32::MAX).take_while(|slot| self.file.is_valid_at(*slot).unwrap_or(false));
        valid.count() as u32
    }

    /// Reads everything published now and checks every checksum. Returns the damage in slot order.
    /// Costs about 0.15 s per GB from the page cache.
    pub fn verify(&self) -> impl Iterator<Item = Damage> + '_ {
        let mut chunk = Vec::new();
        self.slots(0..u32::MAX).filter_map(move |slot| match slot {
            Ok(slot) => self.file.check_record(&slot, &mut chunk).err(),
            Err(damage) => Some(damage),
        })
    }
}

/// An iterator over the slots of one segment. A damaged slot is an `Err`, and does not end the
/// iteration; a failed read does.
#[derive(Debug)]
pub struct Slots<'a> {
    segment: &'a Segment,
    next: u32,
    end: u32,
    /// The octets of the slots `chunk_at`. As in the file, the highest slot comes first.
    chunk: Vec<u8>,
    chunk_at: Range<u32>,
}

impl Slots<'_> {
    fn fill(&mut self) -> Result<(), Damage> {
        let range = self.next..self.end.min(self.next.saturating_add(SLOTS_AT_ONCE));
        self.chunk_at = 0..0;
        self.segment.file.read_slots(&range, &mut self.chunk)?;
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

/// Decides whether to trust the live page.
fn judge(
    file: &SegmentFile,
    mut words: LiveWords,
    boot: BootId,
) -> Result<(CountsFrom, LiveTrust), SegmentError> {
    let io = |cause| SegmentError::Io { file: file.path().to_owned(), cause };
    let is_same_boot = boot.is_known() && file.identity().boot == boot;
    if is_same_boot && words.state() == Some(State::Open) {
        if words.is_almost_sealed(file.seed()) {
            return Ok((CountsFrom::Sealed(words), LiveTrust::Believed));
        }
        let view = LiveView::new(file.file()).map_err(io)?;
        if is_possible(&view, file.bytes()) {
            return Ok((CountsFrom::Live(view), LiveTrust::Believed));
        }
    } else if words.state() != Some(State::Open) {
        // Another process may be sealing the segment at this moment; a second read then sees the
        // complete result.
        words = disk::read_live(file.file()).map_err(io)?;
    }
    let is_sealed = words.is_sealed(file.seed());
    if words.is_synced(file.seed()) || (is_same_boot && is_sealed) {
        return Ok((CountsFrom::Sealed(words), LiveTrust::Believed));
    }
    let trust = match words.state() {
        _ if is_sealed => LiveTrust::Unflushed,
        Some(State::Open) if !boot.is_known() || !file.identity().boot.is_known() => {
            LiveTrust::Unknown
        }
        Some(State::Open) if !is_same_boot => LiveTrust::Unflushed,
        _ => LiveTrust::Damaged,
    };
    let found = scan(file, Extent::Everything, &words);
    let trust = if found.is_counted_known { trust } else { LiveTrust::Damaged };
    Ok((CountsFrom::Found(Arc::new(found)), trust))
}

/// Returns whether the counts of an open segment of `segment_bytes` are possible. No checksum
/// covers them, but each slot must hold a message, a rejection or a note.
fn is_possible(view: &LiveView, segment_bytes: u64) -> bool {
    let word = |at: usize| view.load(at);
    let Published { slots, messages } = Published::from_word(word(PUBLISHED_WORD));
    // Partner: the release store in `OpenSegment::publish`, which follows the stores of the other
    // counts.
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
