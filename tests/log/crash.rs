//! The files after a crash, reopened by the rules of docs/segment-format.md.
//!
//! `kill -9` leaves everything that was published (same boot id). A power loss leaves any subset of
//! the pages written since the last flush, and the rest as it was before: zeros in a fresh file,
//! an earlier segment's octets in a recycled one (another boot id).
use crate::log_support;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use log_support::{open, payload, small};
use proptest::prelude::*;
use sinkd::log::reader::{Folder, SegmentError};
use sinkd::log::{BootId, Log, LogSettings, MessageId, SizeBasis};
use sinkd::time::Span;

const BOOT_A: BootId = BootId([0xa; 16]);
const BOOT_B: BootId = BootId([0xb; 16]);

type Messages = BTreeMap<MessageId, (Vec<u8>, Vec<u8>)>;

fn settings(boot: BootId) -> LogSettings {
    LogSettings {
        segment_bytes_first: 32 << 10,
        segment_bytes_max: 32 << 10,
        boot: Some(boot),
        ..small()
    }
}

/// Writes messages of these sizes and ends as after `kill -9`: nothing is sealed.
fn killed(folder: &Path, sizes: &[usize]) -> Messages {
    let mut test_log = open(folder, settings(BOOT_A));
    let mut messages = Messages::new();
    for (i, size) in sizes.iter().enumerate() {
        let (envelope, bytes) = (payload(i as u8, 33), payload(!(i as u8), *size));
        messages.insert(test_log.append(&envelope, &bytes), (envelope, bytes));
    }
    drop(test_log.writer);
    test_log.log.close();
    messages
}

/// Returns the messages a reader in `boot` finds, without damaged ones.
fn stored(folder: &Path, boot: BootId) -> Messages {
    let folder = Folder::open_in(folder, boot).unwrap();
    let mut messages = Messages::new();
    let mut buf = Vec::new();
    for slot in folder.listing(Span::default()).unwrap().forward(0).unwrap().flatten() {
        let segment = folder.segment(slot.id().segment).unwrap();
        if let Ok((envelope, bytes)) = segment.record(&slot, &mut buf) {
            let known = messages.insert(slot.id(), (envelope.to_vec(), bytes.to_vec()));
            assert!(known.is_none(), "{} is listed once", slot.id());
        }
    }
    messages
}

fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("segments/{number:08}.seg"))
}

fn assert_subset(part: &Messages, whole: &Messages) {
    for (id, message) in part {
        assert!(whole.get(id) == Some(message), "{id} was never stored like this");
    }
}

#[test]
fn every_message_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let messages = killed(dir.path(), &[100, 20_000, 3000, 9000, 0, 12_000, 5]);
    assert!(stored(dir.path(), BOOT_A) == messages, "before anybody recovers it");
    let (log, recovery) = Log::open(dir.path(), settings(BOOT_A)).unwrap();
    assert_eq!((recovery.messages, recovery.damaged.len()), (7, 0));
    assert!(recovery.sealed_now > 0);
    assert!(stored(dir.path(), BOOT_A) == messages);
    log.close();
    let (log, recovery) = Log::open(dir.path(), settings(BOOT_A)).unwrap();
    assert_eq!((recovery.messages, recovery.sealed_now), (7, 0));
    log.close();
}

#[test]
fn an_unfinished_dedicated_segment_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), settings(BOOT_A));
    let mut r = test_log.until(|w| w.reserve(b"e", 100_000, SizeBasis::Declared)).unwrap();
    test_log.until(|w| w.space(&mut r).map(|space| space.fill(1))).unwrap();
    let parts = || {
        let names = std::fs::read_dir(dir.path().join("segments")).unwrap();
        names.filter(|n| n.as_ref().unwrap().path().extension() == Some("part".as_ref())).count()
    };
    assert_eq!(parts(), 1);
    drop(test_log.writer);
    test_log.log.close();
    assert!(stored(dir.path(), BOOT_A).is_empty());
    let (log, recovery) = Log::open(dir.path(), settings(BOOT_A)).unwrap();
    assert_eq!((recovery.messages, parts()), (0, 0));
    log.close();
}

/// Everything before the cut is new; everything after it is unchanged.
#[test]
fn a_cut_at_any_octet_loses_only_messages_it_hits() {
    let dir = tempfile::tempdir().unwrap();
    let messages = killed(dir.path(), &[40, 0, 300, 7]);
    let path = segment_path(dir.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    let records = 8192..8192 + 600;
    let slots = whole.len() - 5 * 64..whole.len();
    for cut in records.chain(slots) {
        let mut image = whole.clone();
        image[cut..].fill(0);
        // The reverse order too: the octets after the cut reached the disk first.
        for part in 0..2 {
            if part == 1 {
                image = whole.clone();
                image[8192..cut].fill(0);
            }
            std::fs::write(&path, &image).unwrap();
            let found = stored(dir.path(), BOOT_B);
            assert_subset(&found, &messages);
            let intact = messages.keys().filter(|id| is_intact(&image, &whole, id.slot)).count();
            assert_eq!(found.len(), intact, "cut at {cut}, part {part}");
        }
    }
}

/// Returns whether slot and record of `index` are intact in the image.
fn is_intact(image: &[u8], whole: &[u8], index: u32) -> bool {
    let at = whole.len() - 64 * (index as usize + 1);
    let slot = &whole[at..at + 64];
    let word = |at: usize| u32::from_le_bytes(slot[at..at + 4].try_into().unwrap()) as usize;
    let (start, len) = (word(0), word(8) + word(16));
    image[at..at + 64] == *slot && image[start..start + len] == whole[start..start + len]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any subset of the pages reached the disk; the others hold zeros, or what an earlier segment
    /// left in the same file.
    #[test]
    fn after_a_power_loss_a_subset_is_found_and_nothing_is_invented(
        sizes in prop::collection::vec(0..3000usize, 1..12),
        old_sizes in prop::collection::vec(0..3000usize, 1..12),
        kept in prop::collection::vec(prop::bool::weighted(0.7), 8),
        is_reused in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let old = killed(dir.path(), &old_sizes);
        let stale = std::fs::read(segment_path(dir.path(), 1)).unwrap();
        let messages = killed(dir.path(), &sizes);
        let number = messages.keys().next().unwrap().segment;
        prop_assert!(old.keys().all(|id| id.segment < number));
        let path = segment_path(dir.path(), number);
        let mut image = std::fs::read(&path).unwrap();
        let first: Messages = messages.into_iter().filter(|m| m.0.segment == number).collect();
        std::fs::remove_dir_all(dir.path().join("segments")).unwrap();
        std::fs::create_dir(dir.path().join("segments")).unwrap();
        let before = if is_reused { stale } else { vec![0; image.len()] };
        let whole = image.clone();
        // The identity page was flushed; of the other pages, some reached the disk.
        for (page, is_kept) in (1..8).zip(&kept) {
            if !is_kept {
                let range = page * 4096..(page + 1) * 4096;
                image[range.clone()].copy_from_slice(&before[range]);
            }
        }
        std::fs::write(&path, &image).unwrap();
        let found = stored(dir.path(), BOOT_B);
        assert_subset(&found, &first);
        let intact = first.keys().filter(|id| is_intact(&image, &whole, id.slot)).count();
        prop_assert_eq!(found.len(), intact);
        // After recovery has sealed it, the result is the same for this boot and the next.
        let (log, recovery) = Log::open(dir.path(), settings(BOOT_B)).unwrap();
        prop_assert_eq!(recovery.messages, intact as u64);
        log.close();
        prop_assert!(stored(dir.path(), BOOT_B) == found);
        prop_assert!(stored(dir.path(), BOOT_A) == found);
        let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
        prop_assert_eq!(folder.messages(), intact as u64);
    }
}

#[test]
fn segment_numbers_are_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = killed(dir.path(), &[100]);
    for number in first.keys().map(|id| id.segment) {
        std::fs::remove_file(segment_path(dir.path(), number)).unwrap();
    }
    let second = killed(dir.path(), &[100]);
    assert!(second.keys().min() > first.keys().max());
    // The file `store` was lost, while the segments survived.
    std::fs::remove_file(dir.path().join("store")).unwrap();
    let third = killed(dir.path(), &[100]);
    assert!(third.keys().min() > second.keys().max());
}

#[test]
fn foreign_files_are_reported_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let messages = killed(dir.path(), &[10, 20]);
    let good = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    let put = |number: u32, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        bytes[12..16].copy_from_slice(&number.to_le_bytes());
        change(&mut bytes);
        std::fs::write(segment_path(dir.path(), number), &bytes).unwrap();
        bytes
    };
    let files = [
        put(11, &|b| *b = b"From me@example.org\n".to_vec()),
        put(12, &|b| b[8] = 2),
        put(13, &|b| b.truncate(5000)),
        put(14, &|b| b[40] ^= 1),
        put(15, &|b| b.clear()),
        put(16, &|b| b.truncate(100)),
        put(17, &|b| *b = good.clone()),
    ];
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let problems: Vec<String> = folder
        .unreadable()
        .map(|e| match e {
            SegmentError::Foreign { .. } => "foreign".into(),
            SegmentError::Newer { version, .. } => format!("newer {version}"),
            SegmentError::Truncated { found, expected, .. } => format!("{found} of {expected}"),
            SegmentError::Damaged { offset, .. } => format!("damaged at {offset}"),
            other => other.to_string(),
        })
        .collect();
    // 13 and 14 have a number whose checksum no longer matches; 17 is a spare.
    let expected =
        ["foreign", "newer 2", "damaged at 4092", "damaged at 4092", "foreign", "100 of 8192"];
    assert_eq!(problems, expected);
    assert!(stored(dir.path(), BOOT_A) == messages);
    for (number, bytes) in (11..).zip(&files) {
        assert!(std::fs::read(segment_path(dir.path(), number)).unwrap() == *bytes);
    }
    let (log, recovery) = Log::open(dir.path(), settings(BOOT_A)).unwrap();
    assert_eq!((recovery.messages, recovery.damaged.len()), (2, 6));
    for (number, bytes) in (11..).zip(&files) {
        assert!(std::fs::read(segment_path(dir.path(), number)).unwrap() == *bytes);
    }
    log.close();
}

#[test]
fn a_truncated_segment_is_reported_with_its_length() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path(), &[10]);
    let path = segment_path(dir.path(), 1);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(20_000).unwrap();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let problem = folder.unreadable().next().unwrap().to_string();
    assert!(problem.contains("byte 20000") && problem.contains("00000001.seg"), "{problem}");
}

#[test]
fn a_flipped_octet_damages_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let messages = killed(dir.path(), &[500, 600, 700]);
    let path = segment_path(dir.path(), 1);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, 8192 + 100).unwrap();
    file.write_all_at(&[!octet[0]], 8192 + 100).unwrap();
    let found = stored(dir.path(), BOOT_A);
    assert_subset(&found, &messages);
    assert_eq!(found.len(), 2);
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let damage: Vec<_> = folder.segment(1).unwrap().verify().map(|d| d.to_string()).collect();
    assert_eq!(damage.len(), 1);
    assert!(damage[0].contains("byte 8192") && damage[0].contains("1:0"), "{}", damage[0]);
}
