//! Plots of distributions: throughput, percentiles, sizes.
use hdrhistogram::Histogram;
use sinkd::plot::{Axis, Bar, Bars, LinePlot, LineSeries, PlotUnit, Scale};
use sinkd::stats::{MessageWindow, Metric};

use super::figure::{Figure, FigureTexts, Width, name};
use crate::base::plot_unit::plot_unit;
use sinkd::analysis::report::ReportData;
use sinkd::wording::counted;

/// Maximum number of bars in a plot.
const BARS_MAX: f64 = 40.0;
/// Up to this many recipients, each count has its own bar.
const SINGLE_MAX: u64 = 40;
/// Points of a percentile curve between two quantiles that differ by one nine, such as 0.9 and
/// 0.99.
const POINTS_PER_NINE: f64 = 30.0;
/// Metrics with fewer values have no curve.
const VALUES_MIN: u64 = 10;
/// Maximum number of bars for a factor of ten on a logarithmic scale.
const BARS_PER_DECADE_MAX: f64 = 10.0;

fn axis(title: &str, scale: Scale) -> Axis {
    Axis { title: title.to_owned(), scale }
}

/// Draws the distribution of messages per second, or per tenth of a second.
pub fn throughput(run: &ReportData, window: MessageWindow) -> Option<Figure> {
    let histogram = run.summary.throughput(window);
    // A single span is a number, not a distribution.
    if histogram.len() < 2 {
        return None;
    }
    let (name, title, x, span, spans) = match window {
        MessageWindow::Second => (
            "throughput-1s",
            "Distribution of messages per second",
            "messages in a second",
            "second",
            "seconds",
        ),
        MessageWindow::Tenth => {
            let spans = "spans of 100 ms";
            (
                "throughput-100ms",
                "Distribution of messages per 100 ms",
                "messages in 100 ms",
                "span",
                spans,
            )
        }
    };
    let nothing = histogram.count_at(0);
    let bars = even_bars(&histogram, |n| counted(n, span, spans));
    let end = bars.last().map_or(1.0, |bar| bar.until);
    let most = bars.iter().map(|bar| bar.count).fold(0.0, f64::max);
    // A long silence must not make the rest invisible: its bar is cut off, and labeled with its
    // number.
    let most = most.max((nothing as f64).min(1.5 * most));
    let plot = Bars {
        x: axis(x, Scale::from_zero(PlotUnit::Number, end)),
        y: axis(spans, Scale::from_zero(PlotUnit::Number, most)),
        bars,
        nothing: nothing as f64,
    };
    let silence = silence(&histogram, span, spans);
    let counted = count_of_values(&histogram);
    let words = FigureTexts {
        name,
        title: title.to_owned(),
        note: format!(
            "A steady run is one narrow hill; stutter is a tail to the left. {counted}{silence}"
        ),
        label: format!("{title}: {counted}{silence}"),
    };
    Some(Figure::new(Width::Half, words, |size, title, label| plot.draw(size, title, label)))
}

/// Returns the sentence about spans without a message.
fn silence(histogram: &Histogram<u64>, span: &str, spans: &str) -> String {
    match histogram.count_at(0) {
        0 => format!("No {span} was without a message."),
        n => format!(
            "{} of {} had no message at all.",
            PlotUnit::Number.text(n as f64),
            counted(histogram.len(), span, spans)
        ),
    }
}

/// Returns bars of equal width from 0 on. Values of 0 are not counted.
fn even_bars(histogram: &Histogram<u64>, text: impl Fn(u64) -> String) -> Vec<Bar> {
    let max = histogram.max();
    let width = bar_width(max);
    let mut counts = vec![0u64; (max / width) as usize + 1];
    for step in histogram.iter_recorded().filter(|step| step.value_iterated_to() > 0) {
        counts[(step.value_iterated_to().min(max) / width) as usize] += step.count_at_value();
    }
    let bar = |(i, n): (usize, &u64)| {
        let (from, until) = (i as u64 * width, (i as u64 + 1) * width);
        let range = if width == 1 { from.to_string() } else { format!("{from} to {}", until - 1) };
        let hint = format!("{range} messages: {}", text(*n));
        Bar { from: from as f64, until: until as f64, count: *n as f64, hint }
    };
    counts.iter().enumerate().map(bar).collect()
}

/// Returns the sentence about the median and the first percentile of spans, if they are above 0.
fn count_of_values(histogram: &Histogram<u64>) -> String {
    let at = |quantile| histogram.value_at_quantile(quantile);
    let text = |n: u64| PlotUnit::Number.text(n as f64);
    match (at(0.5), at(0.01)) {
        (0, _) => String::new(),
        (half, 0) => format!("Half had {} or more. ", text(half)),
        (half, most) => format!("Half had {} or more, 99% {}. ", text(half), text(most)),
    }
}

/// Returns the width of bars over whole numbers from 0 to `max`.
fn bar_width(max: u64) -> u64 {
    let least = ((max + 1) as f64 / BARS_MAX).max(1.0);
    let decade = 10f64.powf(least.log10().floor());
    let fitting = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * decade >= least);
    (fitting.unwrap_or(10.0) * decade) as u64
}

/// Draws the transaction times, and the sink's part in them.
pub fn sink_curves(run: &ReportData) -> Option<Figure> {
    let metrics = [
        Metric::Transaction,
        Metric::ServiceMessage,
        Metric::ServiceCommand,
        Metric::CommitWait,
        Metric::Transfer,
    ];
    let words = |label| FigureTexts {
        name: "percentiles",
        title: String::from("Transactions and the sink's part in them"),
        note: String::from(
            "For each time, the curve shows the share of values up to it: where it reaches 99%, \
             one in a hundred took longer. Transaction: MAIL to the final reply. Service: the \
             sink's own time to answer. Transfer: first octet of a payload to its last. Times are \
             exact to the round of the event loop.",
        ),
        label,
    };
    curves(run, &metrics, words)
}

/// Draws the sender's own times.
pub fn sender_curves(run: &ReportData) -> Option<Figure> {
    let words = |label| FigureTexts {
        name: "think",
        title: String::from("The sender's time between a reply and what it sent next"),
        note: String::from(
            "What the sink waited for, the network's round trip included: from the reply to EHLO, \
             MAIL, RCPT, DATA, the payload, the next MAIL, the close. High curves mean that \
             the sender, or the network to it, was slow.",
        ),
        label,
    };
    curves(run, &Metric::THINK, words)
}

/// Draws what a sender recorded: how long it waited for each reply.
pub fn reply_curves(run: &ReportData) -> Option<Figure> {
    let words = |label| FigureTexts {
        name: "replies",
        title: String::from("The sender's waits for the target"),
        note: String::from(
            "From writing a command to receiving its reply; for connections, from the request \
             until it is open. The payload's is from its last byte to the final reply.",
        ),
        label,
    };
    curves(run, &Metric::REPLY, words)
}

/// Draws percentile curves on the scale of HdrHistogram; `None` if no metric has enough values.
/// Metrics with few values have no curve; the table includes them.
fn curves(
    run: &ReportData,
    metrics: &[Metric],
    words: impl Fn(String) -> FigureTexts,
) -> Option<Figure> {
    const CLASSES: [&str; 9] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
    const _: () = assert!(Metric::REPLY.len() <= CLASSES.len());
    const _: () = assert!(Metric::THINK.len() <= CLASSES.len());
    let recorded = |(i, metric): (usize, &Metric)| {
        let histogram = run.history.histogram(*metric)?;
        (histogram.len() >= VALUES_MIN).then_some((i, *metric, histogram))
    };
    let found: Vec<_> = metrics.iter().enumerate().filter_map(recorded).collect();
    let most = found.iter().map(|(_, _, histogram)| histogram.len()).max()?;
    let low = found.iter().map(|(_, _, histogram)| histogram.min()).min()?;
    let high = found.iter().map(|(_, _, histogram)| histogram.max()).max()?;
    let series = found.iter().map(|(i, metric, histogram)| LineSeries {
        name: name(*metric),
        class: CLASSES[*i],
        points: curve(histogram),
        band: Vec::new(),
    });
    let lines = LinePlot {
        x: axis("percentile", Scale::percentile(most as f64)),
        y: axis("time", Scale::log(PlotUnit::Microseconds, low as f64, high as f64)),
        series: series.collect(),
        notes: Vec::new(),
        hints: Vec::new(),
    };
    let figures = found.iter().map(|(_, metric, histogram)| {
        let at =
            |quantile| PlotUnit::Microseconds.text(histogram.value_at_quantile(quantile) as f64);
        format!("{} p50 {}, p99 {}", name(*metric), at(0.5), at(0.99))
    });
    let label = format!("Percentile curves: {}", figures.collect::<Vec<_>>().join("; "));
    let draw = |mut size: sinkd::plot::PlotSize, title: &str, label: &str| {
        size.height += 60.0;
        lines.draw(size, title, label)
    };
    Some(Figure::new(Width::Whole, words(label), draw))
}

/// Returns points (1/(1-q), value at quantile q), as far as the number of values supports.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let count = histogram.len() as f64;
    let steps = (count.log10() * POINTS_PER_NINE).floor() as i32;
    let mut points: Vec<(f64, f64)> = (0..=steps)
        .map(|i| 10f64.powf(f64::from(i) / POINTS_PER_NINE))
        .map(|odds| (odds, histogram.value_at_quantile(1.0 - 1.0 / odds) as f64))
        .collect();
    // The last point is reserved for the maximum.
    points.retain(|(odds, _)| *odds < 0.999 * count);
    points.push((count, histogram.max() as f64));
    points
}

/// Draws the sizes of messages; returns a sentence instead if all are equal.
pub fn sizes(run: &ReportData) -> (Option<Figure>, String) {
    distribution(run, Metric::MessageSize, "sizes", "Message sizes")
}

/// Draws the recipients per message; returns a sentence instead if all messages have the same
/// number.
pub fn recipients(run: &ReportData) -> (Option<Figure>, String) {
    distribution(run, Metric::Recipients, "recipients", "Recipients per message")
}

fn distribution(
    run: &ReportData,
    metric: Metric,
    name: &'static str,
    title: &str,
) -> (Option<Figure>, String) {
    let Some(histogram) = run.history.histogram(metric) else {
        return (None, String::new());
    };
    let totals = run.summary.totals;
    let total = if metric == Metric::Recipients { totals.recipients } else { totals.bytes };
    let mean = total as f64 / totals.messages.max(1) as f64;
    let mean = plot_unit(metric).text(mean);
    if histogram.equivalent(histogram.min(), histogram.max()) {
        let what = match metric {
            Metric::Recipients if mean == "1" => "recipient",
            Metric::Recipients => "recipients",
            _ => "in size",
        };
        return (None, format!("<p>Every message: {mean} {what}.</p>\n"));
    }
    let bars = match metric {
        Metric::Recipients if histogram.max() <= SINGLE_MAX => single_bars(histogram),
        _ => ratio_bars(histogram, plot_unit(metric)),
    };
    let most = bars.1.iter().map(|bar| bar.count).fold(0.0, f64::max);
    let x =
        if metric == Metric::Recipients { "recipients of a message" } else { "size of a message" };
    let plot = Bars {
        x: axis(x, bars.0),
        y: axis("messages", Scale::from_zero(PlotUnit::Number, most)),
        bars: bars.1,
        nothing: 0.0,
    };
    let at = |value: u64| plot_unit(metric).text(value as f64);
    let (p50, max) = (at(histogram.value_at_quantile(0.5)), at(histogram.max()));
    let words = FigureTexts {
        name,
        title: title.to_owned(),
        note: format!("Of accepted messages: mean {mean}, median {p50}, largest {max}."),
        label: format!("{title}: mean {mean}, median {p50}, largest {max}"),
    };
    let figure =
        Figure::new(Width::Half, words, |size, title, label| plot.draw(size, title, label));
    (Some(figure), String::new())
}

/// Returns a bar per number.
fn single_bars(histogram: &Histogram<u64>) -> (Scale, Vec<Bar>) {
    let bar = |n: u64| {
        let count = histogram.count_at(n);
        let hint = format!("{n}: {}", counted(count, "message", "messages"));
        Bar { from: n as f64 - 0.4, until: n as f64 + 0.4, count: count as f64, hint }
    };
    let max = histogram.max();
    (Scale::from_zero(PlotUnit::Number, max as f64 + 0.5), (0..=max).map(bar).collect())
}

/// Returns bars whose edges have equal ratios.
fn ratio_bars(histogram: &Histogram<u64>, unit: PlotUnit) -> (Scale, Vec<Bar>) {
    let scale = Scale::log(unit, histogram.min() as f64, histogram.max() as f64);
    let (from, until) = scale.bounds();
    let count = ((until / from).log10() * BARS_PER_DECADE_MAX).round().clamp(1.0, BARS_MAX);
    let edge = |i: usize| from * (until / from).powf(i as f64 / count);
    let mut counts = vec![0u64; count as usize];
    for step in histogram.iter_recorded() {
        let position = scale.position(step.value_iterated_to() as f64) * count;
        counts[(position as usize).min(count as usize - 1)] += step.count_at_value();
    }
    let bar = |(i, n): (usize, &u64)| {
        let (from, until) = (edge(i), edge(i + 1));
        let messages = counted(*n, "message", "messages");
        let hint = format!("{} to {}: {messages}", unit.text(from), unit.text(until));
        Bar { from, until, count: *n as f64, hint }
    };
    (scale, counts.iter().enumerate().map(bar).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_round_widths() {
        for (max, width) in [(0, 1), (1, 1), (39, 1), (40, 2), (9999, 500), (12_345, 500)] {
            assert_eq!(bar_width(max), width, "{max}");
        }
    }

    #[test]
    fn a_curve_ends_at_the_highest_value() {
        let mut histogram = Metric::Transaction.histogram();
        histogram.record(70).unwrap();
        assert_eq!(curve(&histogram), [(1.0, 70.0)]);
        histogram.record_n(50, 999).unwrap();
        let points = curve(&histogram);
        assert_eq!(points.last(), Some(&(1000.0, 70.0)));
        assert!(points.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{points:?}");
    }
}
