//! Threads stopped in mid-work: storage that does not respond, and queues that are full at a stop.
#![cfg(target_os = "linux")]
use crate::common;

use common::trace::{detach, hold, thread_named};

use common::{Sink, sinkctl};
use tempfile::tempdir;

/// More than any window, so that some of it must wait for provisioning.
const BODY_LINES: usize = 60_000;

#[test]
fn others_are_answered_while_transfers_wait_for_storage() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--storage-wait", "10m"]);
    let mut idle = sink.connect();
    let provision = thread_named(sink.pid(), "log-provision");
    hold(provision);
    let body = b"0123456789abcdef0123456789abcdef\r\n".repeat(BODY_LINES);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let mut client = sink.connect();
            let message = [&body[..], b".\r\n"].concat();
            client.ehlo();
            client.begin("", "b@example.org");
            std::thread::spawn(move || {
                client.send(&message);
                client.reply().0
            })
        })
        .collect();
    // Storage stands still; clients that need nothing from it are still served.
    for _ in 0..100 {
        assert_eq!(idle.command("NOOP"), 250);
        assert_eq!(sink.connect().command("QUIT"), 221);
    }
    detach(provision);
    for sender in senders {
        assert_eq!(sender.join().unwrap(), 250);
    }
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
    assert!(sink.stop().success());
}

#[test]
fn messages_that_wait_for_a_flush_share_it_and_others_are_answered() {
    const SENDERS: usize = 64;
    let data = tempdir().unwrap();
    let output = tempfile::tempfile().unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", "127.0.0.1:0", "--workers", "1", "--durability", "message"]);
    command.args(["--http", "off"]);
    command.arg("--data").arg(data.path()).stderr(output.try_clone().unwrap());
    let sink = Sink::spawn(&mut command);
    let mut clients: Vec<_> = (0..SENDERS).map(|_| sink.connect()).collect();
    for client in &mut clients {
        client.ehlo();
        client.begin("a@example.org", "b@example.org");
    }
    let mut idle = sink.connect();
    let flusher = thread_named(sink.pid(), "log-flush");
    hold(flusher);
    for client in &mut clients {
        client.send(b"Subject: safe\r\n\r\n.\r\n");
    }
    // None of the messages is acknowledged or visible, and no other client waits.
    for _ in 0..100 {
        assert_eq!(idle.command("NOOP"), 250);
    }
    assert_eq!(sinkctl(data.path(), &["count"]).0, b"0\n");
    detach(flusher);
    for client in &mut clients {
        assert_eq!(client.reply().0, 250);
    }
    assert_eq!(sinkctl(data.path(), &["count"]).0, b"64\n");
    assert!(sink.stop().success());
    let output = common::text_of(output);
    let flushes = output.split("flushes=").nth(1).expect(&output);
    let flushes: usize = flushes.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1..=SENDERS / 4).contains(&flushes), "{flushes} flushes for {SENDERS} messages");
}

#[test]
fn a_transfer_that_waits_too_long_gets_452_and_the_session_continues() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--storage-wait", "100ms"]);
    let provision = thread_named(sink.pid(), "log-provision");
    hold(provision);
    let body = b"0123456789abcdef0123456789abcdef\r\n".repeat(BODY_LINES);
    let mut client = sink.connect();
    client.ehlo();
    let mut codes = Vec::new();
    while codes.last() != Some(&452) {
        client.begin("", "b@example.org");
        client.send(&[&body[..], b".\r\n"].concat());
        codes.push(client.reply().0);
        assert!(codes.len() < 100, "storage never ran out");
    }
    detach(provision);
    while codes.last() != Some(&250) {
        client.begin("", "b@example.org");
        client.send(&[&body[..], b".\r\n"].concat());
        codes.push(client.reply().0);
    }
    let stored = codes.iter().filter(|code| **code == 250).count();
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, format!("{stored}\n").into_bytes());
}

#[test]
fn queued_connections_get_421_not_rst_on_shutdown() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let worker = thread_named(sink.pid(), "worker-0");
    hold(worker);
    // The worker is stopped: the kernel has connected these, and no worker has accepted them.
    let mut queued: Vec<_> = (0..200).map(|_| sink.connect_quietly()).collect();
    sink.signal(rustix::process::Signal::TERM);
    detach(worker);
    for client in &mut queued {
        let (code, _) = client.reply();
        // A client that the worker accepted before the signal was greeted first.
        assert!(code == 421 || (code == 220 && client.reply().0 == 421), "{code}");
        assert!(client.rest().is_empty());
    }
    assert!(sink.wait().success());
}
