//! `/metrics`: the sums since the start, with the units and names that Prometheus recommends.
//!
//! The metrics come from the tables in `stats`: rows added there appear here automatically.
use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use hdrhistogram::Histogram;

use super::facts::MetricFacts;
use super::text::{MetricKind, MetricText};
use super::{disk, process, text};
use crate::stats::{Counter, History, Interval, ListenerCounts, Live, Metric, MetricUnit};

/// Answers `/metrics`. Copies a pointer to the sums, reads a few files of `/proc`, and writes the
/// text.
pub(super) async fn answer(State(facts): State<Arc<MetricFacts>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, text::CONTENT_TYPE)], write(&facts))
}

fn write(facts: &MetricFacts) -> String {
    let mut text = MetricText::default();
    let help = "Version of sinkd; the value is always 1.";
    text.head("sinkd_build_info", MetricKind::Gauge, help);
    let revision = crate::REVISION.map(|revision| ("revision", revision));
    let labels: Vec<_> = iter::once(("version", crate::VERSION)).chain(revision).collect();
    text.sample("sinkd_build_info", &labels, 1);
    process::write(&mut text, facts.started);
    disk::write(&mut text, &facts.data);
    let help = "Generation of the settings in force: 1 at the start, one more with each reload.";
    text.single("sinkd_generation", MetricKind::Gauge, help, (facts.generation)());
    text.single("sinkd_workers", MetricKind::Gauge, "Number of event loops.", facts.workers);
    if let Some(live) = &facts.live {
        let total = live.total();
        let mut replies = BTreeMap::<&str, u64>::new();
        // Replies that share a code and an enhanced code are added up.
        for (name, n) in live.reply_names().iter().zip(total.replies()) {
            *replies.entry(name).or_default() += n;
        }
        statistics(&mut text, |c| total.counter(c), &replies, |m| total.histogram(m));
        listeners(&mut text, live, &total);
        let (messages, seconds) = live.index_lag();
        let help = "Messages that are not indexed yet.";
        text.single("sinkd_index_lag_messages", MetricKind::Gauge, help, messages);
        let help = "Age of the oldest message that is not indexed yet.";
        text.single("sinkd_index_lag_seconds", MetricKind::Gauge, help, seconds);
        let help = "Attempts that found events.jsonl locked by another process.";
        text.single("sinkd_events_lock_busy_total", MetricKind::Counter, help, live.events_busy());
        let help = "System clock minus sinkd's clock, set from it at start and never since.";
        let ahead = live.clock_ahead_ms() as f64 / 1e3;
        text.single("sinkd_clock_ahead_seconds", MetricKind::Gauge, help, ahead);
    }
    text.into_string()
}

/// Appends the metrics of each listener, with its name as label.
fn listeners(text: &mut MetricText, live: &Live, total: &Interval) {
    let mut by_name = BTreeMap::<&str, ListenerCounts>::new();
    // Prometheus refuses an answer that has the same sample twice, so listeners with the same name
    // are added up.
    for (name, counts) in live.listener_names().iter().zip(total.listeners()) {
        by_name.entry(name).or_default().add(counts);
    }
    for (name, help, value) in BY_LISTENER {
        text.head(name, MetricKind::Counter, help);
        for (listener, counts) in &by_name {
            text.sample(name, &[("listener", listener)], value(counts));
        }
    }
}

/// A metric with the label `listener`: its name, its help, and a function that returns its value.
type ListenerMetric = (&'static str, &'static str, fn(&ListenerCounts) -> u64);

const BY_LISTENER: [ListenerMetric; 4] = [
    ("sinkd_listener_connections_total", "Connections accepted, by listener.", |counts| {
        counts.connections
    }),
    (
        "sinkd_listener_connections_denied_total",
        "Connections of clients that their listener does not serve, by listener.",
        |counts| counts.denied,
    ),
    ("sinkd_listener_messages_total", "Accepted messages, by listener.", |counts| counts.messages),
    ("sinkd_listener_message_bytes_total", "Bytes of accepted messages, by listener.", |counts| {
        counts.bytes
    }),
];

/// Returns the metrics of a recorded span, for `sinkctl stats --prometheus`.
pub fn of_history(history: &History) -> String {
    let mut text = MetricText::default();
    let values = |m: Metric| history.histogram(m).cloned().unwrap_or_else(|| m.histogram());
    statistics(&mut text, |c| history.total(c), &history.replies(), values);
    text.into_string()
}

fn statistics(
    text: &mut MetricText,
    counter: impl Fn(Counter) -> u64,
    replies: &BTreeMap<&str, u64>,
    values: impl Fn(Metric) -> Histogram<u64>,
) {
    let has_labels = |one: &&Counter| {
        Counter::TOLERATED.iter().any(|(_, counter)| counter == *one)
            || Counter::TLS_FAILED.iter().any(|(_, counter)| counter == *one)
            || matches!(one, Counter::Tls12 | Counter::Tls13)
    };
    for one in Counter::ALL.iter().filter(|one| !has_labels(one)) {
        let ((name, unit), value) = (counter_name(*one), counter(*one));
        match unit {
            MetricUnit::Microseconds => {
                text.single(&name, MetricKind::Counter, one.help(), seconds(value as f64))
            }
            _ => text.single(&name, MetricKind::Counter, one.help(), value),
        }
    }
    let name = "sinkd_tolerated_total";
    text.head(
        name,
        MetricKind::Counter,
        "Commands accepted although they broke a rule, by kind of rule.",
    );
    for (kind, one) in Counter::TOLERATED {
        text.sample(name, &[("kind", kind.name())], counter(*one));
    }
    tls(text, &counter);
    let name = "sinkd_replies_total";
    text.head(name, MetricKind::Counter, "Replies by code and enhanced code.");
    for (reply, n) in replies {
        let (code, enhanced) = reply.split_once(' ').unwrap_or((reply, ""));
        text.sample(name, &[("code", code), ("enhanced", enhanced)], n);
    }
    for metric in Metric::SINK {
        histogram(text, *metric, &values(*metric));
    }
}

/// Appends handshakes by version, and failures by kind.
fn tls(text: &mut MetricText, counter: &impl Fn(Counter) -> u64) {
    let name = "sinkd_tls_sessions_total";
    text.head(name, MetricKind::Counter, "TLS handshakes that were completed, by version.");
    for (one, version) in [(Counter::Tls12, "1.2"), (Counter::Tls13, "1.3")] {
        text.sample(name, &[("version", version)], counter(one));
    }
    let name = "sinkd_tls_failures_total";
    text.head(name, MetricKind::Counter, "Failures of TLS, by kind: the client's alert, or ours.");
    for (kind, one) in Counter::TLS_FAILED {
        text.sample(name, &[("kind", kind.name())], counter(*one));
    }
}

/// Returns the suffix that Prometheus' naming rules require for the base unit of `unit`.
fn suffix(unit: MetricUnit) -> &'static str {
    match unit {
        MetricUnit::Microseconds => "_seconds",
        MetricUnit::Bytes => "_bytes",
        MetricUnit::BytesPerSecond => "_bytes_per_second",
        MetricUnit::Number => "",
    }
}

/// Returns the upper bounds of the buckets, in ascending order.
fn bounds(unit: MetricUnit) -> Vec<u64> {
    let powers_of_4 = |range: std::ops::RangeInclusive<u32>| range.map(|n| 1 << (2 * n));
    match unit {
        // 10 µs to 100 s.
        MetricUnit::Microseconds => {
            let decades = (1..8).flat_map(|n| [10, 25, 50].map(|first| first * 10_u64.pow(n - 1)));
            decades.chain([100_000_000]).collect()
        }
        // 64 B to 4 GiB.
        MetricUnit::Bytes => powers_of_4(3..=16).collect(),
        // 1 KiB/s to 16 GiB/s.
        MetricUnit::BytesPerSecond => powers_of_4(5..=17).collect(),
        // 1 to about a million.
        MetricUnit::Number => powers_of_4(0..=10).collect(),
    }
}

/// Converts µs to seconds, the base unit of Prometheus.
fn seconds(us: f64) -> f64 {
    us / 1e6
}

fn counter_name(counter: Counter) -> (String, MetricUnit) {
    let (stem, unit) = match counter {
        // Tags that need another name outside their table.
        Counter::MessageBytes => ("message", MetricUnit::Bytes),
        Counter::Refused => ("messages_refused", MetricUnit::Number),
        Counter::Closed => ("connections_closed", MetricUnit::Number),
        Counter::ClosedMessages => ("connections_closed_messages", MetricUnit::Number),
        Counter::TurnedAway => ("connections_turned_away", MetricUnit::Number),
        Counter::Dismissed => ("connections_dismissed", MetricUnit::Number),
        Counter::Denied => ("connections_denied", MetricUnit::Number),
        Counter::Proxied => ("connections_proxied", MetricUnit::Number),
        Counter::ProxyRefused => ("connections_refused_as_proxy", MetricUnit::Number),
        Counter::ProxyUnexpected => ("proxy_headers_unexpected", MetricUnit::Number),
        Counter::Xclient => ("xclient_commands", MetricUnit::Number),
        Counter::XclientRefused => ("xclient_commands_refused", MetricUnit::Number),
        Counter::Saturated => ("values_saturated", MetricUnit::Number),
        _ => MetricUnit::split(counter.tag()),
    };
    (format!("sinkd_{stem}{}_total", suffix(unit)), unit)
}

fn histogram_name(metric: Metric) -> (String, MetricUnit) {
    let (stem, unit) = match metric {
        // `message_bytes` is the name of a counter.
        Metric::MessageSize => ("message_size", MetricUnit::Bytes),
        _ => MetricUnit::split(metric.tag()),
    };
    (format!("sinkd_{stem}{}", suffix(unit)), unit)
}

/// Appends a histogram. Recorded values are exact to 1%, so values just above a bound may count as
/// within it, and the sum is equally exact. No number in it ever decreases, as each recorded value
/// stays in its bucket.
fn histogram(text: &mut MetricText, metric: Metric, values: &Histogram<u64>) {
    let (name, unit) = histogram_name(metric);
    let in_unit = |value: u64| match unit {
        MetricUnit::Microseconds => seconds(value as f64).to_string(),
        _ => value.to_string(),
    };
    let bounds = bounds(unit);
    let mut counts = vec![0_u64; bounds.len() + 1];
    let mut sum = 0_u128;
    for step in values.iter_recorded() {
        let value = step.value_iterated_to();
        let lowest = values.lowest_equivalent(value);
        let place = bounds.partition_point(|bound| *bound < lowest);
        counts[place] += step.count_at_value();
        sum += u128::from(values.median_equivalent(value)) * u128::from(step.count_at_value());
    }
    text.head(&name, MetricKind::Histogram, metric.help());
    let bucket = format!("{name}_bucket");
    let mut count = 0;
    for (n, bound) in counts.iter().zip(&bounds) {
        count += n;
        text.sample(&bucket, &[("le", &in_unit(*bound))], count);
    }
    count += counts[bounds.len()];
    text.sample(&bucket, &[("le", "+Inf")], count);
    match unit {
        MetricUnit::Microseconds => text.sample(&format!("{name}_sum"), &[], seconds(sum as f64)),
        _ => text.sample(&format!("{name}_sum"), &[], sum),
    }
    text.sample(&format!("{name}_count"), &[], count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_base_unit_and_are_distinct() {
        let mut names: Vec<String> = Counter::ALL.iter().map(|c| counter_name(*c).0).collect();
        names.extend(Metric::SINK.iter().map(|m| histogram_name(*m).0));
        for wanted in [
            "sinkd_messages_total",
            "sinkd_recipients_total",
            "sinkd_message_bytes_total",
            "sinkd_connections_total",
            "sinkd_busy_seconds_total",
            "sinkd_transaction_seconds",
            "sinkd_message_size_bytes",
            "sinkd_transfer_bytes_per_second",
            "sinkd_commands_per_read",
        ] {
            assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
        }
        let all = names.len();
        // The names of counters and histograms must differ even without the suffix of counters.
        let mut stems: Vec<&str> = names.iter().map(|n| n.trim_end_matches("_total")).collect();
        stems.sort_unstable();
        stems.dedup();
        assert_eq!(stems.len(), all, "{stems:?}");
    }

    #[test]
    fn bounds_rise_from_10_us_to_100_s() {
        let times = bounds(MetricUnit::Microseconds);
        assert_eq!(&times[..4], [10, 25, 50, 100]);
        assert_eq!(&times[times.len() - 4..], [10_000_000, 25_000_000, 50_000_000, 100_000_000]);
        for metric in Metric::ALL {
            assert!(bounds(metric.unit()).is_sorted());
        }
    }

    #[test]
    fn a_bucket_counts_values_up_to_its_bound_and_the_last_counts_all() {
        let mut values = Metric::Transaction.histogram();
        for value in [0, 10, 11, 25, 1000, 1_000_000, 500_000_000] {
            values.record(value).unwrap();
        }
        let mut text = MetricText::default();
        histogram(&mut text, Metric::Transaction, &values);
        let text = text.into_string();
        for line in [
            "_bucket{le=\"0.00001\"} 2",
            "_bucket{le=\"0.000025\"} 4",
            "_bucket{le=\"0.0005\"} 4",
            "_bucket{le=\"0.001\"} 5",
            "_bucket{le=\"1\"} 6",
            "_bucket{le=\"100\"} 6",
            "_bucket{le=\"+Inf\"} 7",
            "_count 7",
        ] {
            let line = format!("sinkd_transaction_seconds{line}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
        let sum = text.lines().find_map(|l| l.strip_prefix("sinkd_transaction_seconds_sum "));
        let sum: f64 = sum.unwrap().parse().unwrap();
        assert!((sum / 501.001_046 - 1.0).abs() < 0.01, "{sum}");
    }
}
