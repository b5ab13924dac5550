//! Finds the messages of a segment by trying every slot position.
//!
//! Used for a segment whose live page can't be trusted, because it was not flushed before a power
//! loss or is damaged. *A message is a slot whose own checksum and whose record's checksum are
//! right.* Invalid positions between valid slots count as lost slots, so the IDs of the others
//! don't change.
use std::io;
use std::sync::Arc;

use super::Damage;
use super::file::SegmentFile;
use crate::log::format::{
    COUNTED_MAX, COUNTED_WORD, LiveWords, NOTES_WORD, PUBLISHED_WORD, Published, RECORDS_AT,
    REJECTIONS_WORD, SEAL_CHECK_WORD, SLOT_BYTES, SealedTotals, Seed, Slot, SlotKind, State,
    slot_at, slot_positions,
};

/// Number of slot positions read at once.
const POSITIONS_AT_ONCE: u32 = 1024;

/// Which slots to scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every position, and every record.
    Everything,
    /// The published slots. Their records are not checked.
    Published(u32),
}

/// The result of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanResult {
    /// What the live page should contain according to the scan: counts, totals, state `sealed`.
    pub words: LiveWords,
    /// Invalid slots below the last valid one, ascending. With `Extent::Published`, also those
    /// after it.
    pub lost: Vec<u32>,
    /// Whether the count of messages that were only counted could be trusted. If not, it is 0.
    pub is_counted_known: bool,
    /// The first error of the system while the segment was read. What could not be read counts as
    /// lost here, but may be mail: nothing may be deleted or overwritten because of this result.
    pub unread: Option<Arc<io::Error>>,
}

impl ScanResult {
    pub(crate) fn is_lost(&self, index: u32) -> bool {
        self.lost.binary_search(&index).is_ok()
    }
}

/// A scan in progress.
struct Scan<'a> {
    segment: &'a SegmentFile,
    /// The live page as stored.
    page: LiveWords,
    extent: Extent,
    /// Invalid positions since the last valid one. They are lost if another valid one follows.
    gap: Vec<u32>,
    lost: Vec<u32>,
    last: Option<Slot>,
    messages: u32,
    rejections: u64,
    notes: u64,
    record_bytes: u64,
    totals: SealedTotals,
    chunk: Vec<u8>,
    unread: Option<Arc<io::Error>>,
}

/// Computes counts and totals. `words` is the live page as stored. Never fails: if the system can't
/// read something, [`ScanResult::unread`] says so.
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
        unread: None,
    };
    let bytes = segment.bytes();
    let positions = match extent {
        // A flush failed: messages in later slots were answered with 451.
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

/// Returns whether the page records a failed flush, and its checksum is right.
fn is_suspect(words: &LiveWords, seed: &Seed) -> bool {
    matches!(words.state(), Some(State::Suspect { .. })) && words.is_sealed(seed)
}

/// Returns whether the count of messages without a slot can be trusted. `page` is the live page as
/// stored, and `found` the same page with all other values computed from the slots.
fn is_counted_known(page: &LiveWords, found: &LiveWords, seed: &Seed) -> bool {
    match page.state() {
        // No checksum covers the counts of an open segment.
        Some(State::Open) => page.0[COUNTED_WORD] < COUNTED_MAX,
        // The checksum written at sealing proves the count once the other counts are corrected.
        _ => page.is_sealed(seed) || page.0[SEAL_CHECK_WORD] == found.0[SEAL_CHECK_WORD],
    }
}

impl Scan<'_> {
    /// Returns whether the position is above the end of all valid records found so far, and so can
    /// be a slot.
    fn may_hold_slots(&self, index: u32) -> bool {
        let bytes = self.segment.bytes();
        slot_at(bytes, index).is_some_and(|at| at >= self.totals.records_end)
    }

    fn try_positions(&mut self, from: u32, to: u32) {
        let mut slots = Vec::new();
        if let Err(damage) = self.segment.read_slots(&(from..to), &mut slots) {
            self.note(damage);
            slots.fill(0);
        }
        for index in from..to {
            let at = SLOT_BYTES as usize * (to - 1 - index) as usize;
            self.try_slot(index, &slots[at..at + SLOT_BYTES as usize]);
        }
    }

    fn try_slot(&mut self, index: u32, slot: &[u8]) {
        let valid = self.segment.decode(slot, index).filter(|slot| self.has_record(slot));
        match valid {
            Some(slot) => self.take(slot),
            None => self.gap.push(index),
        }
    }

    /// Returns whether the record of a slot is right, if the extent includes records.
    fn has_record(&mut self, slot: &Slot) -> bool {
        if self.extent != Extent::Everything {
            return true;
        }
        let checked = self.segment.check_record(slot, &mut self.chunk);
        checked.map_err(|damage| self.note(damage)).is_ok()
    }

    /// Keeps the first error of the system.
    fn note(&mut self, damage: Damage) {
        if let Damage::Io { cause, .. } = damage {
            self.unread.get_or_insert_with(|| Arc::new(cause));
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
            // The slots of the gap were published: clients know their IDs, whatever follows.
            self.lost.append(&mut self.gap);
        }
        let slots = self.last.map_or(0, |slot| slot.id().slot + 1);
        let slots = slots.max(self.lost.last().map_or(0, |index| index + 1));
        let counted = self.last.map_or(0, |s| s.messages_before() + u32::from(s.is_message()));
        let messages = counted.clamp(self.messages, slots);
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
        ScanResult { words, lost: self.lost, is_counted_known, unread: self.unread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::files::layout;
    use crate::log::{Log, LogSettings};

    #[test]
    fn what_the_system_cannot_read_is_not_said_to_be_lost_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(folder.path(), LogSettings::default()).unwrap();
        let mut writer = log.writer(Box::new(|| ())).unwrap();
        let _ = writer.count_only();
        writer.close();
        log.close();
        let path = layout::segment_path(folder.path(), 1);
        let (segment, words) = SegmentFile::open(&path).unwrap();
        assert!(scan(&segment, Extent::Everything, &words).unread.is_none());
        // A handle that only writes: every read fails.
        let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let segment = segment.with_handle(handle);
        for extent in [Extent::Everything, Extent::Published(1)] {
            assert!(scan(&segment, extent, &words).unread.is_some(), "{extent:?}");
        }
        assert!(segment.is_valid_at(0).is_err());
    }
}
