//! Prints the table of groups: as text, JSON or CSV.
use std::io::Write;

use comfy_table::{CellAlignment, Table as Cells, presets};
use sinkd::stats::Metric;

use crate::base::outcome::Out;
use crate::stats::value;
use sinkd::analysis::GroupBy;
use sinkd::analysis::OverallTransit;
use sinkd::analysis::{GroupFigures, GroupRow, GroupTable};
use sinkd::wording::{counted, percent, printable, printable_line, whole};

pub fn json(table: &GroupTable, out: &mut Out) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string(table)?)?)
}

/// Prints a line per group, and one for the others; messages that are missing are reported on
/// stderr.
pub fn csv(table: &GroupTable, out: &mut Out) -> anyhow::Result<()> {
    let (transit, more) = match &table.transit {
        Some(_) => (TRANSIT_NAMES, transit_cells as fn(&GroupFigures) -> String),
        None => ("", (|_| String::new()) as fn(&GroupFigures) -> String),
    };
    writeln!(
        out,
        "row,name,messages,recipients,bytes,messages_per_s,share,p50_us,p90_us,p99_us,p99_9_us,\
         p99_99_us,max_us,deviations{transit}"
    )?;
    let groups = table
        .groups
        .iter()
        .map(|row| ("group", row.name.as_deref().unwrap_or_default(), &row.figures));
    let others = table.others.iter().map(|others| ("others", "", &others.figures));
    for (row, name, figures) in groups.chain(others) {
        let GroupFigures { messages, recipients, bytes, messages_per_s, share, .. } = figures;
        let p = &figures.transaction_us;
        writeln!(
            out,
            "{row},{},{messages},{recipients},{bytes},{messages_per_s:.3},{share:.6},\
             {},{},{},{},{},{},{}{}",
            quoted(name),
            p.p50,
            p.p90,
            p.p99,
            p.p99_9,
            p.p99_99,
            p.max,
            deviation_list(figures, ":", " "),
            more(figures)
        )?;
    }
    if let Some(sentence) = table.missing.sentence("in this table") {
        eprintln!("sinkctl: {sentence}");
    }
    Ok(())
}

/// Columns that --sent-field adds.
const TRANSIT_NAMES: &str = ",transit_count,transit_p50_us,transit_p90_us,transit_p99_us,\
    transit_p99_9_us,transit_p99_99_us,transit_max_us,transit_negative,without_field,unreadable,\
    not_stored";

fn transit_cells(figures: &GroupFigures) -> String {
    let Some(transit) = &figures.transit else { return ",".repeat(11) };
    let p = &transit.transit_us;
    let times = [p.count, p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max];
    let rest = [transit.negative, transit.without_field, transit.unreadable, transit.not_stored];
    times.iter().chain(&rest).map(|n| format!(",{n}")).collect()
}

/// Formats the messages with deviations, by kind; empty if there are none.
fn deviation_list(figures: &GroupFigures, between: &str, joined: &str) -> String {
    let kinds = figures.deviations.iter().map(|(kind, n)| format!("{kind}{between}{n}"));
    kinds.collect::<Vec<_>>().join(joined)
}

/// Quotes a field as in RFC 4180; names may contain any characters.
fn quoted(name: &str) -> String {
    let name = printable(name);
    if name.contains([',', '"', '\n']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name
    }
}

pub fn text(table: &GroupTable, by: GroupBy, out: &mut Out) -> anyhow::Result<()> {
    if let (Some(from), Some(until)) = (&table.from, &table.until) {
        writeln!(out, "{}Z to {}Z, {:.1} s", &from[..21], &until[..21], table.seconds)?;
        writeln!(out, "{}", cells(table).trim_fmt())?;
        tolerated(table, out)?;
        footer(table, by, out)?;
    } else {
        writeln!(out, "the log has no message here")?;
    }
    if let Some(sentence) = table.missing.sentence("in this table") {
        writeln!(out, "{sentence}")?;
    }
    Ok(())
}

fn cells(table: &GroupTable) -> Cells {
    let mut cells = Cells::new();
    cells.load_style(presets::NOTHING);
    cells.set_header([
        table.by,
        "messages",
        "recipients",
        "bytes",
        "messages/s",
        "share",
        "p50",
        "p99",
        "max",
    ]);
    for row in &table.groups {
        cells.add_row(line(label(row), &row.figures));
    }
    if let Some(others) = &table.others {
        let name = match others.groups {
            Some(n) => counted(n, "other", "others"),
            None => "others".to_owned(),
        };
        cells.add_row(line(name, &others.figures));
    }
    for column in 1..9 {
        if let Some(column) = cells.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    cells
}

/// Returns the name of a group on the screen.
fn label(row: &GroupRow) -> String {
    let name = row.name.as_deref().unwrap_or("-");
    printable_line(name)
}

/// Prints a line for each group with deviations.
fn tolerated(table: &GroupTable, out: &mut Out) -> anyhow::Result<()> {
    let groups = table.groups.iter().map(|row| (label(row), &row.figures));
    let others = table.others.iter().map(|others| ("others".to_owned(), &others.figures));
    for (name, figures) in groups.chain(others).filter(|(_, f)| !f.deviations.is_empty()) {
        writeln!(out, "tolerated, {name} (messages): {}", deviation_list(figures, " x", "; "))?;
    }
    Ok(())
}

fn line(name: String, figures: &GroupFigures) -> [String; 9] {
    let time = |us| value(Some(Metric::Transaction), us);
    // A group without transit times shows dashes.
    let p = figures.transit.as_ref().map_or(&figures.transaction_us, |t| &t.transit_us);
    let is_known = figures.transit.is_none() || p.count > 0;
    let time = |us| if is_known { time(us) } else { String::from("-") };
    [
        name,
        whole(figures.messages as f64),
        whole(figures.recipients as f64),
        value(Some(Metric::MessageSize), figures.bytes),
        whole(figures.messages_per_s),
        share(figures.share),
        time(p.p50),
        time(p.p99),
        time(p.max),
    ]
}

/// Formats a share. `-` if it exceeds 100%: several domains together may count a message more than
/// once.
fn share(share: f64) -> String {
    if share > 1.0 { "-".to_owned() } else { percent(share) }
}

/// Explains the columns and their limits.
fn footer(table: &GroupTable, by: GroupBy, out: &mut Out) -> anyhow::Result<()> {
    let bytes = value(Some(Metric::MessageSize), table.bytes);
    let messages = counted(table.messages, "message", "messages");
    let recipients = counted(table.recipients, "recipient", "recipients");
    let times = if table.transit.is_some() { "transit times" } else { "transactions" };
    writeln!(out, "{messages}, {recipients}, {bytes}; p50 to max: {times}")?;
    for sentence in table.transit.iter().flat_map(OverallTransit::sentences) {
        writeln!(out, "transit  {sentence}")?;
    }
    if by == GroupBy::RcptDomain {
        writeln!(
            out,
            "a message counts once in each domain of its recipients, with all its bytes"
        )?;
    }
    if let Some(others) = table.others.as_ref().filter(|others| others.groups.is_none()) {
        writeln!(
            out,
            "too many names to tell all apart: the list may lack some of up to {} each",
            counted(others.messages_max, "message", "messages")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_content_are_one_field() {
        assert_eq!(quoted("a.example"), "a.example");
        assert_eq!(quoted("unix:/a,\"b\"\n"), "\"unix:/a,\"\"b\"\"\n\"");
        assert_eq!(quoted("a\x1b[2J"), "a\u{fffd}[2J");
    }
}
