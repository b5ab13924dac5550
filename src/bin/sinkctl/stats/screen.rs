//! A run on one screen of 80 columns and 24 lines.
use std::io::{IsTerminal, Write};

use hdrhistogram::Histogram;
use sinkd::plot::Unit;
use sinkd::stats::{Counter, Metric, Percentiles, Summary, Verdict};

use super::Report;
use crate::Out;
use crate::print::counted;

/// What fits a screen, of a sender's record and of a sink's, which have little in common; the
/// others with --all.
const MAIN: [Metric; 20] = [
    Metric::Transaction,
    Metric::Sent,
    Metric::Late,
    Metric::Connect,
    Metric::ReplyHello,
    Metric::ReplyMail,
    Metric::ReplyRcpt,
    Metric::ReplyData,
    Metric::ReplyPayload,
    Metric::ServiceMessage,
    Metric::ServiceCommand,
    Metric::ThinkMail,
    Metric::ThinkRcpt,
    Metric::ThinkData,
    Metric::ThinkPayload,
    Metric::ThinkNext,
    Metric::Transfer,
    Metric::CommitWait,
    Metric::RttMin,
    Metric::MessageSize,
];
/// Steps of a sparkline.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SPARK_CHARS: u64 = 24;
/// Columns of a terminal.
const WIDTH: usize = 80;

/// A duration as a person reads it, from microseconds.
fn time(us: u64) -> String {
    match us {
        0..10_000 => format!("{us} us"),
        10_000..10_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000_000..600_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => format!("{:.1} min", us as f64 / 6e7),
    }
}

/// A metric's value as a person reads it; without one a number.
pub fn value(metric: Option<Metric>, n: u64) -> String {
    match metric.map_or("", Metric::unit) {
        "us" => time(n),
        unit if unit.starts_with('B') && n >= 10_000_000 => format!("{} M{unit}", n / 1_000_000),
        unit if unit.starts_with('B') && n >= 10_000 => format!("{} k{unit}", n / 1000),
        unit => format!("{n} {unit}").trim_end().to_owned(),
    }
}

pub fn print(
    report: &Report<'_>,
    summary: &Summary,
    is_all: bool,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (Some(from), Some(until)) = (&report.from, &report.until) else {
        writeln!(out, "no message was recorded")?;
        tolerated(report, out)?;
        return missing(report, out);
    };
    let totals = &report.totals;
    writeln!(out, "{}Z to {}Z, {:.1} s", &from[..21], &until[..21], report.seconds)?;
    let counts = format!(
        "{}, {}, {}, {}, {} refused",
        counted(totals.messages, "message", "messages"),
        counted(totals.recipients, "recipient", "recipients"),
        value(Some(Metric::MessageSize), totals.bytes),
        counted(totals.connections, "connection", "connections"),
        Unit::Number.text(totals.refused as f64)
    );
    writeln!(out, "{counts}")?;
    let rate = report.rate.messages_per_s;
    let peak = format!("mean {:.0}, median {:.0}, max {:.0}", rate.mean, rate.median, rate.max);
    writeln!(out, "messages/s  {peak}")?;
    throughput("each second", &summary.throughput(10), out)?;
    throughput("each 100 ms", &summary.throughput(1), out)?;
    table(report, is_all, out)?;
    replies(report, out)?;
    tolerated(report, out)?;
    let loops = &report.loops;
    writeln!(
        out,
        "loops    the busiest {:.0} % busy, {:.0} % at most; longest round {}",
        100.0 * loops.busy_share_median,
        100.0 * loops.busy_share_max,
        time(loops.longest_round_us)
    )?;
    let lag = &report.index_lag;
    if lag.messages_max > 0 {
        let (most, last, age) = (lag.messages_max, lag.messages_last, lag.seconds_max);
        let most = counted(most, "message", "messages");
        writeln!(out, "index    {most} behind at most ({age} s), {last} at the end")?;
    }
    missing(report, out)?;
    verdict(&report.verdict, out)
}

/// How evenly messages came: a sparkline from none to the most, and percentiles.
fn throughput(name: &str, histogram: &Histogram<u64>, out: &mut Out) -> anyhow::Result<()> {
    if histogram.is_empty() {
        return Ok(());
    }
    let max = histogram.max();
    let width = max / SPARK_CHARS + 1;
    let mut counts = vec![0; (max / width + 1) as usize];
    for value in histogram.iter_recorded() {
        counts[(value.value_iterated_to().min(max) / width) as usize] += value.count_at_value();
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    // Whatever happened at all is seen.
    let step = |n: u64| match n {
        0 => ' ',
        n => STEPS[((n - 1) * STEPS.len() as u64 / most) as usize],
    };
    let spark: String = counts.into_iter().map(step).collect();
    let at = |quantile| histogram.value_at_quantile(quantile).min(max);
    let (min, low, median, high) = (histogram.min(), at(0.01), at(0.5), at(0.99));
    let numbers = format!("min {min}, p1 {low}, p50 {median}, p99 {high}, max {max}");
    Ok(writeln!(out, "{name} 0|{spark}|  {numbers}")?)
}

fn table(report: &Report<'_>, is_all: bool, out: &mut Out) -> anyhow::Result<()> {
    let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
    writeln!(out, "{:23}{}", "", heads.map(|name| format!("{name:>9}")).join(""))?;
    let metrics = if is_all { Metric::ALL } else { &MAIN[..] };
    for metric in metrics {
        let Some(p) = report.metrics.get(metric.tag()) else { continue };
        let Percentiles { p50, p90, p99, p99_9, p99_99, max, .. } = *p;
        let cells = [p50, p90, p99, p99_9, p99_99, max];
        let cells = cells.map(|n| format!("{:>9}", value(Some(*metric), n)));
        writeln!(out, "{:23}{}", metric.tag().trim_end_matches("_us"), cells.join(""))?;
    }
    Ok(())
}

/// By how often they were given, so many as fit two lines.
fn replies(report: &Report<'_>, out: &mut Out) -> anyhow::Result<()> {
    let mut replies: Vec<_> = report.replies.iter().collect();
    // Refusals first: there are few, and they matter.
    replies.sort_by_key(|(code, n)| (code.starts_with(['2', '3']), std::cmp::Reverse(**n)));
    let words = replies.iter().map(|(code, n)| format!(" {code} x{n};"));
    wrapped("replies ", words.collect(), 2, out)
}

/// Words behind a head, as many as fit `lines_max` lines.
fn wrapped(head: &str, words: Vec<String>, lines_max: usize, out: &mut Out) -> anyhow::Result<()> {
    let mut line = head.to_owned();
    let (mut lines, mut left) = (1, words.len());
    for word in words {
        if line.chars().count() + word.len() > WIDTH {
            if lines == lines_max {
                break;
            }
            writeln!(out, "{line}")?;
            (line, lines) = (" ".repeat(head.len()), lines + 1);
        }
        line += &word;
        left -= 1;
    }
    let rest = if left > 0 { format!(" and {left} more") } else { String::new() };
    Ok(writeln!(out, "{}{rest}", line.trim_end_matches(';'))?)
}

/// Rules that senders broke, by how many commands; nothing where they broke none.
fn tolerated(report: &Report<'_>, out: &mut Out) -> anyhow::Result<()> {
    let of = |one: &Counter| Some((one.deviation()?, *report.counters.get(one.tag())?));
    let mut kinds: Vec<_> = Counter::TOLERATED.iter().filter_map(of).collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if kinds.is_empty() {
        return Ok(());
    }
    let words = kinds.iter().map(|(kind, n)| format!(" {kind} x{n};"));
    wrapped("tolerated ", words.collect(), 3, out)
}

fn missing(report: &Report<'_>, out: &mut Out) -> anyhow::Result<()> {
    if let Some(n) = report.not_recorded.filter(|n| *n > 0) {
        writeln!(
            out,
            "{} in the log and not in these statistics: the second under way, or in which sinkd \
             was killed, or mail that came with --stats off",
            counted(n, "message is", "messages are")
        )?;
    }
    Ok(())
}

/// The last line: red where our ceiling may be taken for the sender's.
fn verdict(verdict: &Verdict, out: &mut Out) -> anyhow::Result<()> {
    let text = format!("limited by: {} ({})", verdict.limited_by.name(), verdict.because);
    let room = match verdict.headroom.messages_per_s {
        // What was measured says more than what is worked out.
        Some(rate) if !verdict.is_saturated() && verdict.calibrated.is_none() => {
            format!("; at {:.0} messages/s the sink would be saturated", rate)
        }
        _ => String::new(),
    };
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if verdict.is_saturated() && is_coloured {
        writeln!(out, "\x1b[1;31m{text}\x1b[0m")?;
    } else {
        writeln!(out, "{text}{room}")?;
    }
    Ok(())
}
