//! Prints, as text, the limits that clients kept to.
use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use sinkd::analysis::{KeptLimits, client_name, peak_at};
use sinkd::plot::PlotUnit;
use sinkd::stats::{Distribution, Percentiles};
use sinkd::wording::counted;

use crate::base::outcome::Out;
use crate::base::print::rfc3339;

pub fn text(kept: &KeptLimits, top: usize, out: &mut Out) -> anyhow::Result<()> {
    let all = &kept.limits.all;
    if all.connections > 0 {
        if let Some(span) = kept.span {
            let (from, until) = (rfc3339(span.begin_ns()), rfc3339(span.end_ns()));
            writeln!(out, "{}Z to {}Z", &from[..21], &until[..21])?;
        }
        writeln!(out, "{}", counts(kept))?;
        writeln!(out, "\n{}", overall(kept).trim_fmt())?;
        if let Some(at) = peak_at(all) {
            let most = counted(all.open_at_once.max, "connection", "connections");
            writeln!(out, "most open at once: {most}, first at {}Z", &at[..19])?;
        }
        writeln!(out, "\nthe highest of each client\n{}", clients(kept, top).trim_fmt())?;
    }
    if let Some(gap) = kept.gap_until_now() {
        writeln!(out, "{gap}")?;
    }
    Ok(())
}

/// Formats what the figures cover.
fn counts(kept: &KeptLimits) -> String {
    let all = &kept.limits.all;
    let mut counts = vec![
        counted(kept.limits.clients.len() as u64, "client", "clients"),
        counted(all.messages, "message", "messages"),
        counted(all.connections, "connection", "connections"),
    ];
    let number = |n: u64| PlotUnit::Number.text(n as f64);
    for (n, what) in [
        (all.without_message, "without a message"),
        (all.began_before, "began before"),
        (all.without_beginning, "whose beginning is not on record"),
        (all.cut_off, "cut off when sinkd was killed"),
        (all.open_at_end, "still open at the end"),
    ] {
        if n > 0 {
            counts.push(format!("{} {what}", number(n)));
        }
    }
    if all.refused > 0 {
        counts.push(counted(all.refused, "message refused", "messages refused"));
    }
    if kept.turned_away > 0 {
        let (one, many) = ("more connection turned away", "more connections turned away");
        counts.push(counted(kept.turned_away, one, many));
    }
    counts.join(", ")
}

/// Returns the distribution of each figure, for all clients together.
fn overall(kept: &KeptLimits) -> Table {
    let (all, windows_s) = (&kept.limits.all, &kept.windows_s);
    let mut table = table(["all clients", "p50", "p90", "p99", "max"].map(String::from).to_vec());
    let mut add = |name: String, numbers: [u64; 4]| {
        let numbers = numbers.map(|n| PlotUnit::Number.text(n as f64));
        table.add_row([vec![name], numbers.to_vec()].concat());
    };
    let of = |spread: &Distribution| [spread.p50, spread.p90, spread.p99, spread.max];
    add("connections open at once".into(), of(&all.open_at_once));
    for (seconds, spread) in windows_s.iter().zip(&all.opened_per_window) {
        add(format!("connections opened in {}", length(*seconds)), of(spread));
    }
    add("messages per connection".into(), of(&all.messages_per_connection));
    for (seconds, spread) in windows_s.iter().zip(&all.messages_per_window) {
        add(format!("messages in {}", length(*seconds)), of(spread));
    }
    let Percentiles { p50, p90, p99, .. } = kept.recipients;
    add("recipients per message".into(), [p50, p90, p99, all.recipients_max]);
    right(&mut table, 1..5);
    table
}

fn clients(kept: &KeptLimits, top: usize) -> Table {
    let windows = kept.windows_s.iter().map(|seconds| length(*seconds));
    let mut header: Vec<String> = vec!["client".into(), "connections".into(), "at once".into()];
    header.extend(kept.windows_s.first().map(|seconds| format!("opened/{}", length(*seconds))));
    header.extend(["messages", "/connection"].map(String::from));
    header.extend(windows.map(|length| format!("/{length}")));
    header.push("recipients".into());
    let columns = header.len();
    let mut table = table(header);
    for (address, limits) in kept.limits.clients.iter().take(top) {
        let mut numbers = vec![limits.connections, limits.open_at_once.max];
        numbers.extend(limits.opened_per_window.first().map(|spread| spread.max));
        numbers.extend([limits.messages, limits.messages_per_connection.max]);
        numbers.extend(limits.messages_per_window.iter().map(|spread| spread.max));
        numbers.push(limits.recipients_max);
        let numbers = numbers.into_iter().map(|n| PlotUnit::Number.text(n as f64));
        table.add_row([client_name(*address)].into_iter().chain(numbers));
    }
    let others = kept.limits.clients.iter().skip(top);
    let (n, connections, messages) =
        others.fold((0, 0, 0), |(n, connections, messages), (_, it)| {
            (n + 1, connections + it.connections, messages + it.messages)
        });
    if n > 0 {
        let mut row = vec![String::new(); columns];
        row[0] = counted(n, "other", "others");
        row[1] = PlotUnit::Number.text(connections as f64);
        row[4] = PlotUnit::Number.text(messages as f64);
        table.add_row(row);
    }
    right(&mut table, 1..columns);
    table
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Formats the length of a window as briefly as possible.
pub fn length(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
