//! Waiting for matching messages, on a simulated clock: a wait ends on time however much there is
//! to search, after a final check for new messages.
use crate::log_support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log_support::{TestLog, facts, open, small};
use sinkd::index::query::Query;
use sinkd::index::{
    FINAL_CHECK, Goal, ReindexProgress, SearchOptions, SearchProgress, Waited, WatchedFolder,
    reindex, search_until,
};
use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, Runs, SlotFacts};
use sinkd::time::{Span, UnixNs};
use tempfile::{TempDir, tempdir};

const SECOND: Duration = Duration::from_secs(1);
const BEGIN_NS: UnixNs = UnixNs::of_second(1_795_240_000);

fn append(test_log: &mut TestLog, n: u64, subject: &str) -> MessageId {
    let payload = format!("Subject: {subject}\r\n\r\n{}\r\n", "x".repeat(300)).into_bytes();
    let facts = SlotFacts { received_at_ns: BEGIN_NS.saturating_add_ns(n), ..facts(&payload) };
    let commit = test_log.until(|w| w.append(b"", &[&payload], &facts)).unwrap();
    test_log.finish(commit).unwrap()
}

/// Fills several segments with `n` messages, the oldest first.
fn filled(n: u64) -> (TempDir, TestLog, Vec<MessageId>) {
    let data = tempdir().unwrap();
    let mut test_log = open(data.path(), small());
    let ids = (0..n).map(|i| append(&mut test_log, i, "old")).collect();
    (data, test_log, ids)
}

fn query(text: &str) -> Query {
    Query::parse(text, UnixNs::EPOCH, &Runs::default()).unwrap()
}

/// Returns a clock that reports the time as over after `calls` calls.
fn over_after(calls: u64) -> impl Fn() -> bool + Sync {
    let asked = AtomicU64::new(0);
    move || asked.fetch_add(1, Ordering::Relaxed) >= calls
}

#[test]
fn a_search_checks_the_newest_until_its_time_is_up_and_counts_the_rest() {
    const N: u64 = 2000;
    let (data, test_log, ids) = filled(N);
    test_log.close();
    for is_indexed in [false, true] {
        if is_indexed {
            reindex(data.path(), None, 1, &ReindexProgress::default()).unwrap();
        }
        let folder = Folder::open(data.path()).unwrap();
        assert!(folder.segments().count() > 2);
        for calls in [0, 1, 10, 1000, 10 * N] {
            let wanted = SearchOptions {
                limit: None,
                span: Span::default(),
                indexed_only: false,
                threads: 1,
            };
            let progress = SearchProgress::default();
            let is_over = over_after(calls);
            let found = search_until(&folder, &query("old"), wanted, &progress, &is_over);
            // The clock is read for each segment, too.
            let looked_at = found.hits.len();
            assert!(looked_at as u64 <= calls.min(N), "{looked_at} of {calls}");
            assert!(calls < 10 * N || looked_at as u64 == N, "{looked_at}");
            assert!(looked_at as u64 + 10 >= calls.min(N), "{looked_at} of {calls}");
            let newest: Vec<_> = ids.iter().rev().take(looked_at).copied().collect();
            assert_eq!(found.hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), newest);
            assert_eq!(found.left_out.not_in_time, N - looked_at as u64);
            assert_eq!(found.left_out.is_nothing(), looked_at as u64 == N);
        }
    }
}

#[test]
fn several_threads_together_count_the_messages_they_left_out() {
    const N: u64 = 2000;
    let (data, test_log, _) = filled(N);
    test_log.close();
    let folder = Folder::open(data.path()).unwrap();
    let wanted =
        SearchOptions { limit: None, span: Span::default(), indexed_only: false, threads: 4 };
    for calls in [0, 500] {
        let is_over = over_after(calls);
        let found =
            search_until(&folder, &query("old"), wanted, &SearchProgress::default(), &is_over);
        assert_eq!(found.left_out.not_in_time + found.hits.len() as u64, N);
        assert!(found.left_out.not_in_time >= N - calls);
    }
}

/// Waits two seconds for `query`. The clock shows `now_tenths` (tenths of a second), a function of
/// how often it was read before.
fn wait(data: &TempDir, text: &str, now_tenths: impl Fn(u64) -> u64 + Sync) -> (Waited, u64) {
    let mut folder = Folder::open(data.path()).unwrap();
    let asked = AtomicU64::new(0);
    let clock = || {
        let tenths = now_tenths(asked.fetch_add(1, Ordering::Relaxed));
        Duration::from_millis(100 * tenths)
    };
    let goal = Goal { count: 1, is_new: false, timeout: 2 * SECOND, threads: 1 };
    let mut pauses = 0;
    let mut pause = |_| pauses += 1;
    let query = query(text);
    let watched = WatchedFolder { folder: &mut folder, query: &query, span: Span::default() };
    let waited = sinkd::index::wait(&mut [watched], goal, &clock, &mut pause).unwrap();
    (waited, pauses)
}

#[test]
fn a_wait_whose_first_search_takes_all_its_time_still_checks_new_messages() {
    let (data, test_log, ids) = filled(100);
    let test_log = Mutex::new(test_log);
    // The time is up during the search; at that moment a message arrives.
    let (waited, pauses) = wait(&data, "subject:new", |asked| {
        if asked == 50 {
            append(&mut test_log.lock().unwrap(), 1000, "new");
        }
        if asked < 50 { 0 } else { 20 }
    });
    assert_eq!((waited.matching.len(), pauses), (1, 0));
    assert!(!ids.contains(&waited.matching[0].1));
    assert!(waited.left_out.not_in_time > 0, "the search has not checked every message");
    test_log.into_inner().unwrap().close();
}

#[test]
fn the_final_check_is_bounded_too_and_begins_with_the_newest() {
    let (data, test_log, _) = filled(10);
    let test_log = Mutex::new(test_log);
    let final_check = 20 + FINAL_CHECK.as_millis() as u64 / 100;
    // A hundred messages arrive during the search; there is time to check a few.
    let (waited, _) = wait(&data, "subject:new", |asked| {
        if asked == 5 {
            for n in 0..100 {
                let is_newest = n == 99;
                append(
                    &mut test_log.lock().unwrap(),
                    1000 + n,
                    if is_newest { "new" } else { "x" },
                );
            }
        }
        match asked {
            0..5 => 0,
            5..15 => 20,
            _ => final_check,
        }
    });
    assert_eq!(waited.matching.len(), 1);
    assert!((90..110).contains(&waited.left_out.not_in_time), "{:?}", waited.left_out);
    test_log.into_inner().unwrap().close();
}

#[test]
fn a_wait_with_no_time_checks_existing_messages() {
    let (data, test_log, ids) = filled(100);
    let mut folder = Folder::open(data.path()).unwrap();
    let goal = Goal { count: 1, is_new: false, timeout: Duration::ZERO, threads: 2 };
    let clock = || Duration::from_millis(1);
    let query = query("old");
    let watched = WatchedFolder { folder: &mut folder, query: &query, span: Span::default() };
    let waited = sinkd::index::wait(&mut [watched], goal, &clock, &mut |_| {}).unwrap();
    assert_eq!(waited.matching, [(0, ids[99])]);
    assert!(waited.left_out.is_nothing());
    test_log.close();
}

#[test]
fn a_wait_counts_all_folders_together_and_splits_the_time_between_them() {
    let (one, test_log, ids) = filled(100);
    let (other, other_bench, other_ids) = filled(100);
    let mut folders = [&one, &other].map(|data| Folder::open(data.path()).unwrap());
    let query = query("old");
    let goal = Goal { count: 300, is_new: false, timeout: 2 * SECOND, threads: 1 };
    // A second has passed when the first folder has checked fifty of its messages.
    let asked = AtomicU64::new(0);
    let clock = || match asked.fetch_add(1, Ordering::Relaxed) {
        0..50 => Duration::ZERO,
        50..200 => SECOND,
        _ => 2 * SECOND,
    };
    let mut watched: Vec<_> = folders
        .iter_mut()
        .map(|folder| WatchedFolder { folder, query: &query, span: Span::default() })
        .collect();
    let waited = sinkd::index::wait(&mut watched, goal, &clock, &mut |_| {}).unwrap();
    let of = |n: usize| waited.matching.iter().filter(move |(folder, _)| *folder == n).count();
    assert!((40..60).contains(&of(0)) && of(1) == 100, "{} and {}", of(0), of(1));
    assert_eq!(waited.left_out.not_in_time, 100 - of(0) as u64);
    // Merged by arrival time: the newest messages of both folders are at the end.
    let last = waited.matching.last().unwrap();
    assert!(*last == (0, ids[99]) || *last == (1, other_ids[99]));
    test_log.close();
    other_bench.close();
}
