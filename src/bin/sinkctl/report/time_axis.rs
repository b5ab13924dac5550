//! Common parts of plots over time: the axis, with runs and marks.
use sinkd::analysis::report::{ReportData, RunEvent, TimeBuckets};
use sinkd::plot::{Axis, Note, Scale};

use super::figure::date;

/// Returns the axis of the time of day, in Unix seconds.
pub fn time_axis(from: f64, until: f64) -> Axis {
    let (first, last) = (date(from), date((until - 0.001).max(from)));
    let days = if first == last { first } else { format!("{first} to {last}") };
    Axis { title: format!("time of day (UTC), {days}"), scale: Scale::time(from, until) }
}

/// Returns an axis with this title and scale.
pub fn axis(title: &str, scale: Scale) -> Axis {
    Axis { title: title.to_owned(), scale }
}

/// Returns the runs and marks that an axis from `from` to `until` shows.
pub fn notes(run: &ReportData, (from, until): (f64, f64)) -> Vec<Note> {
    let ends =
        |event: &RunEvent| if event.is_run { Some(event.until.unwrap_or(until)) } else { None };
    let is_seen = |event: &&RunEvent| match ends(event) {
        Some(end) => event.from < until && end > from,
        None => (from..until).contains(&event.from),
    };
    let note =
        |event: &RunEvent| Note { from: event.from, until: ends(event), text: event.text.clone() };
    run.events.iter().filter(is_seen).map(note).collect()
}

/// Returns the span of the buckets, in Unix seconds.
pub fn span_of(buckets: &TimeBuckets) -> (f64, f64) {
    (buckets.span.start as f64, buckets.span.end as f64)
}

/// Returns the middle of a bucket, in Unix seconds.
pub fn middle(buckets: &TimeBuckets, index: usize) -> f64 {
    let seconds = buckets.seconds(index);
    (seconds.start + seconds.end) as f64 / 2.0
}
