//! Bounds of the log hold for any durability and mail size, and whatever other processes do to the
//! folder.
use crate::log_support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use log_support::{
    BOOT_A, BOOT_B, PATIENCE, SEGMENT_BYTES, disk_bytes, open, payload, reserved, ring,
    segment_path, small,
};
use sinkd::log::reader::Folder;
use sinkd::log::{
    Durability, EventsFile, Keep, Log, LogSettings, Retention, Runs, SizeBasis, prunable, prune,
};
use sinkd::time::UnixNs;

/// Waits until the condition holds.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Returns the files below `folder` that are deleted but still open.
#[cfg(target_os = "linux")]
fn dropped_but_open(folder: &Path) -> Vec<PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let of_folder =
        |path: &PathBuf| path.starts_with(folder) && path.to_string_lossy().ends_with(" (deleted)");
    targets.filter(of_folder).collect()
}

#[test]
fn a_large_message_takes_the_same_space_with_every_durability() {
    let interval = Durability::Interval(Duration::from_secs(3600));
    for durability in [Durability::Process, Durability::Message, interval] {
        let dir = tempfile::tempdir().unwrap();
        let budget = 16 * SEGMENT_BYTES;
        let mut test_log = open(dir.path(), LogSettings { durability, ..ring(budget) });
        for n in 0..60 {
            reserved(&mut test_log, b"e", &payload(n, 200_000), 200_000);
            let held = disk_bytes(dir.path());
            // On top of the budget: segments in use and segments being provisioned.
            assert!(held <= budget + 8 * SEGMENT_BYTES, "{durability:?}: {held} after {n}");
        }
        test_log.close();
        let folder = Folder::open_in(dir.path(), BOOT_A).unwrap();
        let pruned = folder.pruned().unwrap();
        assert_eq!(folder.messages() + pruned.messages, 60, "{durability:?}");
    }
}

#[test]
fn a_large_message_that_is_still_arriving_counts() {
    let dir = tempfile::tempdir().unwrap();
    let budget = 16 * SEGMENT_BYTES;
    let mut test_log = open(dir.path(), ring(budget));
    for n in 0..200 {
        test_log.append(b"e", &payload(n, 9000));
    }
    let mut r = test_log.until(|w| w.reserve(b"large", 700_000, SizeBasis::Declared)).unwrap();
    test_log.until(|w| w.space(&mut r).map(|space| space.len())).unwrap();
    until("the ring makes room for what is under way", || {
        disk_bytes(dir.path()) <= budget + 2 * SEGMENT_BYTES
    });
    test_log.writer.release(r);
    test_log.close();
}

#[test]
fn a_large_message_that_arrived_slowly_is_not_pruned_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), ring(16 * SEGMENT_BYTES));
    let bytes = payload(1, 100_000);
    let mut r =
        test_log.until(|w| w.reserve(b"large", bytes.len() as u64, SizeBasis::Declared)).unwrap();
    let mut filled = 0;
    while filled < bytes.len() {
        let space = test_log.until(|w| w.space(&mut r).map(|space| space.len())).unwrap();
        let n = space.min(bytes.len() - filled);
        test_log.writer.space(&mut r).unwrap()[..n].copy_from_slice(&bytes[filled..filled + n]);
        test_log.writer.filled(&mut r, n);
        filled += n;
    }
    for n in 0..200 {
        test_log.append(b"e", &payload(n, 9000));
    }
    let commit =
        test_log.writer.commit_reserved(r, bytes.len() as u64, &log_support::facts(&bytes));
    let id = test_log.finish(commit).unwrap();
    for n in 0..7 {
        test_log.append(b"e", &payload(n, 9000));
    }
    assert!(log_support::read(dir.path(), id).1 == bytes, "{id} had just been acknowledged");
    test_log.close();
}

#[cfg(target_os = "linux")]
#[test]
fn segments_pruned_by_sinkctl_take_no_space_in_a_running_sinkd() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = open(dir.path(), ring(32 * SEGMENT_BYTES));
    for n in 0..150 {
        test_log.append(b"e", &payload(n, 9000));
    }
    let few = Retention { segments: Some(2), ..Retention::default() };
    let gone = prune(dir.path(), &Keep { retention: few, without_removed: false }).unwrap();
    assert!(gone.iter().map(|d| d.segments).sum::<u64>() > 10, "{gone:?}");
    until("dropped segments stay open", || dropped_but_open(dir.path()).is_empty());
    // The ring continues as one that is nearly empty.
    let before = Folder::open_in(dir.path(), BOOT_A).unwrap().pruned().unwrap();
    for n in 0..60 {
        test_log.append(b"e", &payload(n, 9000));
    }
    test_log.close();
    let after = Folder::open_in(dir.path(), BOOT_A).unwrap().pruned().unwrap();
    assert_eq!(after, before, "nothing else had to go");
}

#[cfg(target_os = "linux")]
#[test]
fn with_only_an_age_limit_no_sealed_segment_stays_open() {
    let dir = tempfile::tempdir().unwrap();
    let day = Retention { age: Some(Duration::from_secs(86_400)), ..Retention::default() };
    let mut test_log = open(dir.path(), LogSettings { retention: day, ..ring(0) });
    for n in 0..150 {
        test_log.append(b"e", &payload(n, 9000));
    }
    let is_segment = |path: &PathBuf| path.starts_with(dir.path().join("segments"));
    until("sealed segments stay open", || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).filter(is_segment).count() <= 3
    });
    test_log.close();
}

#[test]
fn prune_by_age_uses_the_clock_of_the_sinkd_that_received_the_mail() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let hour = Retention { age: Some(Duration::from_secs(3600)), ..Retention::default() };
    let would_go = || {
        let gone = prunable(dir.path(), &Keep { retention: hour, without_removed: false });
        gone.unwrap().iter().map(|d| d.segments).sum::<u64>()
    };
    assert_eq!(would_go(), 0);
    // The system clock was two hours behind sinkd's when it received this mail, so the mail is two
    // hours old.
    let file = EventsFile::new(dir.path());
    Runs::try_mark_clock(&file, 1, UnixNs::new(1), -7_200_000_000_000).unwrap();
    assert!(would_go() > 3);
    // The clock that moved belonged to another start.
    Runs::try_mark_clock(&file, 1, UnixNs::new(1), 0).unwrap();
    Runs::try_mark_clock(&file, 2, UnixNs::new(1), -7_200_000_000_000).unwrap();
    assert_eq!(would_go(), 0);
}

/// Fills a folder with a few sealed segments; returns the number of the last one.
fn filled(folder: &Path) -> u32 {
    let mut test_log = open(folder, LogSettings { retention: Retention::default(), ..ring(0) });
    let mut last = 0;
    for n in 0..30 {
        last = test_log.append(b"e", &payload(n, 9000)).segment;
    }
    test_log.close();
    last
}

#[test]
fn a_rename_lost_in_a_power_loss_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let last = filled(dir.path());
    let messages = Folder::open_in(dir.path(), BOOT_A).unwrap().messages();
    // The file of segment 1 had become the newest one; the disk has the old name and the new mail.
    std::fs::rename(segment_path(dir.path(), last), segment_path(dir.path(), 1)).unwrap();
    let old = Folder::open_in(dir.path(), BOOT_B).unwrap();
    assert!(old.messages() < messages);
    let settings = LogSettings { boot: Some(BOOT_B), ..ring(64 * SEGMENT_BYTES) };
    let test_log = open(dir.path(), settings);
    let folder = Folder::open_in(dir.path(), BOOT_B).unwrap();
    let numbers: Vec<u32> = folder.segments().map(|s| s.identity.number).collect();
    assert!(!numbers.contains(&1) && numbers.contains(&last), "{numbers:?}");
    test_log.close();
}

#[test]
fn empty_spare_files_are_removed_at_start_and_copies_stay() {
    let dir = tempfile::tempdir().unwrap();
    let last = filled(dir.path());
    // The identity belongs to the new segment, which was never written; the rest is old mail.
    let new = std::fs::read(segment_path(dir.path(), last)).unwrap();
    let mut spare = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    spare[..4096].copy_from_slice(&new[..4096]);
    std::fs::write(segment_path(dir.path(), 1), &spare).unwrap();
    let copy = segment_path(dir.path(), last + 7);
    std::fs::copy(segment_path(dir.path(), last), &copy).unwrap();
    let (log, recovery) =
        Log::open(dir.path(), LogSettings { boot: Some(BOOT_B), ..small() }).unwrap();
    assert!(!segment_path(dir.path(), 1).exists(), "a spare wastes space");
    assert!(copy.exists(), "files with mail are not removed");
    assert_eq!(recovery.messages, Folder::open_in(dir.path(), BOOT_B).unwrap().messages());
    log.close();
}

#[test]
fn a_segment_locked_by_another_process_does_not_prevent_a_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let messages = Folder::open_in(dir.path(), BOOT_A).unwrap().messages();
    let held = std::fs::File::open(segment_path(dir.path(), 1)).unwrap();
    held.lock().unwrap();
    let (log, recovery) =
        Log::open(dir.path(), LogSettings { boot: Some(BOOT_B), ..small() }).unwrap();
    assert_eq!(recovery.messages, messages);
    log.close();
}

/// A small file system, mounted while this value lives; `None` if mounting is not permitted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(dir.path());
        mount.stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_the_oldest_is_pruned_for_large_mail_and_nothing_for_mail_that_never_fits() {
    let Some(disk) = SmallDisk::new(4 << 20) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let data = disk.0.path().join("data");
    let mut test_log = open(&data, ring(1 << 40));
    let (mut sent, mut large) = (0, Vec::new());
    for n in 0..300 {
        test_log.append(b"e", &payload(n as u8, 9000));
        sent += 1;
    }
    for n in 0..4 {
        large.push(reserved(&mut test_log, b"e", &payload(n, 500_000), 500_000));
        sent += 1;
    }
    for (n, id) in large.iter().enumerate() {
        assert!(log_support::read(&data, *id).1 == payload(n as u8, 500_000));
    }
    let before = Folder::open_in(&data, BOOT_A).unwrap().messages();
    let mut r = test_log.until(|w| w.reserve(b"e", 64 << 20, SizeBasis::Declared)).unwrap();
    let refused = loop {
        match test_log.until(|w| w.space(&mut r).map(|space| space.len())) {
            Ok(n) => test_log.writer.filled(&mut r, n),
            Err(why) => break why,
        }
    };
    assert_eq!(refused, sinkd::log::NoRoom::Full);
    test_log.writer.release(r);
    let folder = Folder::open_in(&data, BOOT_A).unwrap();
    assert_eq!(folder.messages(), before, "mail that never fits prunes nothing");
    assert_eq!(folder.messages() + folder.pruned().unwrap().messages, sent);
    test_log.close();
}

#[test]
fn only_the_owner_can_read_the_files_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    let mut test_log =
        open(&data, LogSettings { durability: Durability::Message, ..ring(1 << 20) });
    for n in 0..150 {
        test_log.append(b"e", &payload(n, 9000));
    }
    reserved(&mut test_log, b"e", &payload(1, 200_000), 200_000);
    test_log.close();
    sinkd::log::remove(&data, &sinkd::log::Remove::All).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut files = 0;
    for folder in [&data, &data.join("segments")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert!(files > 5, "{files}");
}
