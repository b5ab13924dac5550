//! The index returns what reading every message returns, however it was written, truncated, damaged
//! or restarted.
use crate::log_support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use log_support::{PATIENCE, TestLog, open, small};
use proptest::prelude::*;
use sinkd::index::MessageReader;
use sinkd::index::{
    Host, IndexSettings, ParserThreads, ReindexProgress, Sidecar, When, reindex, sidecar,
};
use sinkd::log::reader::{Folder, Segment};
use sinkd::mime::sent_time::SentTime;
use sinkd::smtp::envelope::{Tag, append_field};
use sinkd::time::Span;
use tempfile::{TempDir, tempdir};

/// Workers that the test makes busy or idle.
#[derive(Clone, Default)]
struct Workers(Arc<AtomicBool>);

impl Host for Workers {
    fn run_when_idle(&self) {}

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

fn settings(when: When, threads: usize) -> IndexSettings {
    IndexSettings { when, threads, sequence_field: Some("X-Number".into()) }
}

fn envelope(n: u32) -> Vec<u8> {
    let mut envelope = Vec::new();
    append_field(&mut envelope, Tag::Version, &[1]);
    append_field(&mut envelope, Tag::ReversePath, format!("s{}@example.org", n % 3).as_bytes());
    append_field(&mut envelope, Tag::ForwardPath, format!("r{n}@example.com").as_bytes());
    append_field(&mut envelope, Tag::ForwardPath, b"all@example.net");
    append_field(&mut envelope, Tag::Listener, b"127.0.0.1:25");
    if n.is_multiple_of(2) {
        append_field(&mut envelope, Tag::ListenerName, b"mx-a");
    }
    if n.is_multiple_of(3) {
        append_field(&mut envelope, Tag::Deviations, &[9, 1, 200]);
    }
    envelope
}

/// Mail of many shapes, including a payload that is not mail.
fn mail(n: u32) -> Vec<u8> {
    let body = "x".repeat(n as usize * 37 % 3000);
    let subject = if n.is_multiple_of(2) { "Hello" } else { "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" };
    match n % 7 {
        6 => vec![0xff; n as usize % 300],
        5 => format!(
            "Subject: {subject}\r\nX-Number: {n}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Disposition: attachment; filename=f{n}.txt\r\n\r\n{body}\r\n--b--\r\n"
        )
        .into_bytes(),
        _ => format!(
            "Message-ID: <{n}@example.org>\r\nSubject: {subject} {n}\r\nFrom: a@example.org\r\n\
             To: r{n}@example.com, all@example.net\r\nX-Number: {n}\r\n\
             X-Sent: 1795248000{n:03}\r\n\r\n{body}\r\n"
        )
        .into_bytes(),
    }
}

fn fill(data: &Path, messages: std::ops::Range<u32>) {
    let mut test_log = open(data, small());
    for n in messages {
        test_log.append(&envelope(n), &mail(n));
    }
    test_log.close();
}

fn filled(messages: u32) -> TempDir {
    let data = tempdir().unwrap();
    fill(data.path(), 0..messages);
    data
}

fn parser(data: &Path, settings: IndexSettings, workers: &Workers) -> ParserThreads {
    let (_, begun) = bounded(1);
    ParserThreads::start(data, settings, Box::new(workers.clone()), begun).unwrap()
}

/// Indexes until nothing is left to index.
fn index(data: &Path, threads: usize) {
    let parser = parser(data, settings(When::Eager, threads), &Workers::default());
    wait_for(&parser, 0);
    parser.close();
}

fn wait_for(parser: &ParserThreads, messages: u64) {
    let (lag, since) = (parser.lag(), Instant::now());
    while lag().messages != messages {
        assert!(since.elapsed() < PATIENCE, "{:?}", lag());
        std::thread::yield_now();
    }
}

/// Returns the index entry of each message, newest first.
fn indexed(data: &Path) -> Vec<String> {
    let folder = Folder::open(data).unwrap();
    let mut lines = Vec::new();
    for summary in folder.segments() {
        if let Some(sidecar) = Sidecar::read(data, &summary.identity).unwrap() {
            let sidecar = sidecar.unwrap();
            lines.extend(sidecar.backward().map(|e| format!("{} {e:?}", summary.identity.number)));
        }
    }
    lines
}

/// Returns what reading each message returns.
fn read(data: &Path) -> Vec<String> {
    let folder = Folder::open(data).unwrap();
    let mut reading = MessageReader::new(Some("X-Number"));
    let mut lines = Vec::new();
    for summary in folder.segments() {
        let number = summary.identity.number;
        let segment = folder.segment(number).unwrap();
        let slots: Vec<_> = segment.slots(0..u32::MAX).flatten().collect();
        for slot in slots.iter().rev().filter(|slot| slot.is_message()) {
            let read = reading.read(&segment, slot).unwrap();
            lines.push(format!("{number} {:?}", read.entry));
        }
    }
    lines
}

/// Asserts that the index returns what reading each message returns.
fn assert_indexed(data: &Path) {
    let (indexed, read) = (indexed(data), read(data));
    for (indexed, read) in indexed.iter().zip(&read) {
        assert_eq!(indexed, read);
    }
    assert_eq!(indexed.len(), read.len());
}

#[test]
fn the_index_returns_what_reading_returns() {
    for threads in [1, 3] {
        let data = filled(500);
        index(data.path(), threads);
        assert_eq!(indexed(data.path()).len(), 500);
        assert_indexed(data.path());
    }
}

/// A log that announces its segments to a parser, as a worker does.
struct Told {
    test_log: TestLog,
    tell: Sender<u32>,
    last: u32,
}

impl Told {
    fn open(data: &Path) -> (Told, ParserThreads) {
        let test_log = open(data, small());
        let (tell, begun) = bounded(1024);
        let host = Box::new(Workers::default());
        let parser = ParserThreads::start(data, settings(When::Eager, 1), host, begun).unwrap();
        (Told { test_log, tell, last: 0 }, parser)
    }

    fn append(&mut self, messages: std::ops::Range<u32>) {
        for n in messages {
            let id = self.test_log.append(&envelope(n), &mail(n));
            if id.segment != self.last {
                self.tell.try_send(id.segment).unwrap();
                self.last = id.segment;
            }
        }
    }
}

#[test]
fn mail_is_indexed_while_it_arrives() {
    let data = tempdir().unwrap();
    let (mut told, parser) = Told::open(data.path());
    told.append(0..300);
    wait_for(&parser, 0);
    assert_indexed(data.path());
    told.test_log.close();
    parser.close();
    index(data.path(), 1);
    assert_indexed(data.path());
}

#[test]
fn a_lazy_index_rests_while_the_workers_are_busy() {
    let data = filled(100);
    let workers = Workers::default();
    workers.0.store(true, Ordering::SeqCst);
    let parser = parser(data.path(), settings(When::Lazy, 1), &workers);
    wait_for(&parser, 100);
    assert!(parser.lag()().oldest_ns.is_some());
    assert_eq!(indexed(data.path()), Vec::<String>::new());
    workers.0.store(false, Ordering::SeqCst);
    wait_for(&parser, 0);
    assert_eq!(parser.lag()().oldest_ns, None);
    parser.close();
    assert_indexed(data.path());
}

#[test]
fn reindexing_while_parsers_run_gives_the_same_index() {
    let data = filled(400);
    let parser = parser(data.path(), settings(When::Eager, 2), &Workers::default());
    let done =
        reindex(data.path(), Some(Some("X-Number")), 2, &ReindexProgress::default()).unwrap();
    assert_eq!((done.messages, done.unreadable.len()), (400, 0));
    wait_for(&parser, 0);
    parser.close();
    assert_indexed(data.path());
    // The name of the field is known from the existing index.
    fs::remove_file(sidecar::path(data.path(), 1)).unwrap();
    reindex(data.path(), None, 1, &ReindexProgress::default()).unwrap();
    assert_indexed(data.path());
}

#[test]
fn an_index_replaced_while_segments_are_sealed_is_continued() {
    let data = tempdir().unwrap();
    let folder = data.path();
    let (mut told, parser) = Told::open(data.path());
    for round in 0..30 {
        std::thread::scope(|scope| {
            let progress = ReindexProgress::default();
            scope.spawn(move || reindex(folder, Some(Some("X-Number")), 1, &progress).unwrap());
            told.append(round * 150..(round + 1) * 150);
        });
        wait_for(&parser, 0);
        assert_indexed(data.path());
    }
    told.test_log.close();
    parser.close();
}

#[test]
fn a_deleted_index_is_rebuilt() {
    let data = tempdir().unwrap();
    let (mut told, parser) = Told::open(data.path());
    told.append(0..10);
    wait_for(&parser, 0);
    assert_indexed(data.path());
    fs::remove_dir_all(sidecar::folder(data.path())).unwrap();
    told.append(10..11);
    wait_for(&parser, 0);
    assert_indexed(data.path());
    told.test_log.close();
    parser.close();
}

#[test]
fn mail_that_was_indexed_before_does_not_count_as_lag() {
    let data = filled(300);
    index(data.path(), 1);
    let workers = Workers::default();
    workers.0.store(true, Ordering::SeqCst);
    let parser = parser(data.path(), settings(When::Lazy, 1), &workers);
    assert_eq!(parser.lag()(), Default::default());
    parser.close();
}

#[test]
fn changing_the_number_field_starts_a_new_index() {
    let data = filled(50);
    reindex(data.path(), Some(Some("X-Other")), 1, &ReindexProgress::default()).unwrap();
    assert!(indexed(data.path()).iter().all(|entry| entry.contains("sequence: None")));
    index(data.path(), 1);
    assert_indexed(data.path());
}

#[test]
fn the_index_has_the_listener_the_deviations_and_the_sent_time_of_each_message() {
    let data = filled(14);
    index(data.path(), 1);
    let identity = Folder::open(data.path()).unwrap().segments().next().unwrap().identity;
    let sidecar = Sidecar::read(data.path(), &identity).unwrap().unwrap().unwrap();
    assert_eq!(sidecar.records(), 14);
    for entry in sidecar.backward() {
        let (n, columns) = (entry.slot, entry.columns);
        let listener = if n.is_multiple_of(2) { "mx-a" } else { "127.0.0.1:25" };
        assert_eq!((columns.listener, columns.auth_user), (listener, ""), "{n}");
        let broken = if n.is_multiple_of(3) { "underscore, dots" } else { "" };
        assert_eq!(columns.deviations.names(), broken, "{n}");
        let at = SentTime::At((1_795_248_000_000 + u64::from(n)) * 1_000_000);
        let sent = if n % 7 < 5 { at } else { SentTime::Absent };
        assert_eq!(columns.sent, sent, "{n}");
    }
}

#[test]
fn an_index_truncated_anywhere_is_continued() {
    let data = filled(40);
    index(data.path(), 1);
    let whole = indexed(data.path());
    let path = sidecar::path(data.path(), 1);
    let bytes = fs::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(bytes.len() / 20) {
        fs::write(&path, &bytes[..cut]).unwrap();
        index(data.path(), 1);
        assert_eq!(indexed(data.path()), whole, "cut at {cut}");
    }
}

#[test]
fn an_index_of_a_newer_format_is_left_alone() {
    let data = filled(40);
    index(data.path(), 1);
    let path = sidecar::path(data.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    fs::write(&path, &bytes).unwrap();
    let parser = parser(data.path(), settings(When::Eager, 1), &Workers::default());
    let behind = Segment::open(&data.path().join("segments/00000001.seg")).unwrap().published();
    wait_for(&parser, u64::from(behind.messages));
    parser.close();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn the_index_of_a_pruned_segment_is_deleted() {
    let data = filled(400);
    index(data.path(), 1);
    assert!(sidecars(data.path()).len() > 2);
    let folder = Folder::open(data.path()).unwrap();
    let newest = folder.segments().last().unwrap().identity.number;
    for summary in folder.segments().filter(|s| s.identity.number < newest) {
        fs::remove_file(&summary.path).unwrap();
    }
    index(data.path(), 1);
    assert_eq!(sidecars(data.path()), [newest]);
}

fn sidecars(data: &Path) -> Vec<u32> {
    sidecar::numbers(data).unwrap()
}

#[test]
fn a_damaged_message_is_marked_as_damaged_in_the_index() {
    let data = filled(30);
    let folder = Folder::open(data.path()).unwrap();
    let third = folder.listing(Span::default()).unwrap().forward(2).unwrap().next().unwrap();
    let slot = third.unwrap();
    let path = data.path().join(format!("segments/{:08}.seg", slot.id().segment));
    let mut bytes = fs::read(&path).unwrap();
    bytes[slot.record_offset() as usize + slot.envelope_bytes() as usize] ^= 1;
    fs::write(&path, bytes).unwrap();
    index(data.path(), 1);
    let identity = *folder.segment(slot.id().segment).unwrap().identity();
    let sidecar = Sidecar::read(data.path(), &identity).unwrap().unwrap().unwrap();
    let unreadable: Vec<u32> =
        sidecar.backward().filter(|e| e.is_unreadable).map(|e| e.slot).collect();
    assert_eq!(unreadable, [slot.id().slot]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every entry that is read back is one that was written.
    #[test]
    fn damage_only_shortens_an_index(at in 0.0f64..1.0, flip in 1u8..=255, cut in 0.5f64..1.0) {
        static WHOLE: std::sync::OnceLock<(Vec<u8>, TempDir)> = std::sync::OnceLock::new();
        let (whole, data) = WHOLE.get_or_init(|| {
            let data = tempdir().unwrap();
            // One block at a time, as when mail arrives slowly.
            for n in 0..10 {
                fill(data.path(), n..n + 1);
                index(data.path(), 1);
            }
            reindex(data.path(), Some(Some("X-Number")), 1, &ReindexProgress::default()).unwrap();
            (fs::read(sidecar::path(data.path(), 1)).unwrap(), data)
        });
        let folder = Folder::open(data.path()).unwrap();
        let identity = folder.segments().next().unwrap().identity;
        let text = |sidecar: &Sidecar| {
            let mut all: Vec<String> = sidecar.backward().map(|e| format!("{e:?}")).collect();
            all.reverse();
            all
        };
        let sound = text(&Sidecar::parse(whole.clone(), &identity).unwrap());
        let mut bytes = whole[..(whole.len() as f64 * cut) as usize].to_vec();
        let place = (bytes.len() as f64 * at) as usize;
        bytes[place] ^= flip;
        if let Ok(sidecar) = Sidecar::parse(bytes, &identity) {
            let damaged = text(&sidecar);
            prop_assert!(sound.starts_with(&damaged));
            prop_assert_eq!(sidecar.records(), damaged.len() as u64);
        }
    }
}
