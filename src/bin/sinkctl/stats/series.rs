//! Prints statistics as a time series: one line per interval, including empty ones.
use std::io::Write;

use sinkd::analysis::{IntervalRow, intervals};
use sinkd::plot::PlotUnit;
use sinkd::stats::History;
use sinkd::wording::{whole, whole_percent};

use crate::base::outcome::Out;
use crate::base::table_form::TableForm;

pub fn print(history: &History, length: u64, form: TableForm, out: &mut Out) -> anyhow::Result<()> {
    match form {
        TableForm::Json => {}
        TableForm::Csv => writeln!(
            out,
            "time,messages,recipients,bytes,refused,connections,messages_per_s,busy_share_max,\
             turned_away,open_connections"
        )?,
        TableForm::Text => writeln!(
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
        )?,
    }
    for row in intervals(history, length) {
        let line = match form {
            TableForm::Json => serde_json::to_string(&row)?,
            TableForm::Csv => csv_line(&row),
            TableForm::Text => text_line(&row),
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn csv_line(row: &IntervalRow) -> String {
    let IntervalRow { messages, recipients, bytes, refused, connections, .. } = row;
    let IntervalRow { turned_away, open_connections: open, .. } = row;
    let (rate, busy) = (row.messages_per_s, row.busy_share_max);
    let counts = format!("{messages},{recipients},{bytes},{refused},{connections}");
    format!("{},{counts},{rate:.1},{busy:.3},{turned_away},{open}", row.time)
}

fn text_line(row: &IntervalRow) -> String {
    let number = |n: u64| whole(n as f64);
    let time = format!("{}Z", &row.time[..19]);
    let (messages, recipients) = (number(row.messages), number(row.recipients));
    let bytes = PlotUnit::Bytes.text(row.bytes as f64);
    let (refused, connections) = (number(row.refused), number(row.connections));
    let (rate, busy) = (whole(row.messages_per_s), whole_percent(row.busy_share_max));
    format!(
        "{time:20} {messages:>10} {recipients:>10} {bytes:>8} {refused:>8} {connections:>11} \
         {rate:>10} {busy:>5}"
    )
}
