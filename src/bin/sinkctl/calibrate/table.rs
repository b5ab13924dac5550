//! The table that `sinkctl calibrate` prints.
use std::io::Write;

use sinkd::plot::PlotUnit;
use sinkd::stats::Calibration;
use sinkd::wording::{whole, whole_percent};

use crate::base::outcome::Out;

/// Minimum width of the column of names.
const NAME_COLUMNS: usize = 32;

/// Prints one line for each load, below a line of heads.
pub fn print(calibration: &Calibration, out: &mut Out) -> anyhow::Result<()> {
    let heads = ["messages/s", "bytes/s", "sink busy", "sender busy"];
    let names = calibration.ceilings.iter().map(|ceiling| ceiling.name.len());
    let width = names.max().unwrap_or_default().max(NAME_COLUMNS);
    writeln!(out, "{:width$}{}", "", heads.map(|head| format!("{head:>12}")).join(""))?;
    for ceiling in &calibration.ceilings {
        writeln!(
            out,
            "{:width$}{:>12}{:>12}{:>12}{:>12}",
            ceiling.name,
            whole(ceiling.messages_per_s),
            PlotUnit::BytesPerSecond.text(ceiling.bytes_per_s),
            whole_percent(ceiling.sink_busy_share),
            whole_percent(ceiling.sender_busy_share)
        )?;
    }
    writeln!(
        out,
        "medians of seconds; sender and sink shared the {} cores of this machine",
        calibration.cores
    )?;
    Ok(())
}
