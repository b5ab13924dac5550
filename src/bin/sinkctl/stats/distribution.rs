//! Prints one histogram: as bars, as numbers, or in the format of HdrHistogram plotters.
use std::collections::BTreeMap;
use std::io::Write;

use hdrhistogram::Histogram;
use sinkd::stats::{Metric, Percentiles};

use super::histogram_subject::HistogramSubject;
use super::output::HistogramForm;
use super::screen::value;
use crate::base::outcome::Out;
use sinkd::analysis::RunStatistics;
use sinkd::wording::{counted, whole};

/// Width of a bar in columns.
const BAR_CHARS: usize = 40;
/// Rows of a histogram as text.
const ROWS: usize = 20;

pub fn print(
    gathered: &RunStatistics,
    subject: HistogramSubject,
    form: HistogramForm,
    out: &mut Out,
) -> anyhow::Result<()> {
    let made;
    let histogram = match subject {
        HistogramSubject::Metric(metric) => gathered.history.histogram(metric),
        HistogramSubject::Throughput(window) => {
            made = gathered.summary.throughput(window);
            Some(&made).filter(|histogram| !histogram.is_empty())
        }
    };
    let name = subject.name();
    let p = histogram.map(Percentiles::of).unwrap_or_default();
    match (form, histogram) {
        (HistogramForm::Json, _) => Ok(writeln!(out, "{}", serde_json::to_string(&p)?)?),
        (HistogramForm::Csv, _) => csv(&BTreeMap::from([(name, p)]), out),
        (HistogramForm::Bars | HistogramForm::Hgrm, None) => {
            Ok(writeln!(out, "{name}: nothing was recorded")?)
        }
        (HistogramForm::Hgrm, Some(histogram)) => hgrm(histogram, out),
        (HistogramForm::Bars, Some(histogram)) => text(subject, histogram, &p, out),
    }
}

/// Prints bars, and a line with the most important percentiles.
fn text(
    subject: HistogramSubject,
    histogram: &Histogram<u64>,
    p: &Percentiles,
    out: &mut Out,
) -> anyhow::Result<()> {
    let metric = match subject {
        HistogramSubject::Metric(metric) => Some(metric),
        HistogramSubject::Throughput(_) => None,
    };
    writeln!(out, "{}: {}", subject.name(), subject.help())?;
    bars(histogram, metric, out)?;
    let text = |n| value(metric, n);
    let (mean, median) = (text(p.mean as u64), text(p.p50));
    let (high, max) = (text(p.p99), text(p.max));
    let values = counted(p.count, "value", "values");
    Ok(writeln!(out, "{values}, mean {mean}, p50 {median}, p99 {high}, max {max}")?)
}

/// Rows of times have equal ratios, because times span orders of magnitude; rows of rates have
/// equal widths.
fn bars(h: &Histogram<u64>, metric: Option<Metric>, out: &mut Out) -> anyhow::Result<()> {
    let (low, high) = (h.min(), h.max());
    let ratio = ((high + 1) as f64 / (low + 1) as f64).powf(1.0 / ROWS as f64).max(1.01);
    let width = ((high - low) / ROWS as u64).max(1);
    let (mut from, mut rows) = (low, Vec::new());
    while from <= high {
        let to = match metric {
            Some(_) => (((from + 1) as f64 * ratio) as u64).max(from + 1),
            None => from + width,
        };
        // Values that the histogram does not distinguish belong to one row.
        let to = h.highest_equivalent(to - 1) + 1;
        rows.push((from, h.count_between(from, to - 1)));
        from = to;
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    for (from, n) in rows {
        let bar = "#".repeat((n as u128 * BAR_CHARS as u128).div_ceil(u128::from(most)) as usize);
        let line = format!("{:>12}  {:>10}  {bar}", value(metric, from), whole(n as f64));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn hgrm(histogram: &Histogram<u64>, out: &mut Out) -> anyhow::Result<()> {
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

/// Prints a line per metric.
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
