//! Statistics as a time series.
use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::words::rfc3339;
use crate::stats::{Counter, History};
use crate::time::UnixNs;

/// Maximum number of consecutive empty intervals; the rest of a longer pause is skipped.
const EMPTY_INTERVALS_MAX: u64 = 10_000;

/// An interval: an object of `sinkctl stats --interval --json`. Keys keep their meaning.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IntervalRow {
    /// The start of the interval, RFC 3339 in UTC; a multiple of the length since 1970.
    pub time: String,
    /// Messages accepted in the interval.
    pub messages: u64,
    /// Forward-paths of the accepted messages.
    pub recipients: u64,
    /// Size of the accepted messages in bytes (RFC 1870).
    pub bytes: u64,
    /// Messages refused at the end of their data.
    pub refused: u64,
    /// Connections accepted in the interval.
    pub connections: u64,
    /// Connections greeted with 421, which are not among `connections`.
    pub turned_away: u64,
    /// Connections open at the end of the last second that has an entry; 0 if none has.
    pub open_connections: u64,
    /// `messages` divided by the length of the interval.
    pub messages_per_s: f64,
    /// The highest busy share of the busiest event loop.
    pub busy_share_max: f64,
}

/// Returns the intervals of `length` seconds from the first entry to the last, including empty
/// ones. A pause has at most 10,000 of these.
pub fn intervals(history: &History, length: u64) -> impl Iterator<Item = IntervalRow> {
    let mut rows: BTreeMap<u64, IntervalRow> = BTreeMap::new();
    for (second, counts) in &history.seconds {
        let row = rows.entry(second / length * length).or_default();
        row.messages += counts.counter(Counter::Messages);
        row.recipients += counts.counter(Counter::MessageRecipients);
        row.bytes += counts.counter(Counter::MessageBytes);
        row.refused += counts.counter(Counter::Refused);
        row.connections += counts.counter(Counter::Connections);
        row.turned_away += counts.counter(Counter::TurnedAway);
        row.open_connections = counts.open_connections;
        row.busy_share_max = row.busy_share_max.max(counts.busiest_us as f64 / 1e6);
    }
    let starts: Vec<u64> = rows.keys().copied().collect();
    for pair in starts.windows(2) {
        let between = (pair[0] + length..pair[1]).step_by(length as usize);
        let empty: Vec<u64> = between.take(EMPTY_INTERVALS_MAX as usize).collect();
        rows.extend(empty.into_iter().map(|start| (start, IntervalRow::default())));
    }
    rows.into_iter().map(move |(start, row)| IntervalRow {
        time: rfc3339(UnixNs::of_second(start)),
        messages_per_s: row.messages as f64 / length as f64,
        ..row
    })
}
