//! `sinkctl calibrate`: measures the capacity of this machine under several loads, to compare other
//! runs with it.
mod load;
mod measured_sink;
mod measurement;
mod options;
mod table;
mod target_access;
mod temporary_sinkd;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use sinkd::machine::cores;
use sinkd::stats::Calibration;
use sinkd::time::UnixNs;

pub use self::options::Calibrate;
use crate::base::outcome::{Finding, Out};
use measured_sink::MeasuredSink;
use measurement::{ceilings, unix_s};
use target_access::TargetAccess;

pub fn run(data: &Path, calibrate: &Calibrate, out: &mut Out) -> anyhow::Result<Finding> {
    // Checked before the loads run: with --to, the statistics of the sink are read from this
    // folder.
    check_folder(data, calibrate)?;
    let account = calibrate.account.account()?;
    let sink = MeasuredSink::of(data, calibrate)?;
    let access = TargetAccess::to(&sink, calibrate, account)?;
    let ceilings = ceilings(&access, sink.folder(), calibrate.duration)?;
    let measured_at = crate::base::print::rfc3339(UnixNs::of_second(unix_s()));
    let calibration = Calibration::new(measured_at, cores(), ceilings);
    if calibrate.json {
        writeln!(out, "{}", serde_json::to_string(&calibration)?)?;
    } else {
        table::print(&calibration, out)?;
    }
    if data.is_dir() {
        calibration
            .write(data)
            .with_context(|| format!("{}: cannot store the result", data.display()))?;
    }
    Ok(Finding::Done)
}

/// Errors: with --to, the folder has no statistics. Without --to, a missing folder causes a
/// warning.
fn check_folder(data: &Path, calibrate: &Calibrate) -> anyhow::Result<()> {
    anyhow::ensure!(
        calibrate.to.is_none() || data.join("stats").is_dir(),
        "{}: {} (set --data to the data folder of the sinkd at --to)",
        data.display(),
        if data.is_dir() { "no statistics in this folder" } else { "no such folder" }
    );
    if !data.is_dir() {
        eprintln!(
            "sinkctl: {}: no such folder: the result is printed, but not stored; with --data, \
             stats compares runs with it",
            data.display()
        );
    }
    Ok(())
}
