//! A check for the fuzzer: any octets can be read as a file of counters and as one of values.
use super::history::{INTERVAL_BEGIN, LINE_BEGIN, Second, interval_of};
use crate::stats::format::{CounterLine, unglued};

/// Reads `octets` as lines of counters, and as lines of values. Panics if a part of a line is lost,
/// if counters do not survive being written, or if their sum overflows.
pub fn check_statistics(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    check_counters(&text);
    check_values(&text);
}

fn check_counters(text: &str) {
    check_pieces(text, LINE_BEGIN);
    let mut sum = Second::default();
    for line in unglued(text, LINE_BEGIN).filter_map(|(_, line)| CounterLine::parse(line).ok()) {
        let written = serde_json::to_string(&line).expect("a line can be written");
        assert_eq!(CounterLine::parse(&written).as_ref(), Ok(&line));
        sum.merge(&line.into());
    }
}

fn check_values(text: &str) {
    check_pieces(text, INTERVAL_BEGIN);
    for (_, line) in unglued(text, INTERVAL_BEGIN) {
        if let Ok(Some((metric, _, histogram))) = interval_of(line) {
            let mut sum = metric.histogram();
            if sum.add(&histogram).is_ok() {
                assert_eq!(sum.len(), histogram.len());
            }
        }
    }
}

/// The pieces of a line, one after another, are the line.
fn check_pieces(text: &str, begin: &'static str) {
    let mut whole = vec![String::new(); text.lines().count()];
    unglued(text, begin).for_each(|(number, piece)| whole[number].push_str(piece));
    assert!(whole.iter().map(String::as_str).eq(text.lines()));
}
