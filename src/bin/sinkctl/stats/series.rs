//! Statistics as a time series: a line for each interval, those in which nothing came included.
use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use sinkd::stats::{Counter, History};

use super::options::Stats;
use crate::base::outcome::Out;
use crate::base::print::rfc3339;

/// Lines of nothing printed in a row at most; longer pauses are skipped.
const EMPTY_LINES_MAX: u64 = 10_000;

/// An interval in `--json`. Keys keep their meaning.
#[derive(Debug, Default, Serialize)]
struct Row {
    /// Its beginning, RFC 3339.
    time: String,
    messages: u64,
    recipients: u64,
    bytes: u64,
    refused: u64,
    connections: u64,
    turned_away: u64,
    /// Open at the end of its last second with anything.
    open_connections: u64,
    /// Rate of accepted messages.
    messages_per_s: f64,
    /// Highest busy share of the busiest event loop.
    busy_share_max: f64,
}

pub fn print(history: &History, length: u64, stats: &Stats, out: &mut Out) -> anyhow::Result<()> {
    let mut rows: BTreeMap<u64, Row> = BTreeMap::new();
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
        let empty: Vec<u64> = between.take(EMPTY_LINES_MAX as usize).collect();
        rows.extend(empty.into_iter().map(|start| (start, Row::default())));
    }
    if stats.csv {
        writeln!(
            out,
            "time,messages,recipients,bytes,refused,connections,messages_per_s,busy_share_max,\
             turned_away,open_connections"
        )?;
    } else if !stats.json {
        writeln!(
            out,
            "{:20} {:>10} {:>10} {:>12} {:>8} {:>11} {:>10} {:>5}",
            "time",
            "messages",
            "recipients",
            "octets",
            "refused",
            "connections",
            "messages/s",
            "busy"
        )?;
    }
    for (start, mut row) in rows {
        row.time = rfc3339(start * 1_000_000_000);
        row.messages_per_s = row.messages as f64 / length as f64;
        line(&row, stats, out)?;
    }
    Ok(())
}

fn line(row: &Row, stats: &Stats, out: &mut Out) -> anyhow::Result<()> {
    let Row { messages, recipients, bytes, refused, connections, .. } = row;
    let (rate, busy) = (row.messages_per_s, row.busy_share_max);
    if stats.json {
        writeln!(out, "{}", serde_json::to_string(row)?)?;
    } else if stats.csv {
        let counts = format!("{messages},{recipients},{bytes},{refused},{connections}");
        let Row { turned_away, open_connections: open, .. } = row;
        writeln!(out, "{},{counts},{rate:.1},{busy:.3},{turned_away},{open}", row.time)?;
    } else {
        writeln!(
            out,
            "{:20} {messages:>10} {recipients:>10} {bytes:>12} {refused:>8} {connections:>11} \
             {rate:>10.0} {:>4.0}%",
            format!("{}Z", &row.time[..19]),
            100.0 * busy
        )?;
    }
    Ok(())
}
