//! Finding the messages of a segment by trying every slot position.
//!
//! This is how a segment is read whose live page cannot be believed: it was not flushed before the
//! machine went down, or the page is damaged. *A message is a slot whose own checksum and whose
//! record's checksum hold.* What is invalid between valid ones was lost; ids stay.
use super::file::SegmentFile;
use crate::log::format::{
    COUNTED_MAX, COUNTED_WORD, LiveWords, NOTES_WORD, PUBLISHED_WORD, Published, RECORDS_AT,
    REJECTIONS_WORD, SEAL_CHECK_WORD, SLOT_BYTES, SealedTotals, Seed, Slot, SlotKind, State,
    slot_at, slot_positions,
};

/// Slot positions read at once.
const POSITIONS_AT_ONCE: u32 = 1024;

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every position, and every record.
    Everything,
    /// The published slots; their records are believed.
    Published(u32),
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct ScanResult {
    /// The live page as it should be: counts, totals, sealed.
    pub words: LiveWords,
    /// Slots that are invalid, below the last valid one; ascending.
    pub lost: Vec<u32>,
    /// Whether the number of messages that were only counted could be believed. If not, it is 0.
    pub is_counted_known: bool,
}

impl ScanResult {
    pub(crate) fn is_lost(&self, index: u32) -> bool {
        self.lost.binary_search(&index).is_ok()
    }
}

/// The scan under way.
struct Scan<'a> {
    segment: &'a SegmentFile,
    /// The live page as it is.
    page: LiveWords,
    extent: Extent,
    /// The invalid positions seen since the last valid one; they are lost if one follows.
    gap: Vec<u32>,
    lost: Vec<u32>,
    last: Option<Slot>,
    messages: u32,
    rejections: u64,
    notes: u64,
    record_bytes: u64,
    totals: SealedTotals,
    chunk: Vec<u8>,
}

/// Works out counts and totals; `words` as the live page has them. Never fails: what cannot be
/// read is lost.
pub(crate) fn scan(segment: &SegmentFile, extent: Extent, words: &LiveWords) -> ScanResult {
    let mut scan = Scan {
        segment,
        page: *words,
        extent,
        gap: Vec::new(),
        lost: Vec::new(),
        last: None,
        messages: 0,
        rejections: 0,
        notes: 0,
        record_bytes: 0,
        totals: SealedTotals { records_end: RECORDS_AT, ..SealedTotals::default() },
        chunk: Vec::new(),
    };
    let bytes = segment.bytes();
    let positions = match extent {
        // A flush failed: later slots were answered with 451.
        Extent::Everything if is_suspect(words, segment.seed()) => {
            words.published().slots.min(slot_positions(bytes))
        }
        Extent::Everything => slot_positions(bytes),
        Extent::Published(slots) => slots.min(slot_positions(bytes)),
    };
    let mut from = 0;
    while from < positions && scan.may_hold_slots(from) {
        let to = positions.min(from + POSITIONS_AT_ONCE);
        scan.try_positions(from, to);
        from = to;
    }
    scan.finish()
}

/// Whether the page says that a flush failed, and can be believed.
fn is_suspect(words: &LiveWords, seed: &Seed) -> bool {
    matches!(words.state(), Some(State::Suspect { .. })) && words.is_sealed(seed)
}

/// Whether the count of messages without a slot can be believed, `page` being the live page as it
/// is, and `found` the same with everything else computed from the slots.
fn is_counted_known(page: &LiveWords, found: &LiveWords, seed: &Seed) -> bool {
    match page.state() {
        // No checksum covers the counts of an open segment.
        Some(State::Open) => page.0[COUNTED_WORD] < COUNTED_MAX,
        // The check that sealing wrote holds for the count once the other counts are mended.
        _ => page.is_sealed(seed) || page.0[SEAL_CHECK_WORD] == found.0[SEAL_CHECK_WORD],
    }
}

impl Scan<'_> {
    /// No slot lies below the end of a valid record.
    fn may_hold_slots(&self, index: u32) -> bool {
        let bytes = self.segment.bytes();
        slot_at(bytes, index).is_some_and(|at| at >= self.totals.records_end)
    }

    fn try_positions(&mut self, from: u32, to: u32) {
        let mut slots = Vec::new();
        if self.segment.read_slots(&(from..to), &mut slots).is_err() {
            slots.fill(0);
        }
        for index in from..to {
            let at = SLOT_BYTES as usize * (to - 1 - index) as usize;
            self.try_slot(index, &slots[at..at + SLOT_BYTES as usize]);
        }
    }

    fn try_slot(&mut self, index: u32, slot: &[u8]) {
        let valid = self.segment.decode(slot, index).filter(|slot| {
            self.extent != Extent::Everything
                || self.segment.check_record(slot, &mut self.chunk).is_ok()
        });
        match valid {
            Some(slot) => self.take(slot),
            None => self.gap.push(index),
        }
    }

    fn take(&mut self, slot: Slot) {
        self.lost.append(&mut self.gap);
        if self.last.is_none() {
            self.totals.first_received_at_ns = slot.facts().received_at_ns;
        }
        self.totals.last_received_at_ns = slot.facts().received_at_ns;
        self.totals.records_end = self.totals.records_end.max(slot.record_end());
        self.record_bytes += slot.record_end() - slot.record_offset();
        match slot.facts().kind {
            _ if slot.is_unknown() => {}
            SlotKind::Message => {
                self.messages += 1;
                self.totals.message_bytes += u64::from(slot.facts().message_bytes);
            }
            SlotKind::Rejection => self.rejections += 1,
            SlotKind::Note => self.notes += 1,
        }
        self.last = Some(slot);
    }

    fn finish(mut self) -> ScanResult {
        let mut words = self.page;
        if let Extent::Published(_) = self.extent {
            // The slots of the gap were published: clients know their ids, whatever follows.
            self.lost.append(&mut self.gap);
        }
        let slots = self.last.map_or(0, |slot| slot.id().slot + 1);
        let slots = slots.max(self.lost.last().map_or(0, |index| index + 1));
        let told = self.last.map_or(0, |s| s.messages_before() + u32::from(s.is_message()));
        let messages = told.clamp(self.messages, slots);
        self.totals.lost_slots = self.lost.len() as u32;
        self.totals.lost_messages = messages - self.messages;
        self.totals.hole_bytes =
            (self.totals.records_end - RECORDS_AT).saturating_sub(self.record_bytes);
        words.0[PUBLISHED_WORD] = Published { slots, messages }.word();
        words.0[REJECTIONS_WORD] = self.rejections;
        words.0[NOTES_WORD] = self.notes;
        let (page, seed) = (self.page, self.segment.seed());
        words.seal(seed, &self.totals, State::Sealed);
        let is_counted_known = is_counted_known(&page, &words, seed);
        if !is_counted_known {
            words.0[COUNTED_WORD] = 0;
            words.seal(seed, &self.totals, State::Sealed);
        }
        ScanResult { words, lost: self.lost, is_counted_known }
    }
}
