//! The row of a segment.
use serde::Serialize;

use crate::analysis::words::rfc3339;
use crate::log::State;
use crate::log::reader::{Folder, ReadError, SegmentSummary};

/// The size of a slot in bytes (docs/segment-format.md).
const SLOT_BYTES: u64 = 64;
/// The size of the header pages in bytes; they hold neither records nor slots.
const HEADER_BYTES: u64 = 8192;

/// A segment: an object of `sinkctl segments --json`. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentRow {
    /// The number of the segment: the part of an ID before the colon.
    pub segment: u32,
    /// "open", "sealed" or "suspect".
    pub state: &'static str,
    /// The number of the worker that wrote it.
    pub worker: u32,
    /// The start of sinkd that made it; the first start of a folder is 1.
    pub start: u32,
    /// Messages, without removed ones and those lost in a crash.
    pub messages: u64,
    /// Accepted messages without a slot.
    pub only_counted: u64,
    /// The number of published slots, with or without a message.
    pub slots: u32,
    /// The size of the segment in bytes, as its identity page states it.
    pub bytes: u64,
    /// Bytes that records and slots occupy, without the header pages.
    pub used_bytes: u64,
    /// Unused bytes between records; null while the segment is open.
    pub hole_bytes: Option<u64>,
    /// The time of the first message, RFC 3339; null without slots.
    pub first: Option<String>,
    /// The time of the last message, RFC 3339; null without slots.
    pub last: Option<String>,
    /// Slots whose messages were lost in a crash.
    pub lost: u32,
}

impl SegmentRow {
    /// Makes the row of a segment. Reads all slots of an open segment; `report` gets the reasons
    /// why some can't be read.
    pub fn new(
        folder: &Folder,
        summary: &SegmentSummary,
        report: &mut dyn FnMut(ReadError),
    ) -> SegmentRow {
        let (identity, totals) = (&summary.identity, &summary.totals);
        let is_open = summary.state == State::Open;
        let slots = summary.published.slots;
        let records = if is_open {
            record_bytes(folder, identity.number, report)
        } else {
            totals.records_end.saturating_sub(totals.hole_bytes + HEADER_BYTES)
        };
        let time = |ns| (slots > 0).then(|| rfc3339(ns));
        SegmentRow {
            segment: identity.number,
            state: match summary.state {
                State::Open => "open",
                State::Sealed => "sealed",
                State::Suspect { .. } => "suspect",
            },
            worker: identity.worker,
            start: identity.start_count,
            messages: summary.messages(),
            only_counted: summary.only_counted,
            slots,
            bytes: identity.segment_bytes,
            used_bytes: records + SLOT_BYTES * u64::from(slots),
            hole_bytes: (!is_open).then_some(totals.hole_bytes),
            first: time(totals.first_received_at_ns),
            last: time(totals.last_received_at_ns),
            lost: totals.lost_slots,
        }
    }
}

/// Adds up the records of an open segment, because totals are written only when it is sealed.
fn record_bytes(folder: &Folder, number: u32, report: &mut dyn FnMut(ReadError)) -> u64 {
    let segment = match folder.segment(number) {
        Ok(segment) => segment,
        Err(error) => {
            report(error);
            return 0;
        }
    };
    let mut bytes = 0;
    for slot in segment.slots(0..u32::MAX) {
        match slot {
            Ok(slot) => bytes += u64::from(slot.envelope_bytes()) + u64::from(slot.payload_bytes()),
            Err(damage) => report(damage.into()),
        }
    }
    bytes
}
