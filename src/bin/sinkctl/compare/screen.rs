//! Prints the comparison as text.
use std::collections::BTreeSet;
use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use sinkd::analysis::comparison::{ComparedRun, RunComparison};
use sinkd::analysis::verdict_sentence;
use sinkd::plot::PlotUnit;
use sinkd::stats::{
    Bounds, Difference, MESSAGES_MIN, MeasureUnit, Metric, NoVerdict, Percentiles, SECONDS_MIN,
    Shift,
};
use sinkd::time::UnixNs;

use super::change::{ChangeFormat, text};
use crate::base::outcome::Out;

pub fn print(compared: &RunComparison, out: &mut Out) -> anyhow::Result<()> {
    let RunComparison { a, b, comparison, .. } = compared;
    let whole = comparison.differences.first().map_or((0, 0), |rate| rate.seconds);
    for (side, whole) in [(a, whole.0), (b, whole.1)] {
        head(side, whole, out)?;
    }
    writeln!(out, "\n{}", totals(a, b).trim_fmt())?;
    writeln!(out, "\n{}", measures(&comparison.differences).trim_fmt())?;
    let of_both: Vec<&str> =
        comparison.differences.iter().filter(|it| is_nothing(it)).map(|it| &*it.name).collect();
    if !of_both.is_empty() {
        writeln!(out, "0 in both: {}", of_both.join(", "))?;
    }
    for (one, other) in [(a, b), (b, a)] {
        let only: Vec<&str> = one.measures.missing_in(&other.measures).collect();
        if !only.is_empty() {
            writeln!(out, "only in {}: {}", one.letter, only.join(", "))?;
        }
    }
    if let Some(shift) = &comparison.shift {
        writeln!(out, "\n{}", transactions(a, b).trim_fmt())?;
        writeln!(out, "{}", longer(shift))?;
    }
    notes(compared, out)
}

/// Prints the name of a run, its span and what limited it. `whole` is the number of seconds
/// compared.
fn head(side: &ComparedRun, whole: usize, out: &mut Out) -> anyhow::Result<()> {
    let ComparedRun { letter, name, kind, gathered, .. } = side;
    writeln!(out, "{letter}: {name}, recorded by a {}", kind.name())?;
    if let Some(span) = gathered.summary.span {
        let time = |unix_ns: UnixNs| crate::base::print::rfc3339(unix_ns)[..21].to_owned();
        let seconds = gathered.summary.seconds();
        let (from, until) = (time(span.begin_ns()), time(span.end_ns()));
        writeln!(out, "   {from}Z to {until}Z, {seconds:.1} s, {whole} s of it compared")?;
    }
    let verdict = &gathered.verdict;
    Ok(writeln!(
        out,
        "   limited by: {} ({})",
        verdict.limited_by().name(),
        verdict_sentence(verdict)
    )?)
}

fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heads);
    for number in 1..heads.len() {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns the totals, and the replies by code: refusals first, because they are few and matter
/// most.
fn totals(a: &ComparedRun, b: &ComparedRun) -> Table {
    let mut table = table(&["total", "A", "B", "change"]);
    let mut row = |name: &str, unit: PlotUnit, (a, b): (f64, f64)| {
        table.add_row([name.to_owned(), unit.text(a), unit.text(b), text(a, b)]);
    };
    let (of_a, of_b) = (&a.gathered.summary, &b.gathered.summary);
    let seconds = (of_a.seconds() * 1e6, of_b.seconds() * 1e6);
    row("duration", PlotUnit::Microseconds, seconds);
    let (one, other) = (&of_a.totals, &of_b.totals);
    row("messages", PlotUnit::Number, (one.messages as f64, other.messages as f64));
    row("recipients", PlotUnit::Number, (one.recipients as f64, other.recipients as f64));
    row("bytes", PlotUnit::Bytes, (one.bytes as f64, other.bytes as f64));
    row("connections", PlotUnit::Number, (one.connections as f64, other.connections as f64));
    row("refused messages", PlotUnit::Number, (one.refused as f64, other.refused as f64));
    let (one, other) = (a.gathered.history.replies(), b.gathered.history.replies());
    let mut codes: Vec<&str> =
        BTreeSet::from_iter(one.keys().chain(other.keys()).copied()).into_iter().collect();
    codes.sort_by_key(|code| code.starts_with(['2', '3']));
    for code in codes {
        let of = |replies: &std::collections::BTreeMap<&str, u64>| {
            replies.get(code).copied().unwrap_or(0) as f64
        };
        row(&format!("replies {code}"), PlotUnit::Number, (of(&one), of(&other)));
    }
    table
}

fn measures(differences: &[Difference]) -> Table {
    let mut table = table(&["mean of seconds", "A", "B", "change", "95% interval", ""]);
    for difference in differences.iter().filter(|it| !is_nothing(it)) {
        let Difference { name, unit, a, b, interval, .. } = difference;
        let unit = plot_unit(*unit);
        let (change, within, verdict) = match interval {
            Ok(Bounds { low, high, differs }) => {
                let form = ChangeFormat::of(&[b / a, *low, *high]);
                let within = format!("{} to {}", form.text(*low), form.text(*high));
                let verdict = if *differs { "differs" } else { "within noise" };
                (form.text(b / a), within, verdict.to_owned())
            }
            Err(reason) => (text(*a, *b), String::new(), format!("no verdict: {}", reason.name())),
        };
        table.add_row([name.clone(), unit.text(*a), unit.text(*b), change, within, verdict]);
    }
    if let Some(column) = table.column_mut(5) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}

/// Returns whether the measure is 0 in all seconds of both runs.
fn is_nothing(difference: &Difference) -> bool {
    difference.a == 0.0 && difference.b == 0.0
}

fn plot_unit(unit: MeasureUnit) -> PlotUnit {
    match unit {
        MeasureUnit::PerSecond => PlotUnit::PerSecond,
        MeasureUnit::BytesPerSecond => PlotUnit::BytesPerSecond,
        MeasureUnit::Share => PlotUnit::Share,
        MeasureUnit::Microseconds => PlotUnit::Microseconds,
    }
}

/// Returns the percentiles of all transactions of each run.
fn transactions(a: &ComparedRun, b: &ComparedRun) -> Table {
    let mut table = table(&["all transactions", "A", "B", "change"]);
    let of =
        |side: &ComparedRun| Percentiles::of_metric(&side.gathered.history, Metric::Transaction);
    let (a, b) = (of(a), of(b));
    for (name, a, b) in [
        ("p50", a.p50, b.p50),
        ("p90", a.p90, b.p90),
        ("p99", a.p99, b.p99),
        ("p99.9", a.p99_9, b.p99_9),
        ("max", a.max, b.max),
    ] {
        let time = |us: u64| PlotUnit::Microseconds.text(us as f64);
        table.add_row([name.to_owned(), time(a), time(b), text(a as f64, b as f64)]);
    }
    table
}

fn longer(shift: &Shift) -> String {
    let percent = |share: f64| format!("{:.0}%", 100.0 * share);
    let verdict = match shift.interval {
        Ok(Bounds { low, high, differs }) => {
            let verdict = if differs { "differs from 50%" } else { "within noise of 50%" };
            format!("95% interval {} to {}: {verdict}", percent(low), percent(high))
        }
        Err(reason) => format!("no verdict: {}", reason.name()),
    };
    let share = percent(shift.share);
    format!("B takes longer than A in {share} of pairs of transactions; {verdict}")
}

/// Explains the terms that occurred.
fn notes(compared: &RunComparison, out: &mut Out) -> anyhow::Result<()> {
    let shown = compared.comparison.differences.iter().filter(|it| !is_nothing(it));
    let intervals = shown.map(|one| one.interval);
    let shift = compared.comparison.shift.iter().map(|shift| shift.interval);
    let all: Vec<Result<Bounds, NoVerdict>> = intervals.chain(shift).collect();
    writeln!(out)?;
    let reasons = [
        (NoVerdict::Short, format!("short: a run has fewer than {SECONDS_MIN} whole seconds")),
        (NoVerdict::Few, format!("few: a run has fewer than {MESSAGES_MIN} messages")),
        (NoVerdict::Zero, "zero: one of the means is 0, which has no ratio".to_owned()),
        (NoVerdict::Shared, "shared: seconds are in both runs".to_owned()),
    ];
    for (reason, sentence) in reasons {
        if all.contains(&Err(reason)) {
            writeln!(out, "{sentence}")?;
        }
    }
    if all.iter().any(Result::is_ok) {
        writeln!(
            out,
            "An interval covers the noise between the seconds of these two runs, not what changes \
             from\none run to the next: repeat both. Of 20 measures, one may differ by chance."
        )?;
    }
    Ok(())
}
