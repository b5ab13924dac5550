//! Durabilities `message` and `interval`: no message is acknowledged before it is durable, flushes
//! are shared, and a failed flush never counts as a success.
use crate::log_support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use log_support::{PATIENCE, TestLog, facts, open, payload, read, reserved, small};
use proptest::prelude::*;
use sinkd::log::by_hand::LogByHand;
use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{
    BootId, Commit, CommitProgress, Durability, FlushCall, Log, LogSettings, MessageId, NoRoom,
    PendingCommit, SizeBasis, State,
};
use sinkd::time::Span;

const BOOT_A: BootId = BootId([0xa; 16]);
const BOOT_B: BootId = BootId([0xb; 16]);

fn settings(durability: Durability, flush: FlushCall) -> LogSettings {
    LogSettings { durability, flush, boot: Some(BOOT_A), ..small() }
}

fn visible(folder: &Path, boot: BootId) -> u64 {
    Folder::open_in(folder, boot).unwrap().messages()
}

/// Flushes that each wait for a verdict from the test: `true` succeeds, `false` fails.
fn gated() -> (FlushCall, Receiver<()>, Sender<bool>) {
    let (begun, begins) = unbounded();
    let (word, words) = unbounded();
    let call = FlushCall::new(move |file| {
        begun.send(()).unwrap();
        if words.recv_timeout(PATIENCE).expect("a verdict for each flush") {
            file.sync_data()
        } else {
            Err(std::io::Error::other("the disk is gone"))
        }
    });
    (call, begins, word)
}

fn commit(test_log: &mut TestLog, seed: u8) -> PendingCommit {
    let bytes = payload(seed, 100);
    let commit = test_log.until(|w| w.append(b"envelope", &[&bytes], &facts(&bytes))).unwrap();
    match commit {
        Commit::Done(committed) => panic!("{} did not wait for its flush", committed.id()),
        Commit::Later(pending) => pending,
    }
}

fn is_waiting(test_log: &mut TestLog, pending: &mut PendingCommit) -> bool {
    matches!(test_log.writer.poll_commit(pending), CommitProgress::Waiting)
}

/// Opens a log whose first segments are provisioned, so that every later flush is for messages.
fn gated_log(folder: &Path, durability: Durability) -> (TestLog, Receiver<()>, Sender<bool>) {
    let (call, begins, words) = gated();
    // Two segments are provisioned: the first and the next.
    words.send(true).unwrap();
    words.send(true).unwrap();
    let test_log = open(folder, settings(durability, call));
    for _ in 0..2 {
        begins.recv_timeout(PATIENCE).unwrap();
    }
    (test_log, begins, words)
}

#[test]
fn nothing_is_visible_or_acknowledged_before_its_flush() {
    let dir = tempfile::tempdir().unwrap();
    let (mut test_log, begins, words) = gated_log(dir.path(), Durability::Message);
    let mut first = commit(&mut test_log, 1);
    assert!(is_waiting(&mut test_log, &mut first));
    test_log.writer.round_done();
    begins.recv_timeout(PATIENCE).unwrap();
    assert!(is_waiting(&mut test_log, &mut first));
    assert_eq!(visible(dir.path(), BOOT_A), 0, "the flush is still under way");
    words.send(true).unwrap();
    let id = test_log.outcome(&mut first).unwrap();
    assert_eq!(visible(dir.path(), BOOT_A), 1);
    assert_eq!(read(dir.path(), id).1, payload(1, 100));
    words.send(true).unwrap(); // for the sealed segment
    test_log.close();
}

#[test]
fn commits_during_a_flush_share_the_next_flush() {
    let dir = tempfile::tempdir().unwrap();
    let (mut test_log, begins, words) = gated_log(dir.path(), Durability::Message);
    let mut all = vec![commit(&mut test_log, 0)];
    test_log.writer.round_done();
    begins.recv_timeout(PATIENCE).unwrap();
    for round in 1..64 {
        all.push(commit(&mut test_log, round));
        test_log.writer.round_done();
    }
    assert_eq!(test_log.writer.flushes(), 1);
    words.send(true).unwrap();
    test_log.outcome(&mut all[0]).unwrap();
    assert!(is_waiting(&mut test_log, &mut all[1]), "it came after the flush began");
    test_log.writer.round_done();
    words.send(true).unwrap();
    for pending in &mut all[1..] {
        test_log.outcome(pending).unwrap();
    }
    assert_eq!(test_log.writer.flushes(), 2);
    assert_eq!(visible(dir.path(), BOOT_A), 64);
    words.send(true).unwrap();
    test_log.close();
}

#[test]
fn a_failed_flush_is_final_for_its_segment_and_another_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut test_log, begins, words) = gated_log(dir.path(), Durability::Message);
    words.send(true).unwrap();
    let mut good = commit(&mut test_log, 1);
    let good = test_log.outcome(&mut good).unwrap();
    let (mut one, mut two) = (commit(&mut test_log, 2), commit(&mut test_log, 3));
    test_log.writer.round_done();
    words.send(false).unwrap();
    assert_eq!(test_log.outcome(&mut one), None);
    assert_eq!(test_log.outcome(&mut two), None, "it shared that flush");
    assert_eq!(visible(dir.path(), BOOT_A), 1);
    // The fresh segment, and the one provisioned after it.
    words.send(true).unwrap();
    words.send(true).unwrap();
    let mut next = commit(&mut test_log, 4);
    let next = test_log.outcome(&mut next).unwrap();
    assert!(next.segment > good.segment);
    let begun = 2 + 1 + 1 + 2;
    words.send(true).unwrap();
    test_log.close();
    assert_eq!(2 + begins.try_iter().count(), begun + 1, "the suspect one is not flushed again");
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let suspect = folder.segment(good.segment).unwrap();
    assert_eq!(suspect.state(), State::Suspect { from: 1 });
    // In another boot every position is tried: messages answered with 451 are not found there.
    for boot in [BOOT_A, BOOT_B] {
        assert_eq!(visible(dir.path(), boot), 2);
    }
}

#[test]
fn messages_are_refused_only_while_flushes_fail() {
    let dir = tempfile::tempdir().unwrap();
    let is_sick = Arc::new(AtomicUsize::new(0));
    let sick = is_sick.clone();
    let call = FlushCall::new(move |file| match sick.load(Ordering::SeqCst) {
        0 => file.sync_data(),
        _ => Err(std::io::Error::other("the disk is gone")),
    });
    let mut test_log = open(dir.path(), settings(Durability::Message, call));
    test_log.append(b"e", b"kept");
    is_sick.store(1, Ordering::SeqCst);
    let mut refusals = 0;
    loop {
        // First the commits fail; then no segment is available at all.
        match test_log.until(|w| w.append(b"e", &[b"lost"], &facts(b"lost"))) {
            Ok(commit) => assert_eq!(test_log.finish(commit), None),
            Err(e) => break assert_eq!(e, NoRoom::Full),
        }
        refusals += 1;
        assert!(refusals < 10, "fresh segments are created although flushes fail");
    }
    is_sick.store(0, Ordering::SeqCst);
    let healed = loop {
        match test_log.writer.append(b"e", &[b"kept"], &facts(b"kept")) {
            Ok(commit) => break test_log.finish(commit).unwrap(),
            Err(_) => {
                test_log.writer.round_done();
                let _ = test_log.woken.recv_timeout(Duration::from_millis(100));
            }
        }
    };
    assert_eq!(read(dir.path(), healed).1, b"kept");
    test_log.close();
    assert_eq!(visible(dir.path(), BOOT_A), 2);
}

#[test]
fn a_large_message_is_renamed_after_its_flush() {
    let dir = tempfile::tempdir().unwrap();
    let (mut test_log, begins, words) = gated_log(dir.path(), Durability::Message);
    let bytes = payload(9, 150_000);
    for is_good in [false, true] {
        let mut r = test_log
            .until(|w| w.reserve(b"large", bytes.len() as u64, SizeBasis::Declared))
            .unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = test_log
                .until(|w| {
                    let space = w.space(&mut r)?;
                    let n = space.len().min(rest.len());
                    space[..n].copy_from_slice(&rest[..n]);
                    Ok(n)
                })
                .unwrap();
            test_log.writer.filled(&mut r, n);
            rest = &rest[n..];
        }
        let commit = test_log.writer.commit_reserved(r, bytes.len() as u64, &facts(&bytes));
        begins.recv_timeout(PATIENCE).unwrap();
        assert_eq!(visible(dir.path(), BOOT_A), 0, "its flush is under way");
        words.send(is_good).unwrap();
        let outcome = test_log.finish(commit);
        assert_eq!(outcome.is_some(), is_good);
        if let Some(id) = outcome {
            assert!(read(dir.path(), id) == (b"large".to_vec(), bytes.clone()));
            words.send(true).unwrap(); // so that it is known to be synced
        }
    }
    words.send(true).unwrap();
    test_log.close();
    assert_eq!(visible(dir.path(), BOOT_B), 1);
}

#[test]
fn with_an_interval_only_changed_segments_are_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let flushes = Arc::new(AtomicUsize::new(0));
    let counted = flushes.clone();
    let call = FlushCall::new(move |file| {
        counted.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    });
    let interval = Durability::Interval(Duration::from_secs(1));
    let (mut log, _) = LogByHand::open(dir.path(), settings(interval, call)).unwrap();
    let mut writer = log.writer(Box::new(|| ())).unwrap();
    while log.serve(usize::MAX, Duration::ZERO) + log.flush(usize::MAX, Duration::ZERO) > 0 {}
    for n in 1..4 {
        let commit = writer.append(b"e", &[b"told at once"], &facts(b"told at once"));
        assert!(matches!(commit, Ok(Commit::Done(_))));
        assert_eq!(visible(dir.path(), BOOT_A), n);
        let before = flushes.load(Ordering::Relaxed);
        log.flush_interval();
        assert_eq!(flushes.load(Ordering::Relaxed), before + 1);
        log.flush_interval();
        assert_eq!(flushes.load(Ordering::Relaxed), before + 1, "nothing has changed");
    }
    writer.close();
    log.close(Duration::ZERO);
}

#[test]
fn with_an_interval_a_failed_flush_leaves_a_suspect_segment() {
    let dir = tempfile::tempdir().unwrap();
    let interval = Durability::Interval(Duration::from_millis(5));
    let (mut test_log, begins, words) = gated_log(dir.path(), interval);
    let made = || begins.recv_timeout(PATIENCE).unwrap();
    let first = test_log.append(b"e", b"safe");
    made();
    words.send(true).unwrap();
    test_log.append(b"e", b"in doubt");
    made();
    // From here on every flush succeeds: those of fresh segments and those of their messages.
    words.send(false).unwrap();
    for _ in 0..100 {
        words.send(true).unwrap();
    }
    let next = crate::common::until_some("another segment", || {
        test_log.writer.round_done();
        let id = test_log.append(b"e", b"elsewhere");
        (id.segment != first.segment).then_some(id)
    });
    test_log.close();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!(folder.segment(first.segment).unwrap().state(), State::Suspect { from: 1 });
    assert_eq!(folder.segment(next.segment).unwrap().state(), State::Sealed);
    let published = folder.segment(first.segment).unwrap().published().messages;
    assert!(published >= 2, "acknowledged messages stay readable as long as the disk can be read");
}

#[test]
fn closing_syncs_everything_unless_durability_is_process() {
    for (durability, is_synced) in [
        (Durability::Message, true),
        (Durability::Interval(Duration::from_secs(3600)), true),
        (Durability::Process, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut test_log = open(dir.path(), settings(durability, FlushCall::default()));
        let id = test_log.append(b"e", b"x");
        let large = reserved(&mut test_log, b"e", &payload(1, 100_000), 100_000);
        test_log.close();
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        for id in [id, large] {
            let segment = folder.segment(id.segment).unwrap();
            assert_eq!(segment.is_synced(), is_synced, "{durability:?} {id}");
        }
    }
}

/// The octets of each file (by inode) on the disk, as of its last flush.
type Disk = Arc<Mutex<HashMap<u64, Vec<u8>>>>;

fn octets(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn remembering(disk: Disk) -> FlushCall {
    FlushCall::new(move |file| {
        let inode = file.metadata()?.ino();
        disk.lock().unwrap().insert(inode, octets(file));
        Ok(())
    })
}

/// Makes `image` what a power loss leaves of `folder`: each file as it was last flushed, plus some
/// of the pages written since. Files that were never flushed are missing.
///
/// `folder` itself is unchanged: its threads still run, and its files are mapped.
fn lose_power(folder: &Path, image: &Path, disk: &Disk, mut is_kept: impl FnMut() -> bool) {
    std::fs::create_dir_all(image.join("segments")).unwrap();
    std::fs::copy(folder.join("store"), image.join("store")).unwrap();
    for entry in std::fs::read_dir(folder.join("segments")).unwrap() {
        let path = entry.unwrap().path();
        // A file that is being created can vanish or be renamed.
        let Ok(file) = File::open(&path) else { continue };
        let disk = disk.lock().unwrap();
        let Some(flushed) = disk.get(&file.metadata().unwrap().ino()) else { continue };
        let now = octets(&file);
        let path = image.join("segments").join(path.file_name().unwrap());
        let mut image = flushed.clone();
        image.resize(now.len(), 0);
        for (page, new) in image.chunks_mut(4096).zip(now.chunks(4096)) {
            if is_kept() {
                page.copy_from_slice(new);
            }
        }
        std::fs::write(&path, image).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Acknowledged ⊆ found after a power loss ⊆ written, byte for byte.
    #[test]
    fn acknowledged_mail_survives_a_power_loss(
        batches in prop::collection::vec(prop::collection::vec(0..9000usize, 1..6), 1..12),
        large in prop::option::of(70_000..150_000usize),
        kept in prop::collection::vec(any::<bool>(), 97),
        told in 0..12usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut test_log = open(dir.path(), settings(Durability::Message, remembering(disk.clone())));
        let mut acknowledged = BTreeMap::new();
        let mut written = Vec::new();
        for (n, batch) in batches.iter().enumerate() {
            let mut pending = Vec::new();
            for (i, size) in batch.iter().enumerate() {
                let bytes = payload((n * 7 + i) as u8, *size);
                let commit = test_log.until(|w| w.append(b"e", &[&bytes], &facts(&bytes))).unwrap();
                pending.push((commit, bytes.clone()));
                written.push(bytes);
            }
            if n < told {
                for (commit, bytes) in pending {
                    acknowledged.insert(test_log.finish(commit).unwrap(), bytes);
                }
            }
        }
        if let Some(size) = large {
            let bytes = payload(99, size);
            acknowledged.insert(reserved(&mut test_log, b"e", &bytes, 1000), bytes.clone());
            written.push(bytes);
        }
        let mut kept = kept.iter().cycle();
        let image = tempfile::tempdir().unwrap();
        lose_power(dir.path(), image.path(), &disk, || *kept.next().unwrap());
        drop(test_log.writer);
        test_log.log.close();
        let found = read_messages(image.path());
        for (id, bytes) in &acknowledged {
            prop_assert!(found.get(id) == Some(bytes), "{id} was acknowledged and is lost");
        }
        prop_assert!(found.values().all(|bytes| written.contains(bytes)));
        let (log, recovery) = Log::open(image.path(), LogSettings { boot: Some(BOOT_B), ..small() }).unwrap();
        prop_assert_eq!(recovery.messages, found.len() as u64);
        log.close();
    }
}

/// Returns the file names in a folder.
fn names(folder: &Path) -> BTreeSet<OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn a_large_message_is_durable_only_once_its_file_name_is() {
    let interval = Durability::Interval(Duration::from_secs(3600));
    for durability in [interval, Durability::Message] {
        let dir = tempfile::tempdir().unwrap();
        // The names that the disk has of the folder, as of its last flush.
        let safe = Arc::new(Mutex::new(BTreeSet::new()));
        let (seen, segments) = (safe.clone(), dir.path().join("segments"));
        let flush = FlushCall::default().folders(move |_| {
            *seen.lock().unwrap() = names(&segments);
            Ok(())
        });
        let mut test_log = open(dir.path(), settings(durability, flush));
        for n in 0..5 {
            let id = reserved(&mut test_log, b"e", &payload(n, 100_000), 100_000);
            let path = dir.path().join(format!("segments/{:08}.seg", id.segment));
            let name = path.file_name().unwrap().to_owned();
            let end = Instant::now() + PATIENCE;
            loop {
                let is_synced = Segment::open(&path).unwrap().is_synced();
                assert!(!is_synced || safe.lock().unwrap().contains(&name), "{durability:?} {id}");
                if is_synced {
                    break;
                }
                assert!(Instant::now() < end, "{durability:?}: {id} is synced eventually");
            }
        }
        test_log.close();
    }
}

fn read_messages(folder: &Path) -> BTreeMap<MessageId, Vec<u8>> {
    let folder = Folder::open_in(folder, BOOT_B).unwrap();
    let mut record = Vec::new();
    let listing = folder.listing(Span::default()).unwrap();
    let slots = listing.forward(0).unwrap().flatten();
    slots
        .filter_map(|slot| {
            let segment = folder.segment(slot.id().segment).unwrap();
            let (_, bytes) = segment.record(&slot, &mut record).ok()?;
            Some((slot.id(), bytes.to_vec()))
        })
        .collect()
}
