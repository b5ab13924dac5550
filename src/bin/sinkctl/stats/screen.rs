//! Prints a run on one screen of 80 columns and 24 lines.
use std::io::{IsTerminal, Write};

use hdrhistogram::Histogram;
use sinkd::analysis::{Figures, verdict_sentence};
use sinkd::plot::PlotUnit;
use sinkd::stats::{Counter, MessageWindow, Metric, Percentiles, RunSummary, RunTotals, Verdict};
use sinkd::wording::{counted, duration, printable_line, whole, whole_percent};

use super::notes::TimelineNote;
use crate::base::outcome::Out;
use crate::base::plot_unit::plot_unit;

/// The metrics that fit on a screen, for records of senders and of sinks, which share few metrics;
/// the others are printed with --all.
pub const MAIN: &[Metric] = &[
    Metric::Transaction,
    Metric::Sent,
    Metric::Late,
    Metric::Connect,
    Metric::ReplyHello,
    Metric::ReplyAuth,
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
/// Characters of a sparkline, from low to high.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Width of a sparkline in columns.
const SPARK_CHARS: u64 = 16;
const COURSE_CHARS: u64 = 38;
/// Width of a terminal in columns.
const WIDTH: usize = 80;

/// Formats a value of a metric; without a metric, a plain number.
pub fn value(metric: Option<Metric>, n: u64) -> String {
    metric.map_or(PlotUnit::Number, plot_unit).text(n as f64)
}

/// The content of the screen.
pub struct StatsScreen<'a> {
    pub figures: Figures<'a>,
    pub summary: &'a RunSummary,
    /// Runs and marks.
    pub notes: Vec<TimelineNote>,
    /// The metrics in the table.
    pub metrics: &'a [Metric],
}

pub fn print(screen: &StatsScreen<'_>, out: &mut Out) -> anyhow::Result<()> {
    let StatsScreen { figures, summary, notes, metrics } = screen;
    let (Some(from), Some(until)) = (&figures.from, &figures.until) else {
        writeln!(out, "no message was recorded")?;
        transit(figures, out)?;
        if figures.totals.connections + figures.totals.turned_away > 0 {
            writeln!(out, "{}", counts(&figures.totals))?;
            replies(figures, out)?;
        }
        tolerated(figures, out)?;
        tls(figures, out)?;
        return missing(figures, out);
    };
    let totals = &figures.totals;
    writeln!(out, "{}Z to {}Z, {:.1} s", &from[..21], &until[..21], figures.seconds)?;
    writeln!(out, "{}", counts(totals))?;
    let rate = figures.rate.messages_per_s;
    let [mean, median, max] = [rate.mean, rate.median, rate.max].map(whole);
    let peak = format!("mean {mean}, median {median}, max {max}");
    writeln!(out, "messages/s   {peak}")?;
    course(summary, notes, out)?;
    distributions(summary, out)?;
    table(figures, metrics, out)?;
    transit(figures, out)?;
    replies(figures, out)?;
    open_sessions(figures, out)?;
    tolerated(figures, out)?;
    tls(figures, out)?;
    let loops = &figures.loops;
    writeln!(
        out,
        "loops    the busiest {} busy, {} at most; longest round {}",
        whole_percent(loops.busy_share_median),
        whole_percent(loops.busy_share_max),
        duration(loops.longest_round_us as f64)
    )?;
    let lag = &figures.index_lag;
    if lag.messages_max > 0 {
        let (last, age) = (whole(lag.messages_last as f64), lag.seconds_max);
        let most = counted(lag.messages_max, "message", "messages");
        writeln!(out, "index    {most} behind at most ({age} s), {last} at the end")?;
    }
    missing(figures, out)?;
    verdict(figures.verdict, out)
}

/// Formats the totals. The count of connections excludes those that were turned away.
fn counts(totals: &RunTotals) -> String {
    let mut counts = vec![
        counted(totals.messages, "message", "messages"),
        counted(totals.recipients, "recipient", "recipients"),
        value(Some(Metric::MessageSize), totals.bytes),
        counted(totals.connections, "connection", "connections"),
    ];
    let number = |n: u64| PlotUnit::Number.text(n as f64);
    let rest = [
        (totals.turned_away, "turned away"),
        (totals.dismissed, "dismissed"),
        (totals.denied, "denied"),
        (totals.health_checks, "health checks"),
        (totals.proxy_refused, "refused as PROXY"),
        (totals.proxy_unexpected, "with an unexpected PROXY header"),
        (totals.xclient_refused, "XCLIENT commands refused"),
    ];
    let rest = rest.into_iter().filter(|(n, _)| *n > 0);
    counts.extend(rest.map(|(n, what)| format!("{} {what}", number(n))));
    counts.push(format!("{} refused", number(totals.refused)));
    counts.join(", ")
}

/// Returns the character of a sparkline; any value above 0 is visible.
fn step(value: f64, most: f64) -> char {
    match value {
        0.0 => ' ',
        _ => STEPS[((value / most * STEPS.len() as f64).ceil() as usize).clamp(1, STEPS.len()) - 1],
    }
}

/// Prints messages over time with runs and marks; nothing if there is only one column.
fn course(summary: &RunSummary, notes: &[TimelineNote], out: &mut Out) -> anyhow::Result<()> {
    let (sums, tenths) = summary.course(COURSE_CHARS);
    if sums.len() < 2 {
        return Ok(());
    }
    let most = sums.iter().copied().max().unwrap_or(0);
    let spark: String = sums.iter().map(|sum| step(*sum as f64, most as f64)).collect();
    let length = crate::base::print::seconds(tenths as f64 / 10.0);
    // Not a rate: for columns shorter than a second, it could exceed the highest second.
    let most = PlotUnit::Number.text(most as f64);
    writeln!(out, "over time   |{spark}|  {length} each, at most {most}")?;
    let first = summary.span.map_or(0, |span| span.first);
    let row = super::notes::row(notes, first, tenths, sums.len());
    Ok(row.map_or(Ok(()), |row| {
        writeln!(out, "            |{}|  [ run ^ mark", printable_line(&row))
    })?)
}

/// Prints how evenly messages arrived: the distributions of messages per second and per tenth of a
/// second.
fn distributions(summary: &RunSummary, out: &mut Out) -> anyhow::Result<()> {
    let rows = [("per second", MessageWindow::Second), ("per 100 ms", MessageWindow::Tenth)];
    let rows = rows.map(|(name, window)| (name, summary.throughput(window)));
    if rows.iter().all(|(_, histogram)| histogram.is_empty()) {
        return Ok(());
    }
    let heads = ["min", "p1", "p50", "p99", "max"].map(|name| format!("{name:>9}")).join("");
    writeln!(out, "distribution{heads}  min to max")?;
    for (name, histogram) in rows.iter().filter(|(_, histogram)| !histogram.is_empty()) {
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        let cells = [histogram.min(), at(0.01), at(0.5), at(0.99), histogram.max()];
        let cells = cells.map(|n| format!(" {:>8}", whole(n as f64))).join("");
        writeln!(out, "{name:12}{cells}  |{}|", spread(histogram))?;
    }
    Ok(())
}

/// Returns a sparkline of windows by their number of messages.
fn spread(histogram: &Histogram<u64>) -> String {
    let (min, max) = (histogram.min(), histogram.max());
    let width = (max - min) / SPARK_CHARS + 1;
    let mut counts = vec![0_u64; ((max - min) / width + 1) as usize];
    for value in histogram.iter_recorded() {
        let place = (value.value_iterated_to().clamp(min, max) - min) / width;
        counts[place as usize] += value.count_at_value();
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    counts.into_iter().map(|n| step(n as f64, most as f64)).collect()
}

/// Prints which sessions `messages_per_session` and `session` exclude.
fn open_sessions(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    let open = figures.open_sessions;
    if open.sessions == 0 {
        return Ok(());
    }
    let sessions = counted(open.sessions, "session is", "sessions are");
    let had = match open.messages {
        Some(messages) => format!("{} so far", counted(messages, "message", "messages")),
        None => String::from("their messages so far are not known here"),
    };
    Ok(writeln!(out, "open     {sessions} not in figures of sessions yet; {had}")?)
}

fn table(figures: &Figures<'_>, metrics: &[Metric], out: &mut Out) -> anyhow::Result<()> {
    let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
    writeln!(out, "{:23}{}", "", heads.map(|name| format!("{name:>9}")).join(""))?;
    for metric in metrics {
        let Some(p) = figures.metrics.get(metric.tag()) else { continue };
        row(metric.short_name(), p, *metric, out)?;
    }
    if let Some(transit) = figures.transit.filter(|transit| transit.all.transit_us.count > 0) {
        row("transit", &transit.all.transit_us, Metric::Transaction, out)?;
    }
    Ok(())
}

/// `metric` determines the unit.
fn row(name: &str, p: &Percentiles, metric: Metric, out: &mut Out) -> anyhow::Result<()> {
    let Percentiles { p50, p90, p99, p99_9, p99_99, max, .. } = *p;
    let cells = [p50, p90, p99, p99_9, p99_99, max];
    let cells = cells.map(|n| format!(" {:>8}", value(Some(metric), n)));
    Ok(writeln!(out, "{name:23}{}", cells.join(""))?)
}

/// Prints what the transit times cover, and which messages have none.
fn transit(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    for sentence in figures.transit.iter().flat_map(|transit| transit.sentences()) {
        writeln!(out, "transit  {sentence}")?;
    }
    Ok(())
}

/// Prints the most frequent replies, as many as fit in two lines.
fn replies(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    let mut replies: Vec<_> = figures.replies.iter().collect();
    // Refusals come first, because they are few and matter most.
    replies.sort_by_key(|(code, n)| (code.starts_with(['2', '3']), std::cmp::Reverse(**n)));
    let words = replies.iter().map(|(code, n)| format!(" {code} x{};", whole(**n as f64)));
    wrapped("replies ", words.collect(), 2, out)
}

/// Prints words after a heading, as many as fit in `lines_max` lines.
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

/// Prints deviations with their number of commands; nothing if there are none.
fn tolerated(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    let recorded = |counter: &Counter| figures.counters.get(counter.tag()).copied();
    let kinds = Counter::TOLERATED.iter();
    let kinds = kinds.filter_map(|(kind, counter)| Some((kind.name(), recorded(counter)?)));
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if kinds.is_empty() {
        return Ok(());
    }
    let words = kinds.iter().map(|(kind, n)| format!(" {kind} x{};", whole(*n as f64)));
    wrapped("tolerated ", words.collect(), 3, out)
}

/// Prints TLS handshakes, and failures by kind; nothing if there are none.
fn tls(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    let totals = &figures.totals;
    let count = |counter: Counter| figures.counters.get(counter.tag()).copied().unwrap_or(0);
    if totals.tls_handshakes > 0 {
        let mut words = vec![counted(totals.tls_handshakes, "handshake", "handshakes")];
        for (counter, version) in [(Counter::Tls13, "TLS 1.3"), (Counter::Tls12, "TLS 1.2")] {
            if count(counter) > 0 {
                words.push(format!("{} {version}", whole(count(counter) as f64)));
            }
        }
        let resumed = totals.tls_resumed as f64 / totals.tls_handshakes as f64;
        words.push(format!("{} resumed", whole_percent(resumed)));
        if let Some(times) = figures.metrics.get(Metric::Handshake.tag()) {
            words.push(format!(
                "p50 {}, p99 {}",
                duration(times.p50 as f64),
                duration(times.p99 as f64)
            ));
        }
        writeln!(out, "TLS      {}", words.join(", "))?;
    }
    let recorded = |counter: &Counter| figures.counters.get(counter.tag()).copied();
    let kinds = Counter::TLS_FAILED.iter();
    let kinds = kinds.filter_map(|(kind, counter)| Some((kind.name(), recorded(counter)?)));
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if !kinds.is_empty() {
        let words = kinds.iter().map(|(kind, n)| format!(" {kind} x{};", whole(*n as f64)));
        wrapped("TLS failed ", words.collect(), 3, out)?;
    }
    let discarded = count(Counter::TlsDiscarded);
    if discarded > 0 {
        let times = counted(discarded, "time", "times");
        writeln!(
            out,
            "TLS      {times} something between STARTTLS and the handshake: thrown away"
        )?;
    }
    Ok(())
}

fn missing(figures: &Figures<'_>, out: &mut Out) -> anyhow::Result<()> {
    if let Some(n) = figures.not_recorded.filter(|n| *n > 0) {
        writeln!(
            out,
            "{} in the log and not in these statistics: the current second, or in which sinkd \
             was killed, or mail that came with --stats off",
            counted(n, "message is", "messages are")
        )?;
    }
    Ok(())
}

/// Prints the verdict as the last line; in red if the sink was the limit, because its ceiling may
/// be mistaken for the sender's.
fn verdict(verdict: &Verdict, out: &mut Out) -> anyhow::Result<()> {
    let text =
        format!("limited by: {} ({})", verdict.limited_by().name(), verdict_sentence(verdict));
    let room = match verdict.headroom.messages_per_s {
        // A measured ceiling is more meaningful than a computed one.
        Some(rate) if !verdict.is_saturated() && verdict.calibrated.is_none() => {
            format!("; at {} messages/s the sink would be saturated", whole(rate))
        }
        _ => String::new(),
    };
    let is_colored = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if verdict.is_saturated() && is_colored {
        writeln!(out, "\x1b[1;31m{text}\x1b[0m")?;
    } else {
        writeln!(out, "{text}{room}")?;
    }
    Ok(())
}
