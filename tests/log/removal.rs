//! Removal (`sinkctl rm`) while a writer runs: removed messages disappear from every answer, others
//! stay.
use crate::log_support;

use std::collections::BTreeSet;
use std::path::Path;

use log_support::{open, payload, small};
use sinkd::log::reader::Folder;
use sinkd::log::{self, Keep, LogSettings, MessageId, Remove, Retention};
use sinkd::time::Span;

fn listed(folder: &Path) -> Vec<MessageId> {
    let folder = Folder::open(folder).unwrap();
    let listing = folder.listing(Span::default()).unwrap();
    let ids: Vec<_> = listing.forward(0).unwrap().map(|slot| slot.unwrap().id()).collect();
    assert_eq!(folder.messages(), ids.len() as u64);
    ids
}

#[test]
fn messages_that_arrive_during_a_removal_of_all_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let (told, removed) = (std::sync::Mutex::new(Vec::new()), std::sync::Mutex::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50 {
                *removed.lock().unwrap() += log::remove(dir.path(), &Remove::All).unwrap().messages;
            }
        });
        for n in 0..2000 {
            let id = test_log.append(b"envelope", &payload(n as u8, 500));
            told.lock().unwrap().push(id);
        }
    });
    let before: BTreeSet<MessageId> = told.lock().unwrap().iter().copied().collect();
    let left = listed(dir.path());
    assert_eq!(*removed.lock().unwrap() + left.len() as u64, 2000);
    // Each round keeps the newest messages.
    assert!(left.iter().eq(before.iter().skip(2000 - left.len())));
    let last = test_log.append(b"envelope", b"after");
    assert_eq!(listed(dir.path()).last(), Some(&last));
    log::remove(dir.path(), &Remove::All).unwrap();
    assert!(listed(dir.path()).is_empty());
    assert!(Folder::open(dir.path()).unwrap().latest().unwrap().newest.is_none());
    test_log.close();
    assert!(listed(dir.path()).is_empty(), "sealing brings nothing back");
    assert_eq!(Folder::open(dir.path()).unwrap().removed(), 2001);
}

#[test]
fn emptying_an_inbox_writes_one_small_file_per_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), LogSettings { segment_bytes_max: 1 << 20, ..small() });
    for n in 0..20_000 {
        test_log.append(b"envelope", &payload(n as u8, 40));
    }
    test_log.close();
    assert_eq!(log::remove(dir.path(), &Remove::All).unwrap().messages, 20_000);
    let files = std::fs::read_dir(dir.path().join("segments")).unwrap().map(|f| f.unwrap().path());
    let flags: Vec<_> = files.filter(|f| f.extension() == Some("flags".as_ref())).collect();
    let bytes: u64 = flags.iter().map(|f| f.metadata().unwrap().len()).sum();
    assert!(!flags.is_empty() && bytes <= 64 * flags.len() as u64, "{bytes} octets");
}

#[test]
fn damaged_flags_and_flags_of_another_folder_remove_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let ids: Vec<_> = (0..10).map(|n| test_log.append(b"e", &payload(n, 100))).collect();
    test_log.close();
    log::remove(dir.path(), &Remove::Ids(vec![ids[3]])).unwrap();
    let path = dir.path().join(format!("segments/{:08}.flags", ids[3].segment));
    let good = std::fs::read(&path).unwrap();
    assert_eq!(listed(dir.path()).len(), 9);
    for cut in [0, 1, 40, good.len() - 1] {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert_eq!(listed(dir.path()).len(), 10, "cut at {cut}");
    }
    let other = tempfile::tempdir().unwrap();
    let mut test_log = open(other.path(), small());
    let theirs: Vec<_> = (0..10).map(|n| test_log.append(b"e", &payload(n, 100))).collect();
    assert_eq!(theirs, ids);
    test_log.close();
    let theirs = other.path().join(path.strip_prefix(dir.path()).unwrap());
    std::fs::write(theirs, &good).unwrap();
    assert_eq!(listed(other.path()).len(), 10);
}

#[test]
fn segments_with_all_messages_removed_are_pruned_first() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LogSettings { segment_bytes_max: 64 << 10, ..small() };
    let mut test_log = open(dir.path(), settings.clone());
    let ids: Vec<_> = (0..100).map(|n| test_log.append(b"e", &payload(n, 3000))).collect();
    test_log.close();
    let middle = ids[50].segment;
    let all_of_it: Vec<_> = ids.iter().copied().filter(|id| id.segment == middle).collect();
    log::remove(dir.path(), &Remove::Ids(all_of_it.clone())).unwrap();
    log::remove(dir.path(), &Remove::Ids(vec![ids[0]])).unwrap();
    let keep = Keep { retention: Retention::default(), without_removed: true };
    let dropped = log::prune(dir.path(), &keep).unwrap();
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].first, dropped[0].messages), (middle, all_of_it.len() as u64));
    assert_eq!(listed(dir.path()).len(), 100 - all_of_it.len() - 1);
    assert!(!dir.path().join(format!("segments/{middle:08}.flags")).exists());

    // A running sinkd that needs room does the same.
    let newest = ids[99].segment;
    let of_newest: Vec<_> = ids.iter().copied().filter(|id| id.segment == newest).collect();
    log::remove(dir.path(), &Remove::Ids(of_newest)).unwrap();
    let count = Folder::open(dir.path()).unwrap().segments().count() as u64;
    let retention = Retention { segments: Some(count), ..Retention::default() };
    let test_log = open(dir.path(), LogSettings { retention, ..settings });
    test_log.close();
    // The number of pruned segments depends on how many were provisioned; their order does not.
    let events = std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    let events =
        events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let first = events.filter(|event| event["by"] == "sinkd").map(|event| event["first"].clone());
    assert_eq!(first.take(1).collect::<Vec<_>>(), [newest]);
    assert!(!dir.path().join(format!("segments/{newest:08}.seg")).exists());
}
