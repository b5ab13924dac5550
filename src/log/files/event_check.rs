//! A check for the fuzzer: any octets can be read as the lines of `events.jsonl`.
use super::dropped::DroppedBy;
use super::event_lines::{Event, damaged, folded, known, line, split};
use super::pruned_sums::PrunedSums;
use super::runs::Runs;
use crate::time::UnixNs;

/// Reads `octets` as `events.jsonl`. Panics if a line counts both as an event and as damaged, if an
/// event does not survive being written, if a run ends before it begins, or if a shorter file says
/// something else than the file that it replaces.
pub fn check_events(octets: &[u8]) {
    check_lines(octets);
    check_runs(octets);
    check_folded(octets);
}

fn check_lines(octets: &[u8]) {
    let lines: Vec<&[u8]> = split(octets).collect();
    let numbers = damaged(octets);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    for number in numbers {
        assert!(known(lines[number - 1]).is_empty(), "line {number} is an event");
    }
    for event in known(octets) {
        let written = line(&event).expect("an event can be written");
        assert_eq!(known(&written), [event]);
        assert_eq!(damaged(&written), [0_usize; 0]);
    }
}

fn check_runs(octets: &[u8]) {
    let runs = Runs::of_events(known(octets)).runs;
    for (at, run) in runs.iter().enumerate() {
        let ends_well = run.until_ns.map_or(at + 1 == runs.len(), |until| until >= run.from_ns);
        assert!(ends_well, "{run:?}");
    }
}

fn check_folded(octets: &[u8]) {
    let by_sinkd = |event: &Event| matches!(event, Event::Pruned { by: DroppedBy::Sinkd, .. });
    let sums = |text: &[u8]| {
        let mut sums = PrunedSums::default();
        for event in known(text) {
            if let Event::Pruned { by: DroppedBy::Sinkd, dropped, .. } = event {
                sums.add(&dropped);
            }
        }
        sums.total()
    };
    let others = |text: &[u8]| known(text).into_iter().filter(|event| !by_sinkd(event)).collect();
    let once = folded(octets, &[], UnixNs::new(1)).expect("events can be written");
    assert_eq!(sums(&once), sums(octets));
    let (left, before): (Vec<Event>, Vec<Event>) = (others(&once), others(octets));
    assert_eq!(left, before);
    assert_eq!(folded(&once, &[], UnixNs::new(1)).expect("events can be written"), once);
}
