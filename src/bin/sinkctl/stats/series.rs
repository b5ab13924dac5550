//! Prints statistics as a time series: one line per interval, including empty ones.
use std::io::Write;

use sinkd::analysis::{IntervalRow, intervals};
use sinkd::plot::PlotUnit;
use sinkd::stats::History;
use sinkd::wording::{whole, whole_percent};

use super::options::Stats;
use crate::base::outcome::Out;

pub fn print(history: &History, length: u64, stats: &Stats, out: &mut Out) -> anyhow::Result<()> {
    if stats.csv {
        writeln!(
            out,
            "time,messages,recipients,bytes,refused,connections,messages_per_s,busy_share_max,\
             turned_away,open_connections"
        )?;
    } else if !stats.json {
        writeln!(
            out,
            "{:20} {:>10} {:>10} {:>8} {:>8} {:>11} {:>10} {:>5}",
            "time",
            "messages",
            "recipients",
            "bytes",
            "refused",
            "connections",
            "messages/s",
            "busy"
        )?;
    }
    for row in intervals(history, length) {
        line(&row, stats, out)?;
    }
    Ok(())
}

fn line(row: &IntervalRow, stats: &Stats, out: &mut Out) -> anyhow::Result<()> {
    let IntervalRow { messages, recipients, bytes, refused, connections, .. } = row;
    let (rate, busy) = (row.messages_per_s, row.busy_share_max);
    if stats.json {
        writeln!(out, "{}", serde_json::to_string(row)?)?;
    } else if stats.csv {
        let counts = format!("{messages},{recipients},{bytes},{refused},{connections}");
        let IntervalRow { turned_away, open_connections: open, .. } = row;
        writeln!(out, "{},{counts},{rate:.1},{busy:.3},{turned_away},{open}", row.time)?;
    } else {
        let time = format!("{}Z", &row.time[..19]);
        let counts = [*messages, *recipients].map(|n| whole(n as f64));
        let ends = [*refused, *connections].map(|n| whole(n as f64));
        let bytes = PlotUnit::Bytes.text(*bytes as f64);
        let (rate, busy) = (whole(rate), whole_percent(busy));
        let ([messages, recipients], [refused, connections]) = (counts, ends);
        writeln!(
            out,
            "{time:20} {messages:>10} {recipients:>10} {bytes:>8} {refused:>8} {connections:>11} \
             {rate:>10} {busy:>5}"
        )?;
    }
    Ok(())
}
