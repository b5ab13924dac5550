//! Another process holds the lock of `events.jsonl`, as a suspended `sinkctl rm` does: sinkd still
//! accepts mail, recycles its ring, answers HTTP, starts and stops, and writes pending events
//! later.
use crate::common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Client, Sink};
use rustix::process::Signal;
use sinkd::log::Runs;
use sinkd::log::reader::Folder;

/// A condition that is not met after this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);
const RING: [&str; 10] = [
    "--retain-bytes",
    "64MiB",
    "--segment-bytes",
    "1MiB",
    "--workers",
    "1",
    "--run-after-idle",
    "1s",
    "--noop-marks",
    "on",
];
const MESSAGE_BYTES: usize = 900_000;

/// Takes the lock with a descriptor of this process: for sinkd that is another process.
fn take_lock(data: &Path) -> File {
    std::fs::create_dir_all(data).unwrap();
    let path = data.join("events.jsonl");
    let file = File::options().append(true).create(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

fn metric(address: SocketAddr, name: &str) -> f64 {
    let mut stream = common::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: sink\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {answer}"))
        .rsplit_once(' ')
        .unwrap()
        .1
        .parse()
        .unwrap()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Sends more than the ring holds; each message must be accepted.
fn turn_the_ring(client: &mut Client, messages: usize) {
    let wire = [&b"x".repeat(MESSAGE_BYTES)[..], b"\r\n"].concat();
    for _ in 0..messages {
        client.deliver("a@example.org", "b@example.org", &wire);
    }
}

/// Sends SIGTERM; returns the time until sinkd has ended.
fn stop(sink: Sink) -> Duration {
    let began = Instant::now();
    sink.signal(Signal::TERM);
    assert!(sink.wait().success());
    began.elapsed()
}

fn disk_bytes(data: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(data.join("segments")).unwrap();
    files.filter_map(|f| f.unwrap().metadata().ok()).map(|m| m.blocks() * 512).sum()
}

#[test]
fn a_lock_held_from_start_to_stop_blocks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let held = take_lock(dir.path());
    let sink = Sink::start_http(dir.path(), "127.0.0.1:0", &RING);
    let http = sink.http.unwrap();
    let mut client = sink.connect();
    client.ehlo();
    turn_the_ring(&mut client, 150);
    assert!(disk_bytes(dir.path()) < 80 << 20, "the bound holds");
    assert_eq!(client.command("NOOP sinkd mark while it is locked"), 250);
    // Only the thread that also begins runs merges the figures for /metrics.
    until("/metrics goes on", || metric(http, "sinkd_messages_total") == 150.0);
    assert!(metric(http, "sinkd_events_lock_busy_total") >= 1.0, "it is counted");
    assert_eq!(client.command("QUIT"), 221);
    let took = stop(sink);
    assert!(took < Duration::from_secs(20), "{took:?}");
    // A sinkd with a full ring starts, too.
    let sink = Sink::start(dir.path(), &RING);
    let mut client = sink.connect();
    client.ehlo();
    turn_the_ring(&mut client, 3);
    let took = stop(sink);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(std::fs::metadata(dir.path().join("events.jsonl")).unwrap().len(), 0);
    // The missing note is remembered, and the next sinkd writes it.
    let there_and_gone = || {
        let folder = Folder::open(dir.path()).unwrap();
        folder.messages() + folder.pruned().unwrap().messages
    };
    assert_eq!(there_and_gone(), 153);
    drop(held);
    let sink = Sink::start(dir.path(), &RING);
    until("nothing is left to be noted", || !dir.path().join("dropped.jsonl").exists());
    assert!(sink.stop().success());
    assert_eq!(there_and_gone(), 153);
}

#[test]
fn events_during_a_held_lock_are_written_once_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let held = take_lock(dir.path());
    let sink = Sink::start(dir.path(), &RING);
    let mut client = sink.connect();
    client.ehlo();
    turn_the_ring(&mut client, 120);
    assert_eq!(client.command("NOOP sinkd mark while it is locked"), 250);
    let folder = || Folder::open(dir.path()).unwrap();
    let there_and_gone = |f: &Folder| f.messages() + f.pruned().unwrap().messages;
    let noted = || std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    assert_eq!(noted(), "");
    assert_eq!(there_and_gone(&folder()), 120, "pruned messages are counted although not noted");
    drop(held);
    until("dropped segments are noted", || noted().contains("pruned"));
    until("nothing is left to be noted", || !dir.path().join("dropped.jsonl").exists());
    assert_eq!(there_and_gone(&folder()), 120);
    until("the mark is written", || {
        let marks = Runs::read(dir.path()).unwrap().marks;
        marks.iter().any(|mark| mark.text == "while it is locked")
    });
    until("the run that began meanwhile is written", || {
        !Runs::read(dir.path()).unwrap().runs.is_empty()
    });
    assert!(sink.stop().success());
}
