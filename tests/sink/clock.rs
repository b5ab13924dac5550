//! The system clock is set, and the machine sleeps, while sinkd runs: ages and idle times use the
//! time that really passed, and sinkd reports that the clock moved.
//!
//! A small library preloaded before libc (`tests/clock/ahead.c`) shifts the system clock of one
//! process by the value in a file; the monotonic clock is unchanged.
#![cfg(target_os = "linux")]
use crate::common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Sink;
use sinkd::log::Runs;
use sinkd::log::reader::Folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// A system clock that can be set.
struct Clock {
    dir: tempfile::TempDir,
}

impl Clock {
    fn new() -> Clock {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/ahead.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(dir.path().join("ahead.so"));
        assert!(compiler.arg(source).arg("-ldl").status().unwrap().success());
        let clock = Clock { dir };
        clock.set(0);
        clock
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ahead")
    }

    /// Sets the clock to this offset from the true time, s.
    fn set(&self, ahead_s: i64) {
        let beside = self.dir.path().join("new");
        std::fs::write(&beside, ahead_s.to_string()).unwrap();
        std::fs::rename(beside, self.file()).unwrap();
    }

    fn start(&self, data: &Path, args: &[&str]) -> Sink {
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        command.args(["--listen", "127.0.0.1:0", "--log-level", "info", "--http", "off"]);
        command.args(args).arg("--data").arg(data);
        command.env("LD_PRELOAD", self.dir.path().join("ahead.so"));
        command.env("CLOCK_AHEAD", self.file());
        command.stderr(std::fs::File::create(self.dir.path().join("stderr")).unwrap());
        Sink::spawn(&mut command)
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

fn marks(data: &Path) -> Vec<String> {
    Runs::read(data).unwrap().marks.into_iter().map(|mark| mark.text).collect()
}

#[test]
fn setting_the_clock_ahead_ages_no_mail_and_is_recorded() {
    let (clock, data) = (Clock::new(), tempfile::tempdir().unwrap());
    let ring = ["--retain-age", "1h", "--segment-bytes", "1MiB", "--workers", "1"];
    let sink = clock.start(data.path(), &ring);
    let mut client = sink.connect();
    client.ehlo();
    let wire = [&b"x".repeat(900_000)[..], b"\r\n"].concat();
    for _ in 0..8 {
        client.deliver("a@example.org", "b@example.org", &wire);
    }
    clock.set(7200);
    until("a clock that moved is recorded", || !marks(data.path()).is_empty());
    assert_eq!(marks(data.path()).len(), 1);
    assert!(marks(data.path())[0].starts_with("the system clock moved: it is 7200.0"));
    assert!(clock.log_text().contains("the system clock has moved"), "{}", clock.log_text());
    // Ages are checked every ten seconds, and at a start.
    for n in 0..8 {
        client.deliver("a@example.org", "b@example.org", &wire);
        assert_eq!(Folder::open(data.path()).unwrap().messages(), 9 + n);
    }
    let looked = Instant::now();
    until("ages are looked at", || looked.elapsed() > Duration::from_secs(11));
    assert_eq!(
        Folder::open(data.path()).unwrap().messages(),
        16,
        "seconds old, none is an hour old"
    );
    assert!(sink.stop().success());
    // The next sinkd starts with the current clock, and knows the time at which the last one ended.
    let sink = clock.start(data.path(), &ring);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"x\r\n");
    let looked = Instant::now();
    until("ages are looked at", || looked.elapsed() > Duration::from_secs(1));
    assert_eq!(Folder::open(data.path()).unwrap().messages(), 17);
    assert!(sink.stop().success());
}

#[test]
fn setting_the_clock_stops_no_sink_with_active_clients() {
    for ahead_s in [7200, -7200] {
        let (clock, data) = (Clock::new(), tempfile::tempdir().unwrap());
        let sink = clock.start(data.path(), &["--stop-after-idle", "3s"]);
        let mut client = sink.connect();
        client.ehlo();
        clock.set(ahead_s);
        let began = Instant::now();
        until("the sink serves clients for longer than its idle limit", || {
            assert_eq!(client.command("NOOP"), 250, "{ahead_s} s");
            began.elapsed() > Duration::from_secs(5)
        });
        drop(client);
        let quiet = Instant::now();
        assert!(sink.wait().success());
        assert!(quiet.elapsed() >= Duration::from_secs(2), "{ahead_s} s");
        assert!(quiet.elapsed() < PATIENCE, "{ahead_s} s");
    }
}
