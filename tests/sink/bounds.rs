//! Limits on settings, and on what sinkd leaves in its folders: values at their maximum, files
//! readable only by their owner, descriptors reserved for clients.
use crate::common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::Sink;

/// A condition that is not met after this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn check(args: &[&str]) -> (bool, String) {
    let output =
        common::program(env!("CARGO_BIN_EXE_sinkd")).arg("--check").args(args).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn too_long_timeouts_and_too_many_listeners_are_refused_at_start() {
    let too_long = u64::MAX.to_string();
    for flag in ["--stats-retain-age", "--retain-age", "--command-timeout", "--stop-grace"] {
        let (good, said) = check(&[flag, &too_long]);
        assert!(!good && said.contains("87600h"), "{flag}: {said}");
    }
    let many: Vec<&str> = ["--listen", "127.0.0.1:0"].repeat(1024);
    let (good, said) = check(&many);
    assert!(!good && said.contains("at most 256"), "{said}");
}

#[test]
fn sinkd_serves_with_every_duration_at_its_maximum() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "--stats-retain-age",
        "--retain-age",
        "--run-after-idle",
        "--command-timeout",
        "--data-timeout",
        "--storage-wait",
        "--stop-grace",
        "--stop-after-idle",
        "--durability",
    ];
    let args: Vec<&str> = flags.iter().flat_map(|flag| [*flag, "87600h"]).collect();
    let sink = Sink::start(dir.path(), &args);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"x\r\n");
    assert_eq!(client.command("QUIT"), 221);
    assert!(client.rest().is_empty());
    assert!(sink.stop().success());
}

/// Returns every file and folder below `folder`, with its mode.
fn modes(folder: &Path, found: &mut Vec<(String, bool, u32)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, data) = (entry.path(), entry.metadata().unwrap());
        found.push((path.display().to_string(), data.is_dir(), data.permissions().mode() & 0o777));
        if data.is_dir() {
            modes(&path, found);
        }
    }
}

#[test]
fn only_the_owner_can_read_what_sinkd_creates() {
    let dir = tempfile::tempdir().unwrap();
    let (data, transcripts) = (dir.path().join("data"), dir.path().join("transcripts"));
    // The caller's own umask would let every user read.
    let mut command = common::program("sh");
    command.args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sinkd")]);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--http", "off"]);
    command.args(["--index", "eager", "--noop-marks", "on", "--run-after-idle", "1s"]);
    command.args(["--retain-bytes", "64MiB"]);
    command.arg("--transcript").arg(&transcripts).arg("--data").arg(&data);
    let sink = Sink::spawn(&mut command);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"Subject: x\r\n\r\nx\r\n");
    assert_eq!(client.command("NOOP sinkd mark here"), 250);
    let large = [&b"x".repeat(5 << 20)[..], b"\r\n"].concat();
    client.deliver("a@example.org", "b@example.org", &large);
    assert_eq!(client.command("QUIT"), 221);
    let index = data.join("index");
    let end = Instant::now() + PATIENCE;
    while std::fs::read_dir(&index).map_or(0, |files| files.count()) == 0 {
        assert!(Instant::now() < end, "mail is indexed");
        std::thread::yield_now();
    }
    assert!(sink.stop().success());
    let mut found = Vec::new();
    modes(dir.path(), &mut found);
    for (path, is_folder, mode) in &found {
        assert_eq!(*mode, if *is_folder { 0o700 } else { 0o600 }, "{path}");
    }
    for part in ["events.jsonl", "stats/", "index/", "segments/", "transcripts/", "store", "lock"] {
        assert!(found.iter().any(|(path, ..)| path.contains(part)), "{part} is among {found:?}");
    }
}

/// Returns what the descriptors of a process refer to.
fn open_descriptors(pid: u32) -> Vec<PathBuf> {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect()
}

#[test]
fn a_ring_of_many_small_segments_leaves_descriptors_for_clients() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = common::program("sh");
    command.args(["-c", "ulimit -n 128; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sinkd")]);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--http", "off"]);
    command.args(["--retain-bytes", "128MiB", "--segment-bytes", "1MiB", "--workers", "1"]);
    command.arg("--data").arg(dir.path());
    let sink = Sink::spawn(&mut command);
    let mut client = sink.connect();
    client.ehlo();
    let wire = [&b"x".repeat(900_000)[..], b"\r\n"].concat();
    for _ in 0..160 {
        client.deliver("a@example.org", "b@example.org", &wire);
    }
    let open = open_descriptors(sink.pid());
    assert!(open.len() < 64, "{} descriptors: {open:?}", open.len());
    let others: Vec<_> = (0..40).map(|_| sink.connect()).collect();
    drop(others);
    assert!(sink.stop().success());
}
