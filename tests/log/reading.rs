//! What readers report about damage and about segments pruned under them: nothing is skipped
//! silently, and nothing unverified is trusted.
use crate::log_support;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_support::{TestLog, facts, open, payload, small};
use sinkd::log::reader::{Damage, Folder, Mapped, Segment};
use sinkd::log::{self, BootId, Keep, Log, LogSettings, MessageId, Remove, Retention, SlotFacts};
use sinkd::time::{Span, UnixNs};

const BOOT_A: BootId = BootId([0xa; 16]);
const BOOT_B: BootId = BootId([0xb; 16]);
/// Offset of the live page.
const LIVE: u64 = 4096;

fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("segments/{number:08}.seg"))
}

fn overwrite(folder: &Path, number: u32, at: u64, octets: &[u8]) {
    let path = segment_path(folder, number);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(octets, at).unwrap();
}

fn octet(folder: &Path, number: u32, at: u64) -> u8 {
    let mut octet = [0];
    let file = std::fs::File::open(segment_path(folder, number)).unwrap();
    file.read_exact_at(&mut octet, at).unwrap();
    octet[0]
}

/// Appends a message that was received `ns` after the beginning of 1970.
fn append_at(test_log: &mut TestLog, ns: u64, payload: &[u8]) -> MessageId {
    let facts = SlotFacts { received_at_ns: UnixNs::new(ns), ..facts(payload) };
    let commit = test_log.until(|w| w.append(b"e", &[payload], &facts)).unwrap();
    test_log.finish(commit).unwrap()
}

/// Writes messages of 3,000 octets, about ten per segment, into sealed segments.
fn sealed(folder: &Path, messages: u8) -> Vec<MessageId> {
    let settings = LogSettings {
        segment_bytes_first: 32 << 10,
        segment_bytes_max: 32 << 10,
        boot: Some(BOOT_A),
        ..small()
    };
    let mut test_log = open(folder, settings);
    let ids =
        (0..messages).map(|n| append_at(&mut test_log, 1000 * u64::from(n + 1), &payload(n, 3000)));
    let ids = ids.collect();
    test_log.close();
    ids
}

fn listed(folder: &Folder) -> Vec<MessageId> {
    let listing = folder.listing(Span::default()).unwrap();
    listing.forward(0).unwrap().flatten().map(|slot| slot.id()).collect()
}

#[test]
fn segments_pruned_during_a_listing_are_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 100);
    let gone = ids[0].segment;
    let lost = ids.iter().filter(|id| id.segment == gone).count() as u64;
    let left = &ids[lost as usize..];
    for offset in [0, 3, lost, lost + 7] {
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        let path = segment_path(dir.path(), gone);
        let away = dir.path().join("away");
        std::fs::rename(&path, &away).unwrap();
        let listing = folder.listing(Span::default()).unwrap();
        let page = listing.forward(offset).unwrap();
        let found: Vec<_> = page.map(|slot| slot.unwrap().id()).collect();
        let rest = if offset < lost { left } else { &ids[offset as usize..] };
        // The offset counts the messages present when the listing began, minus the pruned ones.
        assert!(found == rest || found == left[offset as usize..], "offset {offset}");
        let back = listing.backward(offset).unwrap();
        let found: Vec<_> = back.map(|slot| slot.unwrap().id()).collect();
        assert!(found.iter().rev().eq(&left[..left.len() - offset as usize]), "{offset}");
        let passed = folder.pruned_unread();
        assert_eq!((passed.segments, passed.messages), (1, lost));
        std::fs::rename(&away, &path).unwrap();
    }
}

#[test]
fn a_span_over_a_pruned_segment_is_answered_from_the_other_segments() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 60);
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let since_ns = Some(folder.find(ids[4]).unwrap().1.facts().received_at_ns);
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    std::fs::remove_file(segment_path(dir.path(), ids[4].segment)).unwrap();
    let listing = folder.listing(Span { since_ns, until_ns: None }).unwrap();
    let found: Vec<_> = listing.forward(0).unwrap().map(|slot| slot.unwrap().id()).collect();
    let left: Vec<_> = ids.iter().copied().filter(|id| id.segment != ids[4].segment).collect();
    assert_eq!(found, left);
    assert_eq!(folder.pruned_unread().segments, 1);
}

#[test]
fn a_follower_reads_a_pruned_segment_to_its_end_and_then_closes_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let first = test_log.append(b"e", b"one");
    let mut folder = Folder::open(dir.path()).unwrap();
    let mut seen = folder.positions();
    let second = test_log.append(b"e", b"two");
    std::fs::remove_file(segment_path(dir.path(), first.segment)).unwrap();
    let news = folder.follow(&mut seen).unwrap();
    let ids: Vec<_> = news.slots.iter().map(|slot| slot.id()).collect();
    assert_eq!((ids, news.damage.len()), (vec![second], 0));
    assert!(folder.segment(second.segment).is_ok(), "the listed messages can be read");
    let news = folder.follow(&mut seen).unwrap();
    assert!(news.slots.is_empty() && news.damage.is_empty());
    assert!(folder.segment(second.segment).is_err());
    test_log.close();
}

#[test]
fn an_idle_follower_keeps_no_pruned_segment_open() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 100);
    let mut folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let mut seen = folder.positions();
    assert_eq!(listed(&folder).len(), ids.len());
    let retention = Retention { segments: Some(0), ..Retention::default() };
    log::prune(dir.path(), &Keep { retention, without_removed: false }).unwrap();
    folder.follow(&mut seen).unwrap();
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
    let held: Vec<_> = targets.filter(|target| target.starts_with(dir.path())).collect();
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn a_follower_reports_a_damaged_slot() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let mut folder = Folder::open(dir.path()).unwrap();
    let mut seen = folder.positions();
    let ids = [test_log.append(b"e", b"one"), test_log.append(b"e", b"two")];
    let path = segment_path(dir.path(), ids[0].segment);
    let bytes = path.metadata().unwrap().len();
    overwrite(dir.path(), ids[0].segment, bytes - 64 + 20, b"!");
    let news = folder.follow(&mut seen).unwrap();
    assert_eq!(news.slots.iter().map(|slot| slot.id()).collect::<Vec<_>>(), [ids[1]]);
    assert!(news.damage[0].to_string().contains(&ids[0].to_string()), "{:?}", news.damage);
    test_log.close();
}

#[test]
fn no_flipped_bit_in_a_live_page_invents_messages_or_loses_them_silently() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 9);
    let number = ids[0].segment;
    for word in [0, 1, 2, 3, 8, 9, 10, 14, 15] {
        for bit in [0, 1, 5, 31, 32, 33, 62, 63] {
            let at = LIVE + 8 * word + bit / 8;
            let before = octet(dir.path(), number, at);
            overwrite(dir.path(), number, at, &[before ^ 1 << (bit % 8)]);
            let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
            let what = format!("bit {bit} of word {word}");
            assert_eq!((folder.messages(), folder.only_counted()), (9, 0), "{what}");
            assert_eq!(listed(&folder), ids, "{what}");
            // Where only the state is missing, the counts are verified.
            let is_proven = (word, bit) == (8, 0);
            assert_eq!(folder.faults().count(), usize::from(!is_proven), "{what}");
            overwrite(dir.path(), number, at, &[before]);
        }
    }
    assert_eq!(Folder::open_in(dir.path(), BOOT_A).unwrap().faults().count(), 0);
}

/// Leaves the log as `kill -9` does: open, so that no checksum covers its counts.
fn killed(folder: &Path, messages: u8) -> Vec<MessageId> {
    let mut test_log = open(folder, LogSettings { boot: Some(BOOT_A), ..small() });
    let ids = (0..messages)
        .map(|n| append_at(&mut test_log, 1000 * u64::from(n + 1), &payload(n, 300)))
        .collect();
    drop(test_log.writer);
    test_log.log.close();
    ids
}

#[test]
fn recovery_deletes_nothing_because_of_a_single_number() {
    for word in [[0; 8], [0, 0, 0, 0, 7, 0, 0, 0], [0xff; 8], [2, 0, 0, 0, 2, 0, 0, 0]] {
        let dir = tempfile::tempdir().unwrap();
        let ids = killed(dir.path(), 7);
        overwrite(dir.path(), ids[0].segment, LIVE, &word);
        let (log, recovery) =
            Log::open(dir.path(), LogSettings { boot: Some(BOOT_A), ..small() }).unwrap();
        log.close();
        assert_eq!(recovery.messages, 7, "{word:?}");
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        assert_eq!(listed(&folder), ids, "{word:?}");
        assert_eq!(folder.messages(), 7);
    }
}

#[test]
fn recovery_deletes_nothing_because_of_a_damaged_state() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 9);
    // Suspect from slot 0 on, with nothing published.
    overwrite(dir.path(), ids[0].segment, LIVE, &[0; 8]);
    overwrite(dir.path(), ids[0].segment, LIVE + 64, &[2, 0, 0, 0, 0, 0, 0, 0]);
    let (log, recovery) =
        Log::open(dir.path(), LogSettings { boot: Some(BOOT_A), ..small() }).unwrap();
    log.close();
    assert_eq!((recovery.messages, recovery.damaged.len()), (9, 1), "{:?}", recovery.damaged);
    assert_eq!(listed(&Folder::open_in(dir.path(), BOOT_A).unwrap()), ids);
}

/// A folder that lost slot 3 when the machine restarted.
fn with_a_lost_slot(dir: &Path) -> Vec<MessageId> {
    let ids = killed(dir, 9);
    let bytes = segment_path(dir, ids[3].segment).metadata().unwrap().len();
    overwrite(dir, ids[3].segment, bytes - 4 * 64, &[0; 64]);
    let (log, recovery) = Log::open(dir, LogSettings { boot: Some(BOOT_B), ..small() }).unwrap();
    log.close();
    assert_eq!(recovery.messages, 8);
    ids
}

#[test]
fn count_and_listing_agree_after_a_lost_slot_and_removal() {
    for until in 1..9 {
        let dir = tempfile::tempdir().unwrap();
        let ids = with_a_lost_slot(dir.path());
        let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
        let whole = folder.listing(Span::default()).unwrap().present();
        assert_eq!((folder.messages(), folder.lost(), whole), (8, 1, 8));
        let Ok((_, slot)) = folder.find(ids[until]) else { continue };
        let until_ns = slot.facts().received_at_ns;
        let there = until as u64 - u64::from(until > 3);
        let removed = log::remove(dir.path(), &Remove::Until(until_ns)).unwrap();
        assert_eq!(removed.messages, there, "lost ones can't be removed");
        let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
        assert_eq!(folder.messages(), listed(&folder).len() as u64);
        assert_eq!((folder.messages(), folder.removed()), (8 - there, there));
        let listing = folder.listing(Span::default()).unwrap();
        assert_eq!(listing.present(), 8 - there);
        let removed = log::remove(dir.path(), &Remove::All).unwrap();
        assert_eq!(removed.messages, 8 - there);
        let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
        assert_eq!((folder.messages(), folder.removed(), folder.lost()), (0, 8, 0));
    }
}

#[test]
fn many_segments_of_another_boot_are_read_with_few_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LogSettings {
        segment_bytes_first: 32 << 10,
        segment_bytes_max: 32 << 10,
        boot: Some(BOOT_A),
        ..small()
    };
    let mut test_log = open(dir.path(), settings);
    let ids: Vec<_> = (0..150).map(|n| test_log.append(b"e", &payload(n, 20_000))).collect();
    test_log.close();
    assert!(ids.last().unwrap().segment > 100);
    let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
    let listing = folder.listing(Span::default()).unwrap();
    let page = listing.forward(0).unwrap();
    let mut most = 0;
    for slot in page {
        slot.unwrap();
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
        most = most.max(targets.filter(|target| target.starts_with(dir.path())).count());
    }
    assert!(most <= 70, "{most} descriptors");
}

#[test]
fn without_a_boot_id_slots_are_checked_and_new_mail_is_seen() {
    let none = BootId([0; 16]);
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), LogSettings { boot: Some(none), ..small() });
    let mut ids = vec![test_log.append(b"e", b"one"), test_log.append(b"e", b"two")];
    let mut folder = Folder::open_in(dir.path(), none).unwrap();
    let mut seen = folder.positions();
    assert_eq!(listed(&folder), ids);
    ids.push(test_log.append(b"e", b"three"));
    let news = folder.follow(&mut seen).unwrap();
    assert_eq!(news.slots.iter().map(|slot| slot.id()).collect::<Vec<_>>(), ids[2..]);
    // Counts are not trusted here, so a count that is too large shows no messages that don't exist.
    overwrite(dir.path(), ids[0].segment, LIVE, &[200, 0, 0, 0, 200, 0, 0, 0]);
    let folder = Folder::open_in(dir.path(), none).unwrap();
    assert_eq!((listed(&folder), folder.messages()), (ids.clone(), 3));
    let retention = Retention { segments: Some(0), ..Retention::default() };
    let keep = Keep { retention, without_removed: false };
    assert!(log::prune(dir.path(), &keep).unwrap().is_empty(), "it may still be written");
    test_log.close();
}

#[test]
fn pruned_sums_are_right_after_a_kill_between_event_line_and_unlink() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 50);
    let numbers: std::collections::BTreeSet<u32> = ids.iter().map(|id| id.segment).collect();
    let (first, second) = (ids[0].segment, ids[0].segment + 1);
    let of = |number: u32| ids.iter().filter(|id| id.segment == number).count() as u64;
    let line = |number: u32| {
        let (messages, octets) = (of(number), 3000 * of(number));
        format!(
            "{{\"event\":\"pruned\",\"at_ns\":1,\"by\":\"sinkd\",\"segments\":1,\"messages\":\
             {messages},\"message_bytes\":{octets},\"only_counted\":0,\"first\":{number},\
             \"last\":{number}}}\n"
        )
    };
    // Killed before the first segment was unlinked, and again after the next start had repeated the
    // line.
    let events = [line(first), line(first), line(second)].concat();
    std::fs::write(dir.path().join("events.jsonl"), events).unwrap();
    let sums = |folder: &Folder| {
        let pruned = folder.pruned().unwrap();
        (pruned.segments, pruned.messages, pruned.message_bytes)
    };
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!(sums(&folder), (0, 0, 0), "both are still there");
    let retention = Retention { segments: Some(numbers.len() as u64 - 3), ..Retention::default() };
    let keep = Keep { retention, without_removed: false };
    log::prune(dir.path(), &keep).unwrap();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!(folder.segments().count(), numbers.len() - 3, "noted segments are unlinked, too");
    let messages = of(first) + of(second) + of(second + 1);
    assert_eq!(sums(&folder), (3, messages, 3000 * messages));
    assert_eq!(folder.messages() + messages, 50);
}

#[test]
fn damaged_flags_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 5);
    log::remove(dir.path(), &Remove::Ids(vec![ids[1]])).unwrap();
    let flags = segment_path(dir.path(), ids[0].segment).with_extension("flags");
    let good = std::fs::read(&flags).unwrap();
    std::fs::write(&flags, &good[..good.len() - 1]).unwrap();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!((folder.messages(), folder.faults().count()), (5, 1));
}

#[test]
fn an_envelope_is_shown_only_if_the_record_checksum_matches() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 3);
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    let (segment, slot) = folder.find(ids[1]).unwrap();
    let mut envelope = Vec::new();
    assert_eq!(segment.envelope(&slot, &mut envelope).unwrap(), b"e");
    overwrite(dir.path(), ids[1].segment, slot.record_offset(), b"f");
    assert!(segment.envelope(&slot, &mut envelope).is_err());
}

#[test]
fn verified_counts_are_trusted_where_only_the_state_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 9);
    overwrite(dir.path(), ids[0].segment, LIVE + 64, &[0; 8]);
    let settings = LogSettings { boot: Some(BOOT_A), ..small() };
    let (log, recovery) = Log::open(dir.path(), settings).unwrap();
    log.close();
    assert_eq!((recovery.messages, recovery.sealed_now, recovery.damaged.len()), (9, 1, 0));
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!((listed(&folder), folder.faults().count()), (ids, 0));
}

#[test]
fn a_renamed_segment_with_valid_slots_is_not_removed_as_a_spare() {
    let dir = tempfile::tempdir().unwrap();
    let ids = sealed(dir.path(), 9);
    overwrite(dir.path(), ids[0].segment, LIVE, &[0; 136]);
    let renamed = segment_path(dir.path(), 50);
    std::fs::rename(segment_path(dir.path(), ids[0].segment), &renamed).unwrap();
    let settings = LogSettings { boot: Some(BOOT_A), ..small() };
    Log::open(dir.path(), settings).unwrap().0.close();
    let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
    assert_eq!(listed(&folder), ids, "a renamed segment keeps its mail");
}

#[test]
fn a_slot_read_from_a_copied_folder_gives_no_access_to_records() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let id = sealed(dir.path(), 1)[0];
    std::fs::create_dir(copy.path().join("segments")).unwrap();
    let theirs = segment_path(copy.path(), id.segment);
    std::fs::copy(segment_path(dir.path(), id.segment), &theirs).unwrap();
    let ours = Arc::new(Segment::open(&segment_path(dir.path(), id.segment)).unwrap());
    let mut mapped = Mapped::new(ours.clone()).unwrap();
    let slot = ours.slot(id.slot).unwrap();
    assert!(mapped.record(&slot, |_| ()).is_ok());
    // The same slot, number and store, but another file, whose content at that offset can differ.
    let foreign = Segment::open(&theirs).unwrap().slot(id.slot).unwrap();
    assert!(matches!(mapped.record(&foreign, |_| ()), Err(Damage::NoSuchSlot { .. })));
}
