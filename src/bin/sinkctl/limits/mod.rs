//! `sinkctl limits`: prints concurrent connections, and messages per connection and per window of
//! time, for each client, to check whether a sender keeps to its settings.
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use sinkd::analysis::{KeptLimits, RunStatistics, window};

use crate::base::outcome::{Finding, Out};
use crate::base::span::{TimeRange, selection};
use crate::base::value::number;

mod print;

/// Maximum number of windows.
const WINDOWS_MAX: usize = 8;

#[derive(Debug, Args)]
pub struct Limits {
    /// Lengths of the time windows in which messages and new connections are counted, in whole
    /// seconds, up to 1d, separated by commas.
    #[arg(
        long = "window",
        value_name = "DURATION",
        value_delimiter = ',',
        default_value = "1s,1m,1h",
        value_parser = window
    )]
    pub windows_s: Vec<u64>,
    /// Number of clients to list: those with the most concurrent connections. One more line sums
    /// up all others.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<u64>(1..=100_000))]
    pub top: u64,
    #[command(flatten)]
    pub during: TimeRange,
    /// Print one JSON object with all clients.
    #[arg(long, conflicts_with = "top")]
    pub json: bool,
}

pub fn run(folders: &[PathBuf], options: &Limits, out: &mut Out) -> anyhow::Result<Finding> {
    let mut windows_s = options.windows_s.clone();
    windows_s.sort_unstable();
    windows_s.dedup();
    anyhow::ensure!(
        windows_s.len() <= WINDOWS_MAX,
        "--window: expected up to {WINDOWS_MAX} lengths, found {}",
        windows_s.len()
    );
    let spans = options.during.spans(folders)?;
    let selection = selection(folders, &spans);
    let gathered = RunStatistics::read_complete(selection)?;
    let kept = KeptLimits::read(selection, &gathered, windows_s)?;
    for damage in &kept.limits.damage {
        eprintln!("sinkctl: {damage}");
    }
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&kept.figures())?)?
    } else {
        print::text(&kept, options.top as usize, out)?
    }
    let recorded = match kept.gap_until_now() {
        None => Finding::Done,
        Some(_) => Finding::Incomplete,
    };
    Ok(recorded.and(spans.finding))
}
