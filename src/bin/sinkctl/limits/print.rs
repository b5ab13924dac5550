//! What clients kept to: for a person, and as JSON.
use std::io::Write;
use std::net::IpAddr;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sinkd::analysis::KeptLimits;
use sinkd::plot::PlotUnit;
use sinkd::stats::{ClientLimits, Distribution, Percentiles};

use crate::base::outcome::Out;
use crate::base::print::{counted, rfc3339};

/// In `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    /// Why figures may be too low, or are about nothing; null: they are whole.
    gap: Option<String>,
    /// Connections greeted with 421: not among those below.
    turned_away: u64,
    messages_not_on_record: u64,
    /// Of all clients.
    recipients_per_message: &'a Percentiles,
    all: Client<'a>,
    /// Those with the most connections at once first.
    clients: Vec<Client<'a>>,
}

/// One client, or all.
#[derive(Debug, Serialize)]
struct Client<'a> {
    /// Its address, or "unix"; without the key: of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    connections: u64,
    began_before: u64,
    without_beginning: u64,
    open_at_end: u64,
    cut_off: u64,
    without_message: u64,
    messages: u64,
    recipients: u64,
    recipients_per_message_max: u64,
    refused: u64,
    open_at_once: &'a Distribution,
    /// RFC 3339: when the most were open first; null: none was.
    peak_at: Option<String>,
    messages_per_connection: &'a Distribution,
    windows: Vec<Window<'a>>,
}

#[derive(Debug, Serialize)]
struct Window<'a> {
    seconds: u64,
    messages: &'a Distribution,
    connections_opened: &'a Distribution,
}

impl<'a> Client<'a> {
    fn new(client: Option<String>, limits: &'a ClientLimits, windows_s: &[u64]) -> Client<'a> {
        let spreads = limits.messages_per_window.iter().zip(&limits.opened_per_window);
        let windows = windows_s.iter().zip(spreads).map(|(seconds, (messages, opened))| Window {
            seconds: *seconds,
            messages,
            connections_opened: opened,
        });
        Client {
            client,
            connections: limits.connections,
            began_before: limits.began_before,
            without_beginning: limits.without_beginning,
            open_at_end: limits.open_at_end,
            cut_off: limits.cut_off,
            without_message: limits.without_message,
            messages: limits.messages,
            recipients: limits.recipients,
            recipients_per_message_max: limits.recipients_max,
            refused: limits.refused,
            open_at_once: &limits.open_at_once,
            peak_at: peak_at(limits),
            messages_per_connection: &limits.messages_per_connection,
            windows: windows.collect(),
        }
    }
}

fn peak_at(limits: &ClientLimits) -> Option<String> {
    (limits.open_at_once.max > 0).then(|| rfc3339(limits.peak_at_us.saturating_mul(1000)))
}

pub fn json(kept: &KeptLimits, out: &mut Out) -> anyhow::Result<()> {
    let limits = &kept.limits;
    let clients = limits
        .clients
        .iter()
        .map(|(address, limits)| Client::new(Some(name(*address)), limits, &kept.windows_s));
    let shown = Shown {
        gap: kept.gap_until_now(),
        turned_away: kept.turned_away,
        messages_not_on_record: kept.messages_not_on_record,
        recipients_per_message: &kept.recipients,
        all: Client::new(None, &limits.all, &kept.windows_s),
        clients: clients.collect(),
    };
    Ok(writeln!(out, "{}", serde_json::to_string(&shown)?)?)
}

fn name(address: Option<IpAddr>) -> String {
    address.map_or("unix".into(), |address| address.to_string())
}

pub fn text(kept: &KeptLimits, top: usize, out: &mut Out) -> anyhow::Result<()> {
    let all = &kept.limits.all;
    if all.connections > 0 {
        if let Some((first, last)) = kept.span_tenths {
            let time = |tenth: u64| rfc3339(tenth * 100_000_000);
            writeln!(out, "{}Z to {}Z", &time(first)[..21], &time(last + 1)[..21])?;
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

/// What the figures are about.
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

/// A distribution of each figure, of all clients together.
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
        table.add_row([name(*address)].into_iter().chain(numbers));
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

/// A window's length, as short as it can be written.
pub fn length(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
