//! A shared segment while its worker may commit into it: the tail, the slots, the holes.
//!
//! Per committed message: the record's own cache lines, one for the slot, one for the published
//! word, one for the fronts. No system call, no allocation, no lock.
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use super::publishing::{FlushOutcome, FlushReport, Publishing, SegmentCounts};
use crate::log::exchange::{Flushed, Fronts, PreparedSegment, RetiredSegment, Window};
use crate::log::files::flush_call::FlushCall;
use crate::log::files::map::WriteAccess;
use crate::log::files::usable::Usable;
use crate::log::format::id::MessageId;
use crate::log::format::{
    COUNTED_WORD, Hole, NOTES_WORD, PUBLISHED_WORD, RECORD_ALIGN, RECORDS_AT, REJECTIONS_WORD,
    Record, SLOT_BYTES, SealedTotals, Seed, SegmentIdentity, SlotFacts, State, encode_slot,
};

/// Minimum size of a hole that is punched out when its segment is sealed. Smaller ones are only
/// counted, because punching one costs a system call, and frees at most 15 pages.
pub(crate) const PUNCHED_HOLE_BYTES_MIN: u64 = 64 << 10;

/// Proof that [`OpenSegment::fit`] found room at the tail. It holds until the tail moves.
#[must_use]
#[derive(Debug)]
pub(crate) struct Room {
    /// The number of the segment.
    segment: u32,
    bytes: u64,
}

impl Room {
    /// Returns how many octets there is room for.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Whether a segment has room for a record.
#[derive(Debug)]
pub(crate) enum Fit {
    Yes(Room),
    /// It has room in the file, but not yet in the populated part.
    NotYet,
    /// It has no room for a record of this size.
    Never,
}

/// Fronts beyond which less than half of the window is left.
#[derive(Debug, Clone, Copy)]
struct LowMarks {
    /// The window is low if the records end above this.
    end: u64,
    /// The window is low if the lowest slot is below this.
    slots: u64,
}

/// A shared segment, open.
///
/// Invariants: `RECORDS_AT <= end <= slots_at - SLOT_BYTES * promised`. The space of each
/// reservation is below `end` and below `usable.front`, and the slot promised to it is above
/// `usable.back`.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    identity: SegmentIdentity,
    pub number: u32,
    bytes: u64,
    pub access: WriteAccess,
    pub window: Arc<Window>,
    seed: Seed,
    /// Offset of the first octet that belongs to no record or reservation.
    end: u64,
    /// Offset of the lowest slot written; decreases by `SLOT_BYTES` per commit.
    slots_at: u64,
    /// Number of reservations that are neither committed nor released. Each has a slot promised to
    /// it.
    promised: u32,
    /// What was usable when last loaded; nothing once a flush has failed.
    usable: Usable,
    /// Where the window is low; `None` once the whole segment is usable.
    low: Option<LowMarks>,
    /// Counts of everything written.
    written: SegmentCounts,
    publishing: Publishing,
    /// A flush failed: the segment accepts no more records, and the slots from this one on are in
    /// doubt.
    suspect_from: Option<u32>,
    /// Number of messages that were accepted without a slot.
    counted: u64,
    /// Holes of at least `PUNCHED_HOLE_BYTES_MIN`. There are fewer than `bytes /
    /// PUNCHED_HOLE_BYTES_MIN`.
    holes: Vec<Hole>,
}

impl OpenSegment {
    pub(crate) fn new(parts: PreparedSegment) -> OpenSegment {
        let PreparedSegment { identity, access, window, publish_after, holes } = parts;
        let (number, bytes, seed) = (identity.number, identity.segment_bytes, identity.seed());
        let mut segment = OpenSegment {
            identity,
            number,
            bytes,
            access,
            window,
            seed,
            end: RECORDS_AT,
            slots_at: bytes,
            promised: 0,
            usable: Usable::nothing_of(bytes),
            low: None,
            written: SegmentCounts::default(),
            publishing: Publishing::new(publish_after),
            suspect_from: None,
            counted: 0,
            holes,
        };
        segment.publish_fronts();
        segment.load_marks();
        segment
    }

    /// Returns the offset at which a record at the tail would start.
    #[inline]
    pub(crate) fn start(&self) -> u64 {
        self.end.next_multiple_of(RECORD_ALIGN)
    }

    /// Returns whether the tail has room for a record of `bytes`, and for its slot.
    #[inline]
    pub(crate) fn fit(&mut self, bytes: u64) -> Fit {
        let end = self.start() + bytes;
        let Some(slots) = self.slots_at.checked_sub(SLOT_BYTES * (u64::from(self.promised) + 1))
        else {
            return Fit::Never;
        };
        if end > slots {
            return Fit::Never;
        }
        if self.is_usable(end, slots) {
            return Fit::Yes(Room { segment: self.number, bytes });
        }
        if self.suspect_from.is_some() {
            return Fit::Never;
        }
        self.load_marks();
        if self.is_usable(end, slots) {
            Fit::Yes(Room { segment: self.number, bytes })
        } else {
            Fit::NotYet
        }
    }

    /// Returns whether records up to `end` and slots from `slots` on were usable when last loaded.
    #[inline]
    fn is_usable(&self, end: u64, slots: u64) -> bool {
        end <= self.usable.front && slots >= self.usable.back
    }

    /// Loads the marks that provisioning has published.
    fn load_marks(&mut self) {
        if self.suspect_from.is_some() {
            return;
        }
        self.usable = self.access.usable();
        let Usable { front, back } = self.usable;
        let ahead = &self.window.ahead;
        let half = ahead.window_bytes.load(Relaxed) / 2;
        let slots_half = ahead.slots_window_bytes.load(Relaxed) / 2;
        self.low = (front < self.bytes).then_some(LowMarks {
            end: front.saturating_sub(half),
            slots: back.saturating_add(slots_half),
        });
    }

    /// Publishes how far the worker wants to write. Called before it waits.
    pub(crate) fn demand(&self, bytes: u64) {
        self.window.fronts.demand.store(self.start() + bytes, Relaxed);
    }

    /// Returns whether less than half of the window is left, so that provisioning should move it.
    #[inline]
    pub(crate) fn window_is_low(&mut self) -> bool {
        if !self.is_beyond_half() {
            return false;
        }
        self.load_marks();
        self.is_beyond_half()
    }

    fn is_beyond_half(&self) -> bool {
        self.low.is_some_and(|low| self.end > low.end || self.slots_front() < low.slots)
    }

    fn slots_front(&self) -> u64 {
        self.slots_at - SLOT_BYTES * u64::from(self.promised)
    }

    #[inline]
    fn publish_fronts(&self) {
        // Loaded by provisioning; a stale value only makes it check once more.
        let Fronts { end, slots, .. } = &self.window.fronts;
        end.store(self.end, Relaxed);
        slots.store(self.slots_front(), Relaxed);
    }

    /// Reserves all of `room` at the tail, and promises a slot. Returns its offset.
    pub(crate) fn hold(&mut self, room: Room) -> u64 {
        assert!(room.segment == self.number, "the room is in this segment");
        let start = self.start();
        self.end = start + room.bytes;
        self.promised += 1;
        assert!(self.end <= self.slots_front(), "there was room for these octets");
        self.publish_fronts();
        start
    }

    /// Returns whether a reservation is open here, which keeps the segment from being sealed.
    pub(crate) fn has_reservations(&self) -> bool {
        self.promised > 0
    }

    /// Returns whether the region that ends at `end` is the last one, which can be extended or
    /// shrunk.
    pub(crate) fn is_last(&self, end: u64) -> bool {
        self.end == end
    }

    /// Extends the last region by `bytes` if there is room, and returns whether there was.
    pub(crate) fn extend_last(&mut self, bytes: u64) -> bool {
        let end = self.end + bytes;
        if end > self.usable.front {
            self.load_marks();
        }
        if end > self.slots_front() || end > self.usable.front {
            return false;
        }
        self.end = end;
        self.publish_fronts();
        true
    }

    /// Ends a reservation: the octets from `keep_to` to `end` belong to no record.
    fn free_reserved(&mut self, keep_to: u64, end: u64) {
        if self.end != end {
            if end - keep_to >= PUNCHED_HOLE_BYTES_MIN {
                self.holes.push(Hole { start: keep_to, end });
            }
            return;
        }
        self.end = keep_to;
        while let Some(i) = self.holes.iter().position(|hole| hole.end == self.end) {
            self.end = self.holes.swap_remove(i).start;
        }
    }

    /// Releases the region `start..end` and the slot promised to it.
    pub(crate) fn release(&mut self, start: u64, end: u64) {
        self.free_reserved(start, end);
        self.revoke_promise();
        self.publish_fronts();
    }

    /// Takes back the promise of a slot.
    fn revoke_promise(&mut self) {
        assert!(self.promised > 0, "a reservation is released once");
        self.promised -= 1;
    }

    /// Commits a record at the tail, which takes no more than `room`. When this returns, readers
    /// see it, unless it must wait for a flush.
    #[inline]
    pub(crate) fn commit_tail(
        &mut self,
        room: Room,
        record: Record,
        facts: &SlotFacts,
    ) -> MessageId {
        debug_assert!(room.segment == self.number, "the room is in this segment");
        debug_assert!(record.offset == self.start(), "the record lies at the tail");
        debug_assert!(record.end() - record.offset <= room.bytes, "there is room for the record");
        self.end = record.end();
        self.commit(record, facts)
    }

    /// Commits a record in the region `record.offset..end`, and releases the rest of the region.
    pub(crate) fn commit_region(
        &mut self,
        record: Record,
        end: u64,
        facts: &SlotFacts,
    ) -> MessageId {
        assert!(record.end() <= end, "the record lies inside its region");
        self.free_reserved(record.end(), end);
        self.revoke_promise();
        self.commit(record, facts)
    }

    #[inline]
    fn commit(&mut self, record: Record, facts: &SlotFacts) -> MessageId {
        let before = self.written.published();
        // Times never decrease within a segment: listings rely on that for their binary search.
        let mut facts = *facts;
        facts.received_at_ns = facts.received_at_ns.max(self.written.last_received_at_ns);
        self.slots_at -= SLOT_BYTES;
        assert!(self.slots_at >= self.end, "the slot was promised");
        let slot = self.access.write(self.slots_at, SLOT_BYTES as usize);
        encode_slot(slot, &self.seed, before, &record, &facts);
        self.written.count(&facts, &record);
        if self.publishing.is_at_commit() {
            self.publish(self.written);
        }
        self.publish_fronts();
        MessageId { segment: self.number, slot: before.slots }
    }

    /// Publishes the slots in `counts` to readers.
    #[inline]
    fn publish(&self, counts: SegmentCounts) {
        let live = self.access.live();
        live[REJECTIONS_WORD].store(counts.rejections.to_le(), Relaxed);
        live[NOTES_WORD].store(counts.notes.to_le(), Relaxed);
        // Publishes the record, its slot and the counts.
        // Partner: the acquire fence in `Segment::published`, in any process.
        live[PUBLISHED_WORD].store(counts.published().word().to_le(), Release);
    }

    /// Counts a message that is not stored. When this returns, readers see the count.
    #[inline]
    pub(crate) fn count_only(&mut self) {
        self.counted += 1;
        // Relaxed: the count publishes no other data.
        self.access.live()[COUNTED_WORD].store(self.counted.to_le(), Relaxed);
    }

    /// Hands the segment over to be sealed. No reservation or commit may be open in it.
    pub(crate) fn retire(mut self) -> RetiredSegment {
        assert!(self.is_done(), "a segment is left when nothing is open in it");
        self.holes.push(Hole { start: self.end, end: self.slots_at });
        self.wipe_unpublished();
        let counts = self.publishing.visible(&self.written);
        let totals = SealedTotals {
            records_end: self.end,
            first_received_at_ns: counts.first_received_at_ns,
            last_received_at_ns: counts.last_received_at_ns,
            message_bytes: counts.message_bytes,
            hole_bytes: self.end - RECORDS_AT - counts.record_bytes,
            lost_slots: 0,
            lost_messages: 0,
        };
        RetiredSegment {
            identity: self.identity,
            access: self.access,
            totals,
            slots: counts.slots,
            state: self.suspect_from.map_or(State::Sealed, |from| State::Suspect { from }),
            counted: self.counted,
            holes: self.holes,
        }
    }

    /// Returns whether every reservation has ended, every commit's outcome has been delivered, and
    /// every slot is visible or in doubt.
    pub(crate) fn is_done(&self) -> bool {
        let has_unflushed = self.publishing.is_behind(&self.written) && self.suspect_from.is_none();
        self.promised == 0 && !self.publishing.has_waiting() && !has_unflushed
    }

    /// Returns whether a commit that was just written must wait for a flush, and counts it if so.
    #[inline]
    pub(crate) fn waits(&mut self) -> bool {
        self.publishing.waits()
    }

    /// Returns the outcome of a commit that waits. A final outcome can be fetched once.
    pub(crate) fn fate(&mut self, slot: u32) -> FlushOutcome {
        self.poll_flusher();
        self.publishing.fate(slot, self.suspect_from)
    }

    /// Handles the flusher's results: publishes the slots that a flush has covered, or marks the
    /// segment as suspect.
    pub(crate) fn poll_flusher(&mut self) {
        let FlushReport { landed, suspect_from } = self.publishing.poll();
        if let Some(counts) = landed {
            self.publish(counts);
        }
        if suspect_from.is_some() && self.suspect_from.is_none() {
            self.suspect_from = suspect_from;
            // So that no further record fits.
            self.usable = Usable::nothing_of(self.bytes);
        }
    }

    /// Begins a flush if some of the written slots are not visible yet, and no flush is in
    /// progress. The caller must pass the result to the flusher.
    pub(crate) fn begin_flush(&mut self) -> Option<Arc<Flushed>> {
        if self.suspect_from.is_some() {
            return None;
        }
        self.publishing.begin_flush(&self.written)
    }

    /// Flushes slots that no commit waits for, on the calling thread. Blocks.
    pub(crate) fn flush_rest(&mut self, call: &FlushCall) {
        self.poll_flusher();
        if self.suspect_from.is_some() || !self.publishing.is_behind(&self.written) {
            return;
        }
        match call.flush(self.access.file()) {
            Ok(()) => {
                self.publishing.landed(&self.written);
                self.publish(self.written);
            }
            Err(_) => {
                self.suspect_from = Some(self.publishing.visible(&self.written).slots);
            }
        }
    }

    /// Zeros slots that were never published: a reader that tries every position must not take them
    /// for messages, because their clients received an error.
    fn wipe_unpublished(&mut self) {
        let lost = self.written.slots - self.publishing.visible(&self.written).slots;
        if lost == 0 {
            return;
        }
        self.access.write(self.slots_at, (u64::from(lost) * SLOT_BYTES) as usize).fill(0);
    }
}
