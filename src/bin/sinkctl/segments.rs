//! `sinkctl segments`: lists segments with usage, holes, state and time span.
use std::io::Write;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use sinkd::analysis::SegmentRow;
use sinkd::log::reader::Folder;
use sinkd::wording::counted;

use crate::base::left_out::FolderOmissions;
use crate::base::outcome::{Finding, Out};

#[derive(Debug, Args)]
pub struct Segments {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

pub fn run(folder: &Folder, segments: &Segments, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out = FolderOmissions::default();
    let rows = folder.segments().map(|summary| {
        SegmentRow::new(folder, summary, &mut |error| left_out.report_error(&error))
    });
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
        table.add_row(cells(row));
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

fn cells(row: SegmentRow) -> [String; 10] {
    let number = |n: Option<u64>| n.map_or("-".into(), |n| n.to_string());
    let seconds = |t: Option<String>| t.map_or("-".into(), |t| format!("{}Z", &t[..19]));
    [
        row.segment.to_string(),
        row.state.into(),
        row.worker.to_string(),
        row.messages.to_string(),
        row.only_counted.to_string(),
        row.bytes.to_string(),
        row.used_bytes.to_string(),
        number(row.hole_bytes),
        seconds(row.first),
        seconds(row.last),
    ]
}
