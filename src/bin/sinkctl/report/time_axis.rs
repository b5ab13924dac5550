//! What plots over time have in common: the axis, and runs and marks on it.
use sinkd::analysis::course::{ReportData, RunEvent, TimeBuckets};
use sinkd::plot::{Axis, Note, Scale};

use super::figure::date;

/// The axis of the time of day, Unix s.
pub fn time_axis(from: f64, until: f64) -> Axis {
    let (first, last) = (date(from), date((until - 0.001).max(from)));
    let days = if first == last { first } else { format!("{first} to {last}") };
    Axis { title: format!("time of day (UTC), {days}"), scale: Scale::time(from, until) }
}

/// An axis of anything else.
pub fn axis(title: &str, scale: Scale) -> Axis {
    Axis { title: title.to_owned(), scale }
}

/// Runs and marks that an axis from `from` to `until` shows.
pub fn notes(run: &ReportData, (from, until): (f64, f64)) -> Vec<Note> {
    let ends = |event: &RunEvent| match event.is_run {
        true => Some(event.until.unwrap_or(until)),
        false => None,
    };
    let is_seen =
        |event: &&RunEvent| event.from < until && ends(event).unwrap_or(event.from) > from;
    let note =
        |event: &RunEvent| Note { from: event.from, until: ends(event), text: event.text.clone() };
    run.events.iter().filter(is_seen).map(note).collect()
}

/// What the buckets cover, Unix s.
pub fn span_of(buckets: &TimeBuckets) -> (f64, f64) {
    (buckets.span.start as f64, buckets.span.end as f64)
}

/// The middle of a bucket, Unix s.
pub fn middle(buckets: &TimeBuckets, index: usize) -> f64 {
    let seconds = buckets.seconds(index);
    (seconds.start + seconds.end) as f64 / 2.0
}
