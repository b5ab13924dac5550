//! `sinkctl segments`: each file's fill, holes, state and span of time.
use std::io::Write;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sinkd::log::State;
use sinkd::log::reader::{Folder, Summary};

use crate::base::left_out::LeftOut;
use crate::base::outcome::{Finding, Out};
use crate::base::print::{counted, rfc3339};

/// Octets of a slot (docs/segment-format.md).
const SLOT_BYTES: u64 = 64;

/// A segment in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Row {
    segment: u32,
    /// "open", "sealed" or "suspect".
    state: &'static str,
    worker: u32,
    /// Which start of sinkd made it.
    start: u32,
    messages: u64,
    /// Accepted without a slot.
    only_counted: u64,
    slots: u32,
    /// Length of the file.
    bytes: u64,
    /// Octets of records and slots.
    used_bytes: u64,
    /// Octets between records that belong to none; null while it is open.
    hole_bytes: Option<u64>,
    /// RFC 3339; null without messages.
    first: Option<String>,
    last: Option<String>,
    lost: u32,
}

impl Row {
    fn of(folder: &Folder, summary: &Summary, left_out: &mut LeftOut) -> Row {
        let (identity, totals) = (&summary.identity, &summary.totals);
        let is_open = summary.state == State::Open;
        let slots = summary.published.slots;
        let records = match is_open {
            true => record_bytes(folder, identity.number, left_out),
            // The header pages are neither record nor slot.
            false => totals.records_end.saturating_sub(totals.hole_bytes + 8192),
        };
        let time = |ns| (slots > 0).then(|| rfc3339(ns));
        Row {
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

    fn cells(self) -> [String; 10] {
        let number = |n: Option<u64>| n.map_or("-".into(), |n| n.to_string());
        let seconds = |t: Option<String>| t.map_or("-".into(), |t| format!("{}Z", &t[..19]));
        [
            self.segment.to_string(),
            self.state.into(),
            self.worker.to_string(),
            self.messages.to_string(),
            self.only_counted.to_string(),
            self.bytes.to_string(),
            self.used_bytes.to_string(),
            number(self.hole_bytes),
            seconds(self.first),
            seconds(self.last),
        ]
    }
}

/// Octets of the records of an open segment: its totals are written when it is sealed.
fn record_bytes(folder: &Folder, number: u32, left_out: &mut LeftOut) -> u64 {
    let segment = match folder.segment(number) {
        Ok(segment) => segment,
        Err(error) => {
            left_out.report_error(&error);
            return 0;
        }
    };
    let mut bytes = 0;
    for slot in segment.slots(0..u32::MAX) {
        match slot {
            Ok(slot) => bytes += u64::from(slot.envelope_bytes()) + u64::from(slot.payload_bytes()),
            Err(damage) => left_out.report(damage),
        }
    }
    bytes
}

#[derive(Debug, Args)]
pub struct Segments {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

pub fn run(folder: &Folder, segments: &Segments, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = LeftOut::default();
    let rows = folder.segments().map(|summary| Row::of(folder, summary, &mut left_out));
    if segments.json {
        for row in rows {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        }
        return Ok(left_out.finish(folder));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "segment", "state", "worker", "messages", "counted", "bytes", "used", "holes", "first",
        "last",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    for column in [0, 2, 3, 4, 5, 6, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if folder.removed() > 0 {
        let removed = counted(folder.removed(), "message", "messages");
        writeln!(out, "removed: {removed}, not counted above")?;
    }
    let pruned = folder.pruned()?;
    if pruned.segments > 0 {
        let segments = counted(pruned.segments, "segment", "segments");
        let messages = counted(pruned.messages, "message", "messages");
        let bytes = counted(pruned.message_bytes, "byte", "bytes");
        writeln!(out, "pruned: {segments}, {messages}, {bytes}")?;
    }
    Ok(left_out.finish(folder))
}
