//! The entry points of the log, one by one: what each way of a payload into the log stores, and
//! what is refused.
use crate::log_support;

use log_support::{facts, open, payload, read, reserved, small};
use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{Log, NoRoom, OpenError, SizeBasis, SlotFacts, SlotKind};

#[test]
fn a_payload_is_read_back_whichever_way_it_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut test_log = open(folder.path(), small());
    let a = test_log.append(b"one", b"first");
    let b = {
        let space = test_log.writer.receive_here(b"two", 100).unwrap();
        space[..6].copy_from_slice(b"second");
        test_log.writer.commit_received(6, &facts(b"second")).done().unwrap().id()
    };
    let c = reserved(&mut test_log, b"three", &payload(3, 20_000), 40_000);
    let d = reserved(&mut test_log, b"four", &payload(4, 300_000), 10_000);
    let e = reserved(&mut test_log, b"five", &payload(5, 200_000), 200_000);
    assert_eq!((a.slot, b.slot, c.slot), (0, 1, 2));
    let sent = [
        (a, "one", b"first".to_vec()),
        (b, "two", b"second".to_vec()),
        (c, "three", payload(3, 20_000)),
        (d, "four", payload(4, 300_000)),
        (e, "five", payload(5, 200_000)),
    ];
    let check = |stage| {
        for (id, envelope, bytes) in &sent {
            let expected = (envelope.as_bytes().to_vec(), bytes.clone());
            assert!(read(folder.path(), *id) == expected, "{id} while {stage}");
        }
    };
    check("open");
    test_log.close();
    check("closed");
    let (log, recovery) = Log::open(folder.path(), small()).unwrap();
    assert_eq!((recovery.messages, recovery.sealed_now), (5, 0));
    assert_eq!(log.start_count(), 2);
    check("reopened");
    log.close();
}

#[test]
fn budgets_refuse_and_recover() {
    let folder = tempfile::tempdir().unwrap();
    let mut test_log = open(folder.path(), small());
    let mut held = Vec::new();
    let refused = loop {
        match test_log.until(|w| w.reserve(b"e", 40_000, SizeBasis::Declared)) {
            Ok(r) => held.push(r),
            Err(e) => break e,
        }
    };
    assert_eq!((refused, held.len()), (NoRoom::Budget, 6));
    test_log.writer.release(held.pop().unwrap());
    held.push(test_log.until(|w| w.reserve(b"e", 40_000, SizeBasis::Declared)).unwrap());
    let own: Vec<_> = (0..2)
        .map(|_| test_log.until(|w| w.reserve(b"e", 1 << 20, SizeBasis::Declared)).unwrap())
        .collect();
    assert_eq!(
        test_log.until(|w| w.reserve(b"e", 1 << 20, SizeBasis::Declared)).unwrap_err(),
        NoRoom::Budget
    );
    for r in held.into_iter().chain(own) {
        test_log.writer.release(r);
    }
    test_log.close();
    // Nothing was committed, so nothing remains.
    let left = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_second_log_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(folder.path(), small()).unwrap();
    let error = Log::open(folder.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    log.close();
    Log::open(folder.path(), small()).unwrap().0.close();
}

#[test]
fn a_file_in_place_of_the_data_folder_is_named_in_the_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Log::open(file.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
    let error = Log::open(&file.path().join("below"), small()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
}

#[test]
fn kinds_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut test_log = open(folder.path(), small());
    for kind in [
        SlotKind::Message,
        SlotKind::Rejection,
        SlotKind::Message,
        SlotKind::Note,
        SlotKind::Rejection,
    ] {
        let facts = SlotFacts { kind, ..facts(b"x") };
        test_log.until(|w| w.append(b"e", &[b"x"], &facts)).unwrap();
    }
    let segment = Segment::open(&folder.path().join("segments/00000001.seg")).unwrap();
    assert_eq!((segment.published().messages, segment.published().slots), (2, 5));
    assert_eq!((segment.rejections(), segment.notes()), (2, 1));
    assert_eq!(segment.slot(4).unwrap().messages_before(), 2);
    test_log.close();
}

#[test]
fn counts_without_messages_survive_sealing_and_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let counted = || Folder::open(folder.path()).unwrap().only_counted();
    // Sealed, without a slot.
    let mut test_log = open(folder.path(), small());
    (0..3).for_each(|_| _ = test_log.writer.count_only());
    assert_eq!(counted(), 3);
    test_log.close();
    assert_eq!(counted(), 3);
    // Left open, as after a kill: first without a slot, then with one.
    for (round, total) in [(0, 5), (1, 7)] {
        let mut test_log = open(folder.path(), small());
        (0..2).for_each(|_| _ = test_log.writer.count_only());
        if round == 1 {
            test_log.append(b"e", b"kept");
        }
        std::mem::forget(test_log.writer);
        test_log.log.close();
        assert_eq!(counted(), total);
    }
    let (log, recovery) = Log::open(folder.path(), small()).unwrap();
    log.close();
    assert_eq!((counted(), recovery.messages), (7, 1));
    assert_eq!(Folder::open(folder.path()).unwrap().messages(), 1);
}

#[test]
fn a_file_in_place_of_a_subfolder_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let segments = dir.path().join("segments");
    std::fs::write(&segments, "a file").unwrap();
    let error = Log::open(dir.path(), small()).expect_err("a file has the name of the folder");
    assert!(matches!(&error, OpenError::NotAFolder { path } if *path == segments), "{error}");
}

/// When the worker leaves a later segment, nothing is open in that one.
#[test]
fn a_payload_that_stalls_pins_its_segment_once_the_worker_has_left_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut test_log = open(folder.path(), small());
    let mut stalled = test_log.until(|w| w.reserve(b"e", 100, SizeBasis::Declared)).unwrap();
    let first = test_log.append(b"e", b"in the same segment").segment;
    let mut segments_left = 0;
    let mut newest = first;
    while segments_left < 2 {
        assert_eq!(test_log.writer.pinned_segment(), None, "{segments_left} segments left");
        let segment = test_log.append(b"e", &payload(1, 20_000)).segment;
        segments_left += u32::from(segment > newest);
        newest = segment;
    }
    assert_eq!(test_log.writer.pinned_segment(), Some(first));
    test_log.until(|w| w.leave_segment(&mut stalled, first)).unwrap();
    assert_eq!(test_log.writer.pinned_segment(), None);
    test_log.writer.release(stalled);
    test_log.close();
}
