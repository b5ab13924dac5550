//! Retention and the ring: the oldest segment is pruned and accounted for, its readers continue,
//! and old octets in a reused file are never mistaken for new mail.
use crate::log_support;

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log_support::{
    BOOT_A, BOOT_B, PATIENCE, SEGMENT_BYTES, TestLog, disk_bytes, open, payload, reserved, ring,
    segment_path,
};
use proptest::prelude::*;
use sinkd::log::reader::{Folder, ReadError, Segment};
use sinkd::log::{BootId, Durability, Log, LogSettings, MessageId, Retention};
use sinkd::time::Span;

type Messages = BTreeMap<MessageId, Vec<u8>>;

fn stored(folder: &Path, boot: BootId) -> Messages {
    let folder = Folder::open_in(folder, boot).unwrap();
    let mut record = Vec::new();
    let listing = folder.listing(Span::default()).unwrap();
    let slots = listing.forward(0).unwrap().map(Result::unwrap);
    slots
        .map(|slot| {
            let segment = folder.segment(slot.id().segment).unwrap();
            let (_, bytes) = segment.record(&slot, &mut record).unwrap();
            (slot.id(), bytes.to_vec())
        })
        .collect()
}

/// Appends until `messages` have been written in total.
fn fill(test_log: &mut TestLog, written: &mut Messages, messages: usize, size: usize) {
    while written.len() < messages {
        let bytes = payload(written.len() as u8, size);
        written.insert(test_log.append(b"envelope", &bytes), bytes);
    }
}

#[test]
fn a_ring_stays_within_its_size_and_accounts_for_every_message() {
    for durability in [Durability::Process, Durability::Message] {
        let dir = tempfile::tempdir().unwrap();
        let budget = 8 * SEGMENT_BYTES;
        let mut test_log = open(dir.path(), LogSettings { durability, ..ring(budget) });
        let mut written = Messages::new();
        for lap in 1..40 {
            fill(&mut test_log, &mut written, 60 * lap, 3000);
            assert!(disk_bytes(dir.path()) <= budget + 2 * SEGMENT_BYTES, "lap {lap}");
        }
        test_log.close();
        let stored = stored(dir.path(), BOOT_A);
        assert!(stored.iter().all(|(id, bytes)| written[id] == *bytes));
        let newest = written.keys().rev().take(stored.len());
        assert!(newest.eq(stored.keys().rev()), "the oldest is pruned");
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        let pruned = folder.pruned().unwrap();
        assert_eq!(pruned.messages + stored.len() as u64, written.len() as u64);
        assert_eq!(pruned.message_bytes, 3000 * pruned.messages);
        assert!(pruned.segments > 30, "the ring went round: {pruned:?}");
    }
}

#[test]
fn segment_files_are_reused_instead_of_created() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), ring(6 * SEGMENT_BYTES));
    let mut written = Messages::new();
    let mut inodes = std::collections::HashSet::new();
    for lap in 1..30 {
        fill(&mut test_log, &mut written, 40 * lap, 3000);
        let files = std::fs::read_dir(dir.path().join("segments")).unwrap();
        inodes.extend(files.filter_map(|f| f.unwrap().metadata().ok()).map(|m| m.ino()));
    }
    test_log.close();
    assert!(inodes.len() <= 8, "{} files for {} messages", inodes.len(), written.len());
}

#[test]
fn a_reader_finishes_its_segment_while_the_ring_wraps() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), ring(6 * SEGMENT_BYTES));
    let mut written = Messages::new();
    fill(&mut test_log, &mut written, 60, 3000);
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let first = *written.keys().next().unwrap();
    let held = folder.segment(first.segment).unwrap();
    let late = Folder::open_in(dir.path(), BOOT_A).unwrap();
    fill(&mut test_log, &mut written, 600, 3000);
    assert!(!segment_path(dir.path(), first.segment).exists());
    let mut record = Vec::new();
    for slot in held.slots(0..u32::MAX).map(Result::unwrap) {
        let (_, bytes) = held.record(&slot, &mut record).unwrap();
        assert!(bytes == written[&slot.id()], "{}", slot.id());
    }
    // A reader that knew of the segment and opens it too late gets an error; a listing skips it.
    let outcome = late.find(first).unwrap_err();
    assert!(matches!(outcome, ReadError::NoSuchMessage { id } if id == first), "{outcome}");
    let listing = late.listing(Span::default()).unwrap();
    let listed: Vec<_> = listing.forward(0).unwrap().map(Result::unwrap).collect();
    assert!(listed.len() < 60);
    test_log.close();
}

/// The line can't be written, but the segment must be pruned anyway: its space is needed.
#[test]
fn pruned_sums_are_right_after_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events.jsonl");
    std::os::unix::fs::symlink("/dev/full", &events).unwrap();
    let mut test_log = open(dir.path(), ring(8 * SEGMENT_BYTES));
    let mut written = Messages::new();
    fill(&mut test_log, &mut written, 100, 20_000);
    let left = stored(dir.path(), BOOT_A).len();
    assert!(left < 100, "the ring has wrapped");
    std::fs::remove_file(&events).unwrap();
    fill(&mut test_log, &mut written, 200, 20_000);
    test_log.close();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!(folder.messages() + folder.pruned().unwrap().messages, 200);
}

#[test]
fn segments_are_kept_by_number_and_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let few = Retention { segments: Some(5), ..Retention::default() };
    let mut test_log = open(dir.path(), LogSettings { retention: few, ..ring(0) });
    let mut written = Messages::new();
    fill(&mut test_log, &mut written, 500, 3000);
    let large = reserved(&mut test_log, b"e", &payload(1, 100_000), 100_000);
    test_log.close();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert!((3..=5).contains(&folder.segments().count()));
    assert!(folder.find(large).is_ok(), "the newest stays");

    let old = Retention { age: Some(Duration::from_millis(300)), ..Retention::default() };
    let mut test_log = open(dir.path(), LogSettings { retention: old, ..ring(0) });
    let newest = test_log.append(b"e", b"new");
    let end = Instant::now() + PATIENCE;
    while Folder::open_in(dir.path(), BOOT_A).unwrap().messages() > 1 {
        assert!(Instant::now() < end, "old segments are pruned on their own");
        std::thread::yield_now();
    }
    assert_eq!(log_support::read(dir.path(), newest).1, b"new", "an open segment stays");
    test_log.close();
    let pruned = Folder::open_in(dir.path(), BOOT_A).unwrap().pruned().unwrap();
    assert!(pruned.messages > written.len() as u64);
}

/// Fills sealed segments with messages of 3000 octets; returns the messages.
fn filled(folder: &Path) -> Messages {
    let mut test_log = open(folder, LogSettings { retention: Retention::default(), ..ring(0) });
    let mut written = Messages::new();
    fill(&mut test_log, &mut written, 70, 3000);
    test_log.close();
    written
}

type Change<'a> = &'a dyn Fn(&std::fs::File);

#[test]
fn a_crash_between_any_two_steps_of_recycling_invents_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let written = filled(dir.path());
    let new = written.keys().last().unwrap().segment + 10;
    let path = segment_path(dir.path(), 1);
    let old = std::fs::read(&path).unwrap();
    // The new identity page, taken from the segment of that number in a fresh folder.
    let fresh = {
        let other = tempfile::tempdir().unwrap();
        std::fs::write(segment_path_made(other.path(), new - 1), b"").unwrap();
        std::fs::copy(dir.path().join("store"), other.path().join("store")).unwrap();
        let test_log =
            open(other.path(), LogSettings { retention: Retention::default(), ..ring(0) });
        let page = std::fs::read(segment_path(other.path(), new)).unwrap()[..4096].to_vec();
        drop(test_log);
        page
    };
    let rest: Messages = written.iter().filter(|m| m.0.segment != 1).map(clone).collect();
    let steps: [(&str, Change, u32); 4] = [
        ("the live page is zeros", &|f| f.write_all_at(&[0; 4096], 4096).unwrap(), 1),
        ("half of it is", &|f| f.write_all_at(&[0; 2048], 4096).unwrap(), 1),
        (
            "and the identity is new",
            &|f| {
                f.write_all_at(&[0; 4096], 4096).unwrap();
                f.write_all_at(&fresh, 0).unwrap();
            },
            1,
        ),
        (
            "and the name",
            &|f| {
                f.write_all_at(&[0; 4096], 4096).unwrap();
                f.write_all_at(&fresh, 0).unwrap();
            },
            new,
        ),
    ];
    for (step, change, number) in steps {
        for boot in [BOOT_A, BOOT_B] {
            let image = tempfile::tempdir().unwrap();
            copy(dir.path(), image.path());
            let file = std::fs::OpenOptions::new().write(true).open(segment_path(image.path(), 1));
            change(&file.unwrap());
            std::fs::rename(segment_path(image.path(), 1), segment_path(image.path(), number))
                .unwrap();
            let found = stored(image.path(), boot);
            assert!(found.iter().all(|(id, bytes)| written[id] == *bytes), "{step}");
            assert!(rest.keys().all(|id| found.contains_key(id)), "{step}: the others are there");
            let settings = LogSettings { boot: Some(boot), ..ring(1 << 30) };
            let (log, recovery) = Log::open(image.path(), settings).unwrap();
            log.close();
            // In its own boot, counts of zero are not trusted once the writer has ended.
            let is_spare = step.contains("identity");
            let is_revived = number == 1 && !is_spare && boot == BOOT_A;
            let kept = if is_revived { &written } else { &found };
            assert_eq!(recovery.messages, kept.len() as u64, "{step}");
            assert!(stored(image.path(), boot) == *kept, "{step}: written down, it is the same");
            // A spare is removed; a segment is not, as its slots are valid.
            let stays = number == 1 && !is_spare;
            assert_eq!(segment_path(image.path(), 1).exists(), stays, "{step}");
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), old);
}

fn clone(message: (&MessageId, &Vec<u8>)) -> (MessageId, Vec<u8>) {
    (*message.0, message.1.clone())
}

fn segment_path_made(folder: &Path, number: u32) -> PathBuf {
    std::fs::create_dir_all(folder.join("segments")).unwrap();
    segment_path(folder, number)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_copy_of_a_segment_under_another_name_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let copied = segment_path(dir.path(), 77);
    std::fs::copy(segment_path(dir.path(), 1), &copied).unwrap();
    let (log, _) = Log::open(dir.path(), ring(1 << 30)).unwrap();
    log.close();
    assert!(copied.exists());
    assert!(Segment::open(&copied).is_err(), "and never read as the other segment");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any sizes and bounds: the newest messages are stored, and the rest is accounted for.
    #[test]
    fn every_missing_message_was_pruned(
        sizes in prop::collection::vec(prop_oneof![8 => 0..9000usize, 1 => 60_000..150_000usize], 20..150),
        budget in 4..12u64,
        segments in prop::option::of(4..10u64),
        restart_after in 0..150usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let retention = Retention { bytes: Some(budget * SEGMENT_BYTES), segments, age: None };
        let settings = LogSettings { retention, segment_bytes_max: 4 * SEGMENT_BYTES, ..ring(0) };
        let mut test_log = open(dir.path(), settings.clone());
        let (mut written, mut newest) = (Messages::new(), None);
        for (n, size) in sizes.iter().enumerate() {
            if n == restart_after {
                test_log.close();
                test_log = open(dir.path(), settings.clone());
            }
            let bytes = payload(n as u8, *size);
            let id = if *size > 60_000 { reserved(&mut test_log, b"e", &bytes, bytes.len() as u64) } else { test_log.append(b"e", &bytes) };
            written.insert(id, bytes);
            newest = Some(id);
        }
        test_log.close();
        let stored = stored(dir.path(), BOOT_A);
        prop_assert!(newest.is_none_or(|id| stored.contains_key(&id)), "the newest message stays");
        prop_assert!(stored.iter().all(|(id, bytes)| written[id] == *bytes));
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        let pruned = folder.pruned().unwrap();
        prop_assert_eq!(pruned.messages + stored.len() as u64, written.len() as u64);
        let gone = written.iter().filter(|(id, _)| !stored.contains_key(id));
        let gone_bytes: u64 = gone.map(|(_, bytes)| bytes.len() as u64).sum();
        prop_assert_eq!(pruned.message_bytes, gone_bytes);
    }
}
