//! What workers record is read back exactly, whatever they record and however it is spread over
//! seconds.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proptest::prelude::*;
use sinkd::stats::{Counter, History, Hub, MessageWindow, Metric, RunSummary, StatsPlace};
use sinkd::time::{Seconds, UnixNs};

const REPLIES: [&str; 3] = ["250 2.0.0", "354", "452 4.3.1"];
/// In the recent past, shortly before the end of an hour.
const BEGIN_S: u64 = 498_678 * 3600 - 30;

#[derive(Debug, Clone)]
struct Record {
    worker: usize,
    after_ms: u64,
    metric: usize,
    value: u64,
    n: u64,
}

fn record() -> impl Strategy<Value = Record> {
    let value = prop_oneof![0..1000u64, 0..u64::MAX, Just(0), Just(u64::MAX)];
    (0..3usize, 0..900u64, 0..Metric::ALL.len(), value, 1..5u64).prop_map(
        |(worker, after_ms, metric, value, n)| Record { worker, after_ms, metric, value, n },
    )
}

fn recorded(folder: &std::path::Path, start: u32, records: &[Record]) {
    let names = REPLIES.map(String::from).to_vec();
    let place = StatsPlace { data: folder, start_count: start, retain: None };
    let (hub, mut recorders) = Hub::start(&place, 3, names, Box::new(())).unwrap();
    let mut now_ms = BEGIN_S * 1000;
    for record in records {
        now_ms += record.after_ms;
        let recorder = &mut recorders[record.worker];
        recorder.begin_round(UnixNs::new(now_ms * 1_000_000));
        recorder.record_n(Metric::ALL[record.metric], record.value, record.n);
        recorder.message(record.n * 100, record.n);
        recorder.take_replies(&mut [1, 0, 2]);
    }
    recorders.into_iter().for_each(|recorder| recorder.close());
    hub.close();
}

fn expected(records: &[Record]) -> BTreeMap<Metric, Histogram<u64>> {
    let mut all: BTreeMap<Metric, Histogram<u64>> = BTreeMap::new();
    let mut add = |metric: Metric, value: u64, n: u64| {
        let histogram = all.entry(metric).or_insert_with(|| metric.histogram());
        histogram.record_n(value.min(metric.max()), n).unwrap();
    };
    for record in records {
        add(Metric::ALL[record.metric], record.value, record.n);
        add(Metric::MessageSize, record.n * 100, 1);
        add(Metric::Recipients, record.n, 1);
    }
    all
}

fn compare(history: &History, records: &[Record], times: u64) {
    assert_eq!(history.damage, []);
    assert_eq!(history.total(Counter::Messages), times * records.len() as u64);
    let recipients: u64 = records.iter().map(|r| r.n).sum();
    assert_eq!(history.total(Counter::MessageRecipients), times * recipients);
    assert_eq!(history.replies().get("452 4.3.1").copied(), Some(times * 2 * records.len() as u64));
    assert_eq!(history.replies().get("354"), None);
    for (metric, wanted) in expected(records) {
        let found = history.histogram(metric).unwrap();
        assert_eq!(found.len(), times * wanted.len(), "{}", metric.tag());
        assert_eq!((found.min(), found.max()), (wanted.min(), wanted.max()), "{}", metric.tag());
        for quantile in [0.1, 0.5, 0.9, 0.99, 0.999] {
            let of = |h: &Histogram<u64>| h.value_at_quantile(quantile);
            assert_eq!(of(found), of(&wanted), "{} {quantile}", metric.tag());
        }
    }
    let summary = RunSummary::of(history);
    let seconds: u64 =
        summary.throughput(MessageWindow::Tenth).iter_recorded().map(|v| v.count_at_value()).sum();
    assert!(seconds as f64 / 10.0 <= summary.seconds() + 0.1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recorded_values_are_read_back(records in prop::collection::vec(record(), 1..150)) {
        let folder = tempfile::tempdir().unwrap();
        recorded(folder.path(), 1, &records);
        let read = |spans: &[(u64, u64)]| {
            let mut history = History::default();
            for (start, end) in spans.iter().copied() {
                history.read(folder.path(), Seconds { start, end }).unwrap();
            }
            history
        };
        compare(&read(&[(0, u64::MAX)]), &records, 1);
        // Split anywhere: rolled-up hours and single seconds have the same sums.
        compare(&read(&[(0, BEGIN_S + 7), (BEGIN_S + 7, BEGIN_S + 40), (BEGIN_S + 40, u64::MAX)]), &records, 1);
        // A second sink that received the same load, in its own folder.
        let other = tempfile::tempdir().unwrap();
        recorded(other.path(), 5, &records);
        let mut both = read(&[(0, u64::MAX)]);
        both.read(other.path(), Seconds::ALL).unwrap();
        compare(&both, &records, 2);
    }
}

#[test]
fn truncated_logs_are_read_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let one = |after_ms| Record { worker: 0, after_ms, metric: 0, value: 5, n: 1 };
    let records: Vec<Record> = (0..5).map(|_| one(1000)).collect();
    recorded(folder.path(), 1, &records);
    let stats = folder.path().join("stats");
    for entry in std::fs::read_dir(&stats).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut history = History::default();
            history.read(folder.path(), Seconds::ALL).unwrap();
            // A whole-hour file gets its name once it is written: no crash truncates it.
            let is_hour = path.to_str().unwrap().ends_with(".hour.hlog");
            let is_damage = is_hour && whole[..cut].last() != Some(&b'\n');
            assert_eq!(history.damage.len(), usize::from(is_damage), "{:?}", history.damage);
            assert!(history.total(Counter::Messages) <= 5);
        }
        std::fs::write(&path, &whole).unwrap();
    }
    // Foreign octets in the middle are reported, and the rest is read.
    let log = stats.join("00000001-20261121T05.jsonl");
    let text = std::fs::read_to_string(&log).unwrap().replacen("second", "sec\u{0}nd", 1);
    std::fs::write(&log, text).unwrap();
    let mut history = History::default();
    history.read(folder.path(), Seconds::ALL).unwrap();
    assert_eq!((history.damage.len(), history.total(Counter::Messages)), (1, 4));
}

/// As an older sinkd left it, which did not truncate a line that it could not write whole.
#[test]
fn a_truncated_line_does_not_affect_other_lines() {
    let folder = tempfile::tempdir().unwrap();
    let one = |after_ms| Record { worker: 0, after_ms, metric: 0, value: 5, n: 1 };
    let records: Vec<Record> = (0..5).map(|_| one(1000)).collect();
    recorded(folder.path(), 1, &records);
    let stats = folder.path().join("stats");
    std::fs::remove_file(stats.join("00000001-20261121T05.hour.hlog")).unwrap();
    let read = || {
        let mut history = History::default();
        history.read(folder.path(), Seconds::ALL).unwrap();
        let histograms = Metric::ALL.iter().filter_map(|metric| history.histogram(*metric));
        let values: u64 = histograms.map(Histogram::len).sum();
        (history, values)
    };
    let (_, before) = read();
    let cut_second = |name: &str, begin: &str| {
        let path = stats.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let second = text.match_indices(begin).nth(1).unwrap().0;
        let third = text.match_indices(begin).nth(2).unwrap().0;
        let cut = &text[..second + (third - second) / 2];
        std::fs::write(&path, format!("{cut}{}", &text[third..])).unwrap();
    };
    cut_second("00000001-20261121T05.jsonl", "{\"second\"");
    cut_second("00000001-20261121T05.hlog", "Tag=");
    let (history, after) = read();
    assert_eq!((history.damage.len(), history.total(Counter::Messages)), (2, 4));
    assert_eq!(after, before - 1, "{:?}", history.damage);
}

#[test]
fn a_folder_without_statistics_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::default();
    history.read(folder.path(), Seconds::ALL).unwrap();
    assert_eq!(RunSummary::of(&history).totals.messages, 0);
    assert_eq!(RunSummary::of(&history).rate.mean, 0.0);
}
