//! `sinkctl prune`, with and without a running sinkd: what it prunes, keeps and reports.
use crate::common;

use std::path::Path;

use common::{Client, SetWhenDropped, Sink, messages, sinkctl};
use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{Keep, MessageId, Retention, prune};

/// Segments of 1 MiB; about five messages fill one.
const ARGS: &[&str] = &["--workers", "1", "--segment-bytes", "1MiB"];

fn fill(client: &mut Client, n: usize) -> Vec<MessageId> {
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let wire = line.repeat(200);
    (0..n)
        .map(|_| client.deliver("a@example.org", "b@example.org", &wire).parse().unwrap())
        .collect()
}

fn ids(data: &Path) -> Vec<MessageId> {
    messages(data).into_iter().map(|(slot, _)| slot.id()).collect()
}

fn report(data: &Path, args: &[&str]) -> serde_json::Value {
    let (out, errors, code) = sinkctl(data, &[&["prune", "--json"], args].concat());
    assert_eq!(code, 0, "{errors}");
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn while_sinkd_runs_only_sealed_segments_are_pruned_and_readers_continue() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    let mut client = sink.connect();
    client.ehlo();
    let sent = fill(&mut client, 40);
    let last = sent.last().unwrap().segment;
    let first = data.path().join(format!("segments/{:08}.seg", sent[0].segment));
    let reader = Segment::open(&first).unwrap();

    let would = report(data.path(), &["--retain-segments", "0", "--dry-run"]);
    assert_eq!(ids(data.path()), sent, "a dry run drops nothing");
    let done = report(data.path(), &["--retain-segments", "0"]);
    assert!(done["segments"].as_u64().unwrap() >= would["segments"].as_u64().unwrap());
    assert!(!first.exists());

    let left = ids(data.path());
    assert!(!left.is_empty() && left.iter().all(|id| sent.contains(id)));
    assert!(left.iter().any(|id| id.segment == last), "the open one stays");
    let pruned = Folder::open(data.path()).unwrap().pruned().unwrap();
    assert_eq!(pruned.messages, (sent.len() - left.len()) as u64);
    assert_eq!(done["messages"].as_u64().unwrap(), pruned.messages);
    assert_eq!(pruned.message_bytes, pruned.messages * 200_000);
    // A reader that had the segment open reads every octet.
    assert_eq!((reader.verify().count(), reader.slots(0..u32::MAX).count() > 0), (0, true));
    // Mail keeps arriving, under ids never used before.
    let more = fill(&mut client, 10);
    assert_eq!(ids(data.path()), [left, more].concat());
    assert!(sink.stop().success());
}

#[test]
fn each_bound_prunes_the_oldest_segments_until_it_holds() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    let mut client = sink.connect();
    client.ehlo();
    let sent = fill(&mut client, 40);
    drop(client);
    assert!(sink.stop().success());
    let count = || Folder::open(data.path()).unwrap().segments().count();
    let whole = count();

    assert_eq!(report(data.path(), &["--retain-age", "1h"])["segments"], 0);
    assert_eq!(report(data.path(), &["--retain-bytes", "1G"])["segments"], 0);
    let two = report(data.path(), &["--retain-segments", &(whole - 2).to_string()]);
    assert_eq!((two["segments"].as_u64(), count()), (Some(2), whole - 2));
    report(data.path(), &["--retain-bytes", "3MiB"]);
    let used: u64 = segments(data.path()).iter().map(blocks).sum();
    assert!(used <= 3 << 20 && count() > 0, "{used}");
    let left = ids(data.path());
    assert_eq!(left, sent[sent.len() - left.len()..], "the oldest went");
    report(data.path(), &["--retain-age", "0s"]);
    assert_eq!((count(), ids(data.path()).len()), (0, 0));
    let pruned = Folder::open(data.path()).unwrap().pruned().unwrap();
    assert_eq!((pruned.messages, pruned.segments), (40, whole as u64));
    let (out, _, code) = sinkctl(data.path(), &["segments"]);
    let closing = format!("pruned: {whole} segments, 40 messages, 8,000,000 bytes\n");
    assert!(code == 0 && String::from_utf8(out).unwrap().ends_with(&closing));
}

fn segments(data: &Path) -> Vec<std::fs::Metadata> {
    let entries = std::fs::read_dir(data.join("segments")).unwrap();
    entries.map(|e| e.unwrap().metadata().unwrap()).collect()
}

fn blocks(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[test]
fn invalid_bounds_are_named_in_the_error() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    for args in
        [&["prune"][..], &["prune", "--retain-bytes", "much"], &["prune", "--retain-age", "-1s"]]
    {
        let (_, errors, code) = sinkctl(data.path(), args);
        assert_eq!((code, errors.is_empty()), (2, false), "{args:?}: {errors}");
    }
    assert!(sink.stop().success());
}

/// A ring that wraps and two processes that prune it at the same time: each sent message is either
/// stored or counted as pruned exactly once.
#[test]
fn messages_pruned_by_a_ring_and_two_pruners_are_counted_once() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[ARGS, &["--retain-segments", "6"]].concat());
    let mut client = sink.connect();
    client.ehlo();
    let retention = Retention { segments: Some(5), ..Retention::default() };
    let keep = Keep { retention, without_removed: false };
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let _end = SetWhenDropped(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Acquire) {
                    prune(data.path(), &keep).unwrap();
                }
            });
        }
        fill(&mut client, 400)
    });
    drop(client);
    assert!(sink.stop().success());
    let left = ids(data.path());
    assert_eq!(left, sent[sent.len() - left.len()..]);
    let pruned = Folder::open(data.path()).unwrap().pruned().unwrap();
    assert_eq!(pruned.messages + left.len() as u64, 400);
}
