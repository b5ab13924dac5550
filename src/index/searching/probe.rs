//! Matches single messages against a query.
use std::borrow::Cow;
use std::ops::Range;

use crate::log::reader::{Damage, Segment};
use crate::log::{MessageId, Slot, StoredPart};
use crate::smtp::data::unstuff;

use crate::index::indexing::{MessageReader, PAYLOAD_BYTES_MAX};
use crate::index::query::{Query, Scratch};
use crate::index::sidecar::IndexEntry;

/// Number of slots read at once if messages are matched one after another, the newest first.
const SLOTS_AT_ONCE: u32 = 256;

/// Whether a message matches a query, and how certain that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Whether what is stored of the message matches.
    pub is_match: bool,
    /// Whether the result is based on a part of the message, because it is not stored in full.
    pub is_partial: bool,
}

impl Match {
    pub(super) const NO: Match = Match { is_match: false, is_partial: false };
}

/// A query with the buffers for matching; one per thread.
pub struct Probe<'q> {
    query: &'q Query,
    reading: MessageReader,
    scratch: Scratch,
    record: Vec<u8>,
    /// Slots of a segment that were read in one batch.
    slots: Vec<Result<Slot, Damage>>,
    slots_at: (u32, Range<u32>),
}

impl<'q> Probe<'q> {
    /// Returns a probe, which can be used for any number of messages.
    pub fn new(query: &'q Query) -> Probe<'q> {
        Probe {
            query,
            reading: MessageReader::new(None),
            scratch: Scratch::default(),
            record: Vec::new(),
            slots: Vec::new(),
            slots_at: (0, 0..0),
        }
    }

    /// Matches a message in the log. Costs reading it.
    ///
    /// Errors: the message is damaged, or can't be read.
    pub fn check(&mut self, segment: &Segment, slot: &Slot) -> Result<Match, Damage> {
        let read = self.reading.read(segment, slot)?;
        let columns = &read.entry.columns;
        let answer = match self.query.matches_columns(columns, &mut self.scratch) {
            Some(is_match) => Match { is_match, is_partial: false },
            None => Match {
                is_match: self.query.matches_message(columns, &read.message, &mut self.scratch),
                is_partial: is_partial(self.query, slot),
            },
        };
        Ok(answer)
    }

    /// Matches an indexed message. Costs reading it from the log if its columns can't decide.
    pub(super) fn ask_entry(
        &mut self,
        segment: &Segment,
        entry: &IndexEntry<'_>,
    ) -> Result<Match, Damage> {
        if let Some(is_match) = self.query.matches_columns(&entry.columns, &mut self.scratch) {
            return Ok(Match { is_match, is_partial: false });
        }
        let slot = self.slot(segment, entry.slot)?;
        let (_, payload) = segment.record_start(&slot, PAYLOAD_BYTES_MAX, &mut self.record)?;
        let message: Cow<'_, [u8]> = match slot.facts().dots {
            0 => payload.into(),
            _ => unstuff(payload),
        };
        let is_match = self.query.matches_message(&entry.columns, &message, &mut self.scratch);
        Ok(Match { is_match, is_partial: is_partial(self.query, &slot) })
    }

    fn slot(&mut self, segment: &Segment, index: u32) -> Result<Slot, Damage> {
        let (number, range) = &self.slots_at;
        if *number != segment.number() || !range.contains(&index) {
            let range = (index + 1).saturating_sub(SLOTS_AT_ONCE)..index + 1;
            self.slots.clear();
            self.slots.extend(segment.slots(range.clone()));
            self.slots_at = (segment.number(), range);
        }
        let at = (index - self.slots_at.1.start) as usize;
        match self.slots.get(at) {
            Some(Ok(slot)) => Ok(*slot),
            // Read again, to get the error.
            Some(Err(_)) | None => segment.slot(index),
        }
    }
}

/// Returns whether the query needs a part of the message, in addition to the columns, that is not
/// stored in full.
fn is_partial(query: &Query, slot: &Slot) -> bool {
    match slot.facts().mode {
        StoredPart::Full => false,
        StoredPart::Headers => query.needs_body(),
        StoredPart::Envelope => true,
    }
}

/// Returns the ID of the message that `entry`, from the sidecar of `segment`, is about.
pub fn id(segment: &Segment, entry: &IndexEntry<'_>) -> MessageId {
    MessageId { segment: segment.number(), slot: entry.slot }
}
