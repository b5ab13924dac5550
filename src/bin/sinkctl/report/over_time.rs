//! Plots over time: rate, open connections, event loops.
use sinkd::plot::{Hint, LinePlot, LineSeries, PlotUnit, Scale};
use sinkd::stats::{BusyShare, Counter, TenthSpan};

use super::figure::{Figure, FigureTexts, Width, moment};
use super::time_axis::{axis, middle, notes, span_of, time_axis};
use crate::base::print::seconds;
use sinkd::analysis::report::{Point, ReportData, TimeBuckets, TimeColumn};
use sinkd::wording::counted;

/// Maximum number of points of a line.
const POINTS_MAX: u64 = 500;
/// Runs up to this number of seconds are drawn by the tenth of a second.
const TENTHS_SPAN_MAX: u64 = 10;
/// The points of a line over time.
struct Curve {
    points: Vec<Point>,
    /// The span of the plot, in Unix seconds.
    span: (f64, f64),
    /// The length of each point, in seconds.
    length: f64,
    /// Whether each point covers several seconds.
    is_bucketed: bool,
}

impl Curve {
    /// Returns the curve of a value per second; `None` if it has fewer than two points.
    fn of(run: &ReportData, value: impl Fn(&sinkd::stats::Second) -> f64) -> Option<Curve> {
        let span = run.span()?;
        let buckets = TimeBuckets::divide(span, POINTS_MAX);
        let values = run.history.seconds.iter().map(|(second, counts)| (*second, value(counts)));
        let (points, length) = (buckets.points(values), buckets.length);
        (points.len() > 1).then_some(Curve {
            points,
            span: (span.start as f64, span.end as f64),
            length: length as f64,
            is_bucketed: length > 1,
        })
    }

    /// Returns the curve of messages per second, with one point per tenth of a second; `None` if
    /// the span is too long for that, or the curve has fewer than two points.
    fn of_tenths(run: &ReportData) -> Option<Curve> {
        let span = run.span().filter(|span| span.count() <= TENTHS_SPAN_MAX)?;
        let TenthSpan { first, last } = run.summary.span?;
        let tenths = span.iter().flat_map(|second| (0..10).map(move |i| (second, i)));
        let of = |second, i: usize| run.history.seconds.get(&second).map_or(0, |s| s.tenths[i]);
        let points: Vec<Point> = tenths
            .filter(|(second, i)| (first..=last).contains(&(second * 10 + *i as u64)))
            .map(|(second, i)| {
                let rate = 10.0 * of(second, i) as f64;
                let from = second as f64 + i as f64 / 10.0;
                Point { from, at: from + 0.05, mean: rate, low: rate, high: rate }
            })
            .collect();
        let span = (first as f64 / 10.0, (last + 1) as f64 / 10.0);
        (points.len() > 1).then_some(Curve { points, span, length: 0.1, is_bucketed: false })
    }

    fn high(&self) -> f64 {
        self.points.iter().map(|point| point.high).fold(0.0, f64::max)
    }

    fn series(&self, class: &'static str) -> LineSeries {
        let band = self.points.iter().filter(|_| self.is_bucketed);
        LineSeries {
            name: String::from(if self.is_bucketed { "mean" } else { "" }),
            class,
            points: self.points.iter().map(|point| (point.at, point.mean)).collect(),
            band: band.map(|point| (point.at, point.low, point.high)).collect(),
        }
    }

    fn hints(&self, text: impl Fn(f64) -> String) -> Vec<Hint> {
        let hint = |point: &Point| {
            let extremes = format!(" ({} to {})", text(point.low), text(point.high));
            let extremes = if self.is_bucketed { extremes } else { String::new() };
            let text =
                format!("{}: {}{extremes}", moment(point.from, self.length), text(point.mean));
            Hint { x: point.from, text }
        };
        self.points.iter().map(hint).collect()
    }

    /// Returns the sentence that explains the points.
    fn note(&self) -> String {
        let length = seconds(self.length);
        if self.is_bucketed {
            format!(
                "Each point is the mean of {length}; the band reaches from the lowest to the \
                 highest second of it."
            )
        } else {
            format!("Each point is {length}.")
        }
    }
}

pub fn rate(run: &ReportData) -> Option<Figure> {
    run.summary.span?;
    let messages = |second: &sinkd::stats::Second| second.counter(Counter::Messages) as f64;
    let course = Curve::of_tenths(run).or_else(|| Curve::of(run, messages))?;
    let lines = LinePlot {
        x: time_axis(course.span.0, course.span.1),
        y: axis("messages/s", Scale::from_zero(PlotUnit::PerSecond, course.high())),
        series: vec![course.series("s1")],
        notes: notes(run, course.span),
        hints: course.hints(|value| format!("{} messages/s", PlotUnit::Number.text(value.round()))),
    };
    let rate = run.summary.rate;
    let text = |value: f64| PlotUnit::Number.text(value.round());
    let words = FigureTexts {
        name: "rate",
        title: String::from("Messages per second over time"),
        note: format!(
            "Accepted messages. {} The first and the last second are rarely whole.",
            course.note()
        ),
        label: format!(
            "Messages per second over time: mean {}, median {}, peak {}",
            text(rate.mean),
            text(rate.median),
            text(rate.max)
        ),
    };
    Some(Figure::new(Width::Whole, words, |size, title, label| lines.draw(size, title, label)))
}

/// Draws the open connections; `None` if there was none at the end of any second, or the plot would
/// have only one point.
pub fn open_connections(run: &ReportData) -> Option<Figure> {
    let span = run.span()?;
    let buckets = TimeBuckets::divide(span, POINTS_MAX);
    let mut values = vec![0; buckets.count()];
    for source in &run.sources {
        let open = buckets.carried(&source.open_connections);
        values.iter_mut().zip(open).for_each(|(sum, open)| *sum += open);
    }
    let most = values.iter().copied().max().unwrap_or(0);
    if most == 0 || values.len() < 2 {
        return None;
    }
    let points = values.iter().enumerate().map(|(i, n)| (middle(&buckets, i), *n as f64));
    let hint = |(i, n): (usize, &u64)| {
        let from = buckets.seconds(i).start as f64;
        let open = counted(*n, "connection", "connections");
        Hint { x: from, text: format!("{}: {open}", moment(from, buckets.length as f64)) }
    };
    let (from, until) = span_of(&buckets);
    let points = points.collect();
    let lines = LinePlot {
        x: time_axis(from, until),
        y: axis("open connections", Scale::from_zero(PlotUnit::Number, most as f64)),
        series: vec![LineSeries { name: String::new(), class: "s1", points, band: Vec::new() }],
        notes: notes(run, (from, until)),
        hints: values.iter().enumerate().map(hint).collect(),
    };
    let words = FigureTexts {
        name: "connections",
        title: String::from("Open connections over time"),
        note: format!(
            "Those at the end of each second. Each point is the most in {}; while nothing \
             happened, they stay as they were.",
            seconds(buckets.length as f64)
        ),
        label: format!("Open connections over time: at most {most}"),
    };
    Some(Figure::new(Width::Whole, words, |size, title, label| lines.draw(size, title, label)))
}

pub fn busy(run: &ReportData) -> Option<Figure> {
    let course = Curve::of(run, |second| second.busiest_us as f64 / 1e6)?;
    if course.high() == 0.0 {
        return None;
    }
    let lines = LinePlot {
        x: time_axis(course.span.0, course.span.1),
        y: axis(
            "busy share of the second",
            Scale::from_zero(PlotUnit::Share, course.high().max(1.0)),
        ),
        series: vec![course.series("s3")],
        notes: notes(run, course.span),
        hints: course.hints(|value| PlotUnit::Share.text(value)),
    };
    let BusyShare { median, max } = run.summary.busy_share;
    let (median, max) = (PlotUnit::Share.text(median), PlotUnit::Share.text(max));
    let words = FigureTexts {
        name: "busy",
        title: String::from("The busiest event loop"),
        note: format!(
            "The part of each second that the busiest loop spent working. Near 100% the sink \
             sets the pace, and the sender could have been faster. {}",
            course.note()
        ),
        label: format!("Busy share of the busiest event loop: median {median}, at most {max}"),
    };
    Some(Figure::new(Width::Whole, words, |size, title, label| lines.draw(size, title, label)))
}

/// Draws the longest round in each column of time.
pub fn rounds(run: &ReportData) -> Option<Figure> {
    let buckets = run.timeline.as_ref().filter(|buckets| buckets.count() > 1)?;
    let longest = |column: &TimeColumn| column.longest_round_us as f64;
    let values: Vec<f64> = run.columns.iter().map(longest).collect();
    let max = values.iter().copied().fold(0.0, f64::max);
    let min = values.iter().copied().filter(|us| *us > 0.0).fold(max, f64::min);
    if max == 0.0 {
        return None;
    }
    // A column without rounds has no point, rather than a round of 0 µs.
    let value = |us: f64| if us > 0.0 { us } else { f64::NAN };
    let points = values.iter().enumerate().map(|(i, us)| (middle(buckets, i), value(*us)));
    let hint = |(i, us): (usize, &f64)| {
        let from = buckets.seconds(i).start as f64;
        Hint {
            x: from,
            text: format!(
                "{}: {}",
                moment(from, buckets.length as f64),
                PlotUnit::Microseconds.text(*us)
            ),
        }
    };
    let points = points.collect();
    let lines = LinePlot {
        x: time_axis(buckets.span.start as f64, buckets.span.end as f64),
        y: axis("longest round", Scale::log(PlotUnit::Microseconds, min, max)),
        series: vec![LineSeries { name: String::new(), class: "s3", points, band: Vec::new() }],
        notes: notes(run, span_of(buckets)),
        hints: values.iter().enumerate().filter(|(_, us)| **us > 0.0).map(hint).collect(),
    };
    let words = FigureTexts {
        name: "rounds",
        title: String::from("Longest round of an event loop"),
        note: format!(
            "While a loop is in a round, its other connections wait: this is the longest time the \
             sink kept anyone waiting. Each point is the maximum of {}.",
            seconds(buckets.length as f64)
        ),
        label: format!("Longest round over time: at most {}", PlotUnit::Microseconds.text(max)),
    };
    Some(Figure::new(Width::Whole, words, |size, title, label| lines.draw(size, title, label)))
}
