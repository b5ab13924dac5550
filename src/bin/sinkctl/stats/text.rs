//! Statistics for a person: a summary that fits a screen, and histograms as text.
use std::collections::BTreeMap;
use std::io::Write;

use sinkd::stats::{History, Metric, Percentiles, Summary};

use super::Report;
use crate::Out;
use crate::args::Stats;

/// Columns of a bar.
const BAR_CHARS: usize = 40;
/// Rows of a histogram as text.
const ROWS: usize = 20;

/// A duration as a person reads it, from microseconds.
fn time(us: u64) -> String {
    match us {
        0..10_000 => format!("{us} us"),
        10_000..10_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000_000..600_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => format!("{:.1} min", us as f64 / 6e7),
    }
}

fn value(metric: Metric, n: u64) -> String {
    match metric.unit() {
        "us" => time(n),
        unit if unit.starts_with('B') && n >= 10_000_000 => format!("{} M{unit}", n / 1_000_000),
        unit if unit.starts_with('B') && n >= 10_000 => format!("{} k{unit}", n / 1000),
        unit => format!("{n} {unit}").trim_end().to_owned(),
    }
}

pub fn summary(report: &Report<'_>, summary: &Summary, out: &mut Out) -> anyhow::Result<()> {
    let (Some(from), Some(until)) = (&report.from, &report.until) else {
        writeln!(out, "no message was recorded")?;
        return missing(report, out);
    };
    let totals = &report.totals;
    writeln!(out, "{}Z to {}Z, {:.1} s", &from[..21], &until[..21], report.seconds)?;
    writeln!(
        out,
        "{} messages, {} recipients, {} octets, {} connections, {} refused",
        totals.messages, totals.recipients, totals.bytes, totals.connections, totals.refused
    )?;
    let rate = report.rate.messages_per_s;
    let tenth = summary.throughput(1);
    writeln!(
        out,
        "messages/s: mean {:.0}, median {:.0}, max {:.0}; per 100 ms: p1 {}, p50 {}, p99 {}",
        rate.mean,
        rate.median,
        rate.max,
        tenth.value_at_quantile(0.01),
        tenth.value_at_quantile(0.5),
        tenth.value_at_quantile(0.99)
    )?;
    let names = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let heads: Vec<String> = names.iter().map(|name| format!("{name:>9}")).collect();
    writeln!(out, "{:24}{}", "", heads.join(" "))?;
    for (tag, p) in &report.metrics {
        let Some(metric) = Metric::of(tag) else { continue };
        let cells = [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max]
            .map(|n| format!("{:>9}", value(metric, n)));
        writeln!(out, "{:24}{}", tag.trim_end_matches("_us"), cells.join(" "))?;
    }
    let replies: Vec<String> =
        report.replies.iter().map(|(code, n)| format!("{code}: {n}")).collect();
    writeln!(out, "replies  {}", replies.join(", "))?;
    writeln!(
        out,
        "loops    busiest one {:.0} % busy (median of seconds), {:.0} % at most; longest round {}",
        100.0 * report.loops.busy_share_median,
        100.0 * report.loops.busy_share_max,
        time(report.loops.longest_round_us)
    )?;
    missing(report, out)
}

fn missing(report: &Report<'_>, out: &mut Out) -> anyhow::Result<()> {
    if let Some(n) = report.not_recorded.filter(|n| *n > 0) {
        writeln!(
            out,
            "{n} messages are in the log and not in these statistics: the second in which sinkd \
             was killed, or mail that came with --stats off"
        )?;
    }
    Ok(())
}

/// One metric: its distribution as bars, or as HdrHistogram plotters read it.
pub fn metric(
    history: &History,
    metric: Metric,
    stats: &Stats,
    out: &mut Out,
) -> anyhow::Result<()> {
    let p = Percentiles::of_metric(history, metric);
    if stats.json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&p)?)?);
    }
    if stats.csv {
        return csv(&BTreeMap::from([(metric.tag(), p)]), out);
    }
    let Some(histogram) = history.histogram(metric) else {
        return Ok(writeln!(out, "{}: nothing was recorded", metric.tag())?);
    };
    if stats.hgrm {
        return hgrm(histogram, out);
    }
    writeln!(out, "{}: {}", metric.tag(), metric.help())?;
    let (low, high) = (histogram.min(), histogram.max());
    // Rows of equal ratio: times span orders of magnitude.
    let ratio = ((high + 1) as f64 / (low + 1) as f64).powf(1.0 / ROWS as f64).max(1.01);
    let (mut from, mut rows) = (low, Vec::new());
    while from <= high {
        let to = ((from + 1) as f64 * ratio) as u64;
        rows.push((from, histogram.count_between(from, to.saturating_sub(1).max(from))));
        from = to.max(from + 1);
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    for (from, n) in rows {
        let bar = "#".repeat((n as u128 * BAR_CHARS as u128).div_ceil(u128::from(most)) as usize);
        writeln!(out, "{:>12}  {n:>10}  {bar}", value(metric, from))?;
    }
    let (count, mean) = (p.count, value(metric, p.mean as u64));
    let at = |n| value(metric, n);
    writeln!(
        out,
        "{count} values, mean {mean}, p50 {}, p99 {}, max {}",
        at(p.p50),
        at(p.p99),
        at(p.max)
    )?;
    Ok(())
}

fn hgrm(histogram: &hdrhistogram::Histogram<u64>, out: &mut Out) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in histogram.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = step.value_iterated_to() as f64;
        write!(out, "{value:12.3} {quantile:14.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    let (max, count) = (histogram.max() as f64, histogram.len());
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]")?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 256)?;
    Ok(())
}

/// A line for each metric.
pub fn csv(metrics: &BTreeMap<&'static str, Percentiles>, out: &mut Out) -> anyhow::Result<()> {
    writeln!(out, "metric,count,mean,p50,p90,p99,p99_9,p99_99,max")?;
    for (tag, p) in metrics {
        writeln!(
            out,
            "{tag},{},{:.3},{},{},{},{},{},{}",
            p.count, p.mean, p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max
        )?;
    }
    Ok(())
}
