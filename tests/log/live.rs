//! The log in use: readers next to the writer, segments pruned under a reader, a full disk.
use crate::log_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use log_support::{TestLog, facts, open, payload, small};
use sinkd::log::reader::{Folder, Positions, Segment, check_segment};
use sinkd::log::{Commit, Log, NoRoom, Reservation, SizeBasis};

/// Builds a self-verifying message: its envelope holds the seed and the length of its payload.
fn message(n: u32) -> (Vec<u8>, Vec<u8>) {
    let len = (n as usize * 37) % 5000;
    ([n.to_le_bytes(), (len as u32).to_le_bytes()].concat(), payload(n as u8, len))
}

#[test]
fn a_concurrent_reader_sees_only_whole_messages() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let is_over = AtomicBool::new(false);
    let total = 6000;
    std::thread::scope(|scope| {
        let end = crate::common::SetWhenDropped(&is_over);
        let reader = scope.spawn(|| {
            let (mut seen, mut messages, mut buf) = (Positions::default(), 0, Vec::new());
            loop {
                // Acquire: the final read then sees everything that was committed.
                let is_last = is_over.load(Ordering::Acquire);
                let mut folder = Folder::open(dir.path()).unwrap();
                folder.refresh().unwrap();
                assert_eq!(folder.unreadable().count(), 0);
                for (number, range) in folder.since(&seen) {
                    let segment = folder.segment(number).unwrap();
                    for slot in segment.slots(range) {
                        let slot = slot.unwrap();
                        let (envelope, bytes) = segment.record(&slot, &mut buf).unwrap();
                        let n = u32::from_le_bytes(envelope[..4].try_into().unwrap());
                        assert!((envelope, bytes) == (&*message(n).0, &*message(n).1));
                        messages += 1;
                    }
                }
                seen = folder.positions();
                if is_last {
                    return messages;
                }
            }
        });
        for n in 0..total {
            let (envelope, bytes) = message(n);
            test_log.append(&envelope, &bytes);
        }
        drop(end);
        assert_eq!(reader.join().unwrap(), total);
    });
    test_log.close();
}

#[test]
fn a_reader_can_still_read_a_segment_that_was_sealed_and_unlinked() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    for n in 0..10 {
        let (envelope, bytes) = message(n);
        test_log.append(&envelope, &bytes);
    }
    let path = dir.path().join("segments/00000001.seg");
    let segment = Segment::open(&path).unwrap();
    assert!(segment.is_live() && segment.totals().is_none());
    test_log.close();
    assert!(!segment.is_live());
    assert!(segment.totals().is_some_and(|totals| totals.records_end > 8192));
    std::fs::remove_file(&path).unwrap();
    let mut buf = Vec::new();
    for n in 0..10 {
        let (envelope, bytes) = message(n);
        let slot = segment.slot(n).unwrap();
        assert!(segment.record(&slot, &mut buf).unwrap() == (&*envelope, &*bytes));
    }
    assert_eq!(segment.verify().count(), 0);
}

#[test]
fn holes_of_released_regions_are_punched_and_counted() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let settings = sinkd::log::LogSettings {
        segment_bytes_first: 4 << 20,
        segment_bytes_max: 4 << 20,
        dedicated_segment_bytes_over: 2 << 20,
        region_bytes_max: 4 << 20,
        ..small()
    };
    let mut test_log = open(dir.path(), settings);
    let r = test_log.until(|w| w.reserve(b"e", 1 << 20, SizeBasis::Declared)).unwrap();
    let id = test_log.append(b"e", b"after the hole");
    test_log.writer.release(r);
    test_log.close();
    let path = dir.path().join("segments/00000001.seg");
    let segment = Segment::open(&path).unwrap();
    assert!(segment.totals().unwrap().hole_bytes >= 1 << 20);
    assert!(log_support::read(dir.path(), id).1 == b"after the hole");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4 << 20);
    // Where holes cannot be punched, all 4 MiB remain allocated.
    let kept = std::fs::metadata(&path).unwrap().blocks() * 512;
    assert!(!(64 << 10..4 << 20).contains(&kept), "{kept} octets stay on the disk");
}

/// A small file system, mounted while this value lives; `None` if mounting is not permitted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        mount.stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| SmallDisk(dir))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_mail_loses_none_and_recovers() {
    let Some(disk) = SmallDisk::new(4 << 20) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let mut test_log = open(&disk.path(), small());
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let mut kept = Vec::new();
    let (envelope, bytes) = (b"e".to_vec(), payload(1, 9000));
    let refused = loop {
        match test_log.until(|w| w.append(&envelope, &[&bytes], &facts(&bytes))) {
            Ok(committed) => kept.push(committed.done().unwrap().id()),
            Err(e) => break e,
        }
    };
    assert_eq!(refused, NoRoom::Full);
    assert!(kept.len() > 50, "{} messages found room", kept.len());
    let mut large = test_log.until(|w| w.reserve(b"e", 1 << 20, SizeBasis::Declared)).unwrap();
    assert_eq!(fill_until_refused(&mut test_log, &mut large), NoRoom::Full);
    test_log.writer.release(large);
    while test_log.woken.try_recv().is_ok() {}
    assert_eq!(
        test_log.writer.append(&envelope, &[&bytes], &facts(&bytes)).unwrap_err(),
        NoRoom::Full
    );
    std::fs::remove_file(&ballast).unwrap();
    loop {
        test_log.woken.recv_timeout(log_support::PATIENCE).expect("the next attempt finds room");
        match test_log.writer.append(&envelope, &[&bytes], &facts(&bytes)) {
            Ok(committed) => break kept.push(committed.done().unwrap().id()),
            Err(e) => assert!(matches!(e, NoRoom::Wait | NoRoom::Full)),
        }
    }
    for id in kept {
        assert!(log_support::read(&disk.path(), id) == (envelope.clone(), bytes.clone()));
    }
    test_log.close();
}

fn fill_until_refused(test_log: &mut TestLog, r: &mut Reservation) -> NoRoom {
    loop {
        match test_log.until(|w| w.space(r).map(|space| space.len())) {
            Ok(n) => test_log.writer.filled(r, n),
            Err(e) => return e,
        }
    }
}

/// A limit on file size makes the disk refuse writes without any privileges. It binds the whole
/// process, so this test runs itself again in a child.
#[test]
fn a_file_size_limit_refuses_large_messages_only() {
    const CHILD: &str = "TEST_FILE_SIZE_LIMIT";
    if std::env::var_os(CHILD).is_none() {
        let me = std::env::current_exe().unwrap();
        let name = "live::a_file_size_limit_refuses_large_messages_only";
        // The signal that accompanies the error must not end the child; 200 KiB are 400 blocks.
        let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" --exact \"$1\" --nocapture";
        let status =
            Command::new("sh").args(["-c", script]).arg(me).arg(name).env(CHILD, "1").status();
        assert!(status.unwrap().success());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let id = test_log.append(b"e", &payload(1, 50_000));
    let refused = test_log.until(|w| w.append(b"e", &[&payload(2, 250_000)], &facts(b"")));
    assert_eq!(refused.unwrap_err(), NoRoom::Full);
    let mut r = test_log.until(|w| w.reserve(b"e", 1 << 20, SizeBasis::Declared)).unwrap();
    assert_eq!(fill_until_refused(&mut test_log, &mut r), NoRoom::Full);
    test_log.writer.release(r);
    assert!(log_support::read(dir.path(), id).1 == payload(1, 50_000));
    let small = test_log.append(b"e", b"still taken");
    assert!(log_support::read(dir.path(), small).1 == b"still taken");
    test_log.close();
    Log::open(dir.path(), log_support::small()).unwrap().0.close();
}

#[test]
fn an_empty_dedicated_segment_can_be_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), small());
    let r = test_log.until(|w| w.reserve(b"envelope", 1 << 20, SizeBasis::Declared)).unwrap();
    let Commit::Later(mut pending) = test_log.writer.commit_reserved(r, 0, &facts(b"")) else {
        panic!("it was too large for a region");
    };
    let id = test_log.outcome(&mut pending).unwrap();
    assert!(log_support::read(dir.path(), id) == (b"envelope".to_vec(), Vec::new()));
    test_log.close();
}

/// The fuzz corpus, and each of its files with octets changed, cut off or swapped.
#[test]
fn no_file_makes_the_reader_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/segment");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        check_segment(&bytes);
        files += 1;
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for round in 0..60 {
            let mut changed = bytes.clone();
            for _ in 0..=round % 5 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % changed.len().max(1);
                if let Some(octet) = changed.get_mut(at) {
                    *octet ^= (state >> 20) as u8 | 1;
                }
            }
            if round % 7 == 0 {
                changed.truncate((state >> 30) as usize % (changed.len() + 1));
            }
            check_segment(&changed);
        }
    }
    assert!(files > 0, "the corpus has seeds");
}
