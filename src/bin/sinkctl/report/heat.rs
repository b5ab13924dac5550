//! A heat map of transaction times over time.
use hdrhistogram::Histogram;
use sinkd::analysis::report::{ReportData, TimeBuckets, TimeColumn};
use sinkd::plot::{Heat, Hint, LineSeries, PlotUnit, Scale};
use sinkd::stats::Metric;
use sinkd::wording::counted;

use super::figure::{Figure, FigureTexts, Width, moment};
use super::time_axis::{axis, middle, notes, span_of, time_axis};
use crate::base::print::seconds;

/// Maximum number of rows, in total and per decade.
const ROWS_MAX: f64 = 40.0;
const ROWS_PER_DECADE_MAX: f64 = 12.0;

/// Draws transaction times over time; `None` if there were none, or the map would have only one
/// column.
pub fn heat(run: &ReportData) -> Option<Figure> {
    let buckets = run.timeline.as_ref().filter(|buckets| buckets.count() > 1)?;
    let all = run.history.histogram(Metric::Transaction)?;
    let (low, high) = (all.min() as f64, all.max() as f64);
    let scale = Scale::log(PlotUnit::Microseconds, low, high);
    let rows = rows(scale.bounds());
    let counts = run.columns.iter().map(|column| in_rows(&column.transactions, &rows)).collect();
    let mut columns: Vec<f64> =
        (0..buckets.count()).map(|i| buckets.seconds(i).start as f64).collect();
    columns.push(buckets.span.end as f64);
    let heat = Heat {
        x: time_axis(buckets.span.start as f64, buckets.span.end as f64),
        y: axis("transaction time", scale),
        columns,
        rows,
        counts,
        what: String::from("messages"),
        series: vec![
            percentile(run, buckets, ("p50", 0.5), "over1"),
            percentile(run, buckets, ("p99", 0.99), "over2"),
        ],
        notes: notes(run, span_of(buckets)),
        hints: heat_hints(run, buckets),
    };
    let text = |quantile| PlotUnit::Microseconds.text(all.value_at_quantile(quantile) as f64);
    let words = FigureTexts {
        name: "latency",
        title: String::from("Transaction time over time"),
        note: format!(
            "Each column is {}; the stronger the color, the more transactions took that long, \
             from MAIL to the final reply. Two bands tell of two kinds of messages or two paths; \
             a column that reaches up is a stall.",
            seconds(buckets.length as f64)
        ),
        label: format!(
            "Heat map of transaction times over time: p50 {}, p99 {}, at most {}",
            text(0.5),
            text(0.99),
            text(1.0)
        ),
    };
    Some(Figure::new(Width::Whole, words, |mut size, title, label| {
        size.height += 60.0;
        heat.draw(size, title, label)
    }))
}

/// Returns row edges with equal ratios between the bounds.
fn rows((from, until): (f64, f64)) -> Vec<f64> {
    let decades = (until / from).log10();
    let count = (decades * ROWS_PER_DECADE_MAX).round().clamp(1.0, ROWS_MAX) as usize;
    let ratio = (until / from).powf(1.0 / count as f64);
    (0..=count).map(|i| from * ratio.powi(i as i32)).collect()
}

fn in_rows(histogram: &Histogram<u64>, edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() - 1];
    for step in histogram.iter_recorded() {
        let value = step.value_iterated_to() as f64;
        let row = edges[1..edges.len() - 1].partition_point(|edge| *edge <= value);
        counts[row] += step.count_at_value();
    }
    counts
}

fn percentile(
    run: &ReportData,
    buckets: &TimeBuckets,
    (name, quantile): (&str, f64),
    class: &'static str,
) -> LineSeries {
    let value = |column: &TimeColumn| {
        if column.transactions.is_empty() {
            f64::NAN
        } else {
            column.transactions.value_at_quantile(quantile) as f64
        }
    };
    let points = run.columns.iter().enumerate();
    let points = points.map(|(i, column)| (middle(buckets, i), value(column))).collect();
    LineSeries { name: name.to_owned(), class, points, band: Vec::new() }
}

fn heat_hints(run: &ReportData, buckets: &TimeBuckets) -> Vec<Hint> {
    let hint = |(i, column): (usize, &TimeColumn)| {
        let from = buckets.seconds(i).start as f64;
        let times = &column.transactions;
        let at = |quantile| PlotUnit::Microseconds.text(times.value_at_quantile(quantile) as f64);
        let begin = moment(from, buckets.length as f64);
        let text = if times.is_empty() {
            format!("{begin}: nothing")
        } else {
            let messages = counted(times.len(), "message", "messages");
            format!("{begin}: {messages}, p50 {}, p99 {}, max {}", at(0.5), at(0.99), at(1.0))
        };
        Hint { x: from, text }
    };
    run.columns.iter().enumerate().map(hint).collect()
}
