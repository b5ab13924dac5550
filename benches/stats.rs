//! The cost of statistics: recording a value and a message, publishing a second, and merging it.
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sinkd::stats::{Hub, Interval, Metric, StatsPlace};
use sinkd::time::UnixNs;

const SORTS: usize = 48;

fn used() -> Interval {
    let mut interval = Interval::new(SORTS);
    for metric in Metric::ALL {
        for n in 0..1000 {
            interval.record_n(*metric, n * n % Metric::max(*metric), 1);
        }
    }
    interval
}

fn record(c: &mut Criterion) {
    let mut interval = Interval::new(SORTS);
    let mut value = 0;
    c.bench_function("record a value", |b| {
        b.iter(|| {
            value = (value * 5 + 7) % 1_000_000;
            interval.record_n(Metric::Transaction, black_box(value), 1);
        });
    });
    assert!(!interval.histogram(Metric::Transaction).is_empty());
    let mut histogram = Metric::Transaction.histogram();
    c.bench_function("record a value, by hdrhistogram", |b| {
        b.iter(|| {
            value = (value * 5 + 7) % 1_000_000;
            histogram.saturating_record(black_box(value));
        });
    });
}

fn publish(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let place = StatsPlace { data: folder.path(), start_count: 1, retain: None };
    let (hub, mut recorders) =
        Hub::start(&place, 1, vec!["250".into(); SORTS], Box::new(())).unwrap();
    let recorder = &mut recorders[0];
    let mut second = 1_000_000_000;
    c.bench_function("a message, recorded in a second of its own", |b| {
        b.iter(|| {
            second += 1;
            recorder.begin_round(UnixNs::of_second(second));
            recorder.message(2048, 1);
        });
    });
    recorders.into_iter().for_each(sinkd::stats::Recorder::close);
    hub.close();
}

fn merge(c: &mut Criterion) {
    let (mut sum, one) = (used(), used());
    c.bench_function("merge a worker's second", |b| b.iter(|| sum.merge(black_box(&one))));
    c.bench_function("clear it", |b| b.iter(|| sum.clear()));
    assert!(sum.is_empty());
    c.bench_function("a histogram of it", |b| {
        b.iter(|| black_box(one.histogram(Metric::Transaction)));
    });
}

criterion_group!(benches, record, publish, merge);
criterion_main!(benches);
