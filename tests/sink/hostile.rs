//! Malicious clients and slow ones: limits hold, and other clients are unaffected.
use crate::common;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Client, Sink, sinkctl};
use tempfile::tempdir;

/// Returns the number of slow connections; ten thousand if the limit on descriptors allows it.
fn crawlers_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = limit.maximum.unwrap_or(20_000) as usize;
    let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted).unwrap();
    (descriptors.saturating_sub(1000)).min(10_000)
}

fn anonymous_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn byte_by_byte_transfers_hold_little_memory_and_disturb_no_client() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let opening = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    let mut crawlers: Vec<TcpStream> = (0..crawlers_max())
        .map(|_| {
            let mut stream = common::connect(sink.addresses[0]).unwrap();
            stream.write_all(opening).unwrap();
            stream
        })
        .collect();
    for stream in &mut crawlers {
        let mut text = Vec::new();
        let mut piece = [0; 1024];
        while !String::from_utf8_lossy(&text).contains("\r\n354") {
            let n = stream.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..n]);
        }
    }
    let mut client = sink.connect();
    client.ehlo();
    for octet in b"Subject" {
        for stream in &mut crawlers {
            stream.write_all(&[*octet]).unwrap();
        }
        client.deliver("", "b@example.org", b"in between\r\n");
    }
    let per_crawler = anonymous_bytes(sink.pid()) / crawlers.len() as u64;
    assert!(per_crawler < 8192, "{per_crawler} bytes for each crawling transfer");
    drop(crawlers);
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, b"7\n");
    let (listing, _, _) = sinkctl(data.path(), &["ls"]);
    assert_eq!(listing.iter().filter(|b| **b == b'\n').count(), 7);
    assert!(sink.stop().success());
}

#[test]
fn stalled_clients_lose_their_buffers_when_the_budget_is_exhausted() {
    let data = tempdir().unwrap();
    // 1 MiB: 256 buffers of the smallest size.
    let sink = Sink::start(data.path(), &["--workers", "1", "--buffer-memory-bytes", "1MiB"]);
    let mut stalled: Vec<Client> = (0..400).map(|_| sink.connect()).collect();
    for client in &mut stalled {
        client.ehlo();
        client.begin("", "b@example.org");
        client.send(b"half");
    }
    let mut client = sink.connect();
    client.ehlo();
    // A payload that arrives in one piece needs no buffer.
    client.deliver("", "b@example.org", b"whole\r\n");
    let mut refused = 0;
    let mut accepted = 0;
    for client in &mut stalled {
        client.send(b"\r\n.\r\n");
        match client.reply().0 {
            250 => accepted += 1,
            421 | 452 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0 && accepted > 0, "{accepted} accepted, {refused} refused");
    assert!(anonymous_bytes(sink.pid()) < 64 << 20);
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, format!("{}\n", accepted + 1).into_bytes());
}

#[test]
fn endless_lines_and_endless_commands_cost_constant_memory() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    let before = anonymous_bytes(sink.pid());
    let piece = vec![b'x'; 1 << 20];
    (0..64).for_each(|_| client.send(&piece));
    client.send(b"\r\n");
    assert_eq!(client.reply().0, 500);
    for _ in 0..200 {
        client.send(&b"NOOP\r\n".repeat(1000));
        (0..1000).for_each(|_| assert_eq!(client.reply().0, 250));
    }
    let grown = anonymous_bytes(sink.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn connections_beyond_the_descriptors_wait_and_are_served() {
    let data = tempdir().unwrap();
    // 40 descriptors: some for sinkd itself, the rest for connections, of which it would allow
    // 1000.
    let mut command = common::program("sh");
    let script = format!(
        "ulimit -n 40; exec {} --listen 127.0.0.1:0 --http off --workers 1 --connections-max 1000 \
         --log-level error --data {}",
        env!("CARGO_BIN_EXE_sinkd"),
        data.path().display()
    );
    let sink = Sink::spawn(command.arg("-c").arg(script));
    let mut open: Vec<Client> = (0..100).map(|_| sink.connect_quietly()).collect();
    // The first clients have their greeting; when they leave, those in the queue get theirs.
    for client in &mut open {
        assert_eq!(client.reply().0, 220);
        assert_eq!(client.command("QUIT"), 221);
        client.rest();
    }
    assert!(sink.stop().success());
}

#[test]
fn a_full_disk_is_answered_with_452_until_there_is_space() {
    let data = tempdir().unwrap();
    // sinkd's output goes to a file on the same disk that already exceeds the limit, so it can't be
    // written either; sinkd must not stop because of that.
    let said = data.path().join("stderr");
    std::fs::write(&said, [b'-'; 5000]).unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", "127.0.0.1:0", "--workers", "1", "--storage-wait", "300ms"]);
    command.args(["--http", "off"]);
    command.arg("--data").arg(data.path().join("sink"));
    command.stderr(OpenOptions::new().append(true).open(&said).unwrap());
    let sink = Sink::spawn(&mut command);
    let data = data.path().join("sink");
    // A limit on file size stands for a full disk: space that is already allocated can still be
    // used.
    limit_file_size(sink.pid(), Some(4096));
    let mut client = sink.connect();
    client.ehlo();
    let body = b"0123456789abcdef0123456789abcdef0123456789abcdef\r\n".repeat(1000);
    let mut stored = 0;
    loop {
        client.begin("", "b@example.org");
        client.send(&[&body[..], b".\r\n"].concat());
        match client.reply().0 {
            250 => stored += 1,
            452 => break,
            other => panic!("{other}"),
        }
        assert!(stored < 1000, "the limit was never reached");
    }
    assert!(stored > 10);
    assert_eq!(client.command("NOOP"), 250);
    let (count, _, _) = sinkctl(&data, &["count"]);
    assert_eq!(count, format!("{stored}\n").into_bytes());
    limit_file_size(sink.pid(), None);
    // sinkd checks the disk again on its own; until then it continues to reply 452.
    let deadline = Instant::now() + Duration::from_secs(60);
    let healed = std::iter::repeat(()).take_while(|()| Instant::now() < deadline).any(|()| {
        client.begin("", "b@example.org");
        client.send(&[&body[..], b".\r\n"].concat());
        client.reply().0 == 250
    });
    assert!(healed);
    let (_, errors, code) = sinkctl(&data, &["verify"]);
    assert_eq!(code, 0, "{errors}");
}

fn limit_file_size(pid: u32, bytes: Option<u64>) {
    let limit = rustix::process::Rlimit { current: bytes, maximum: None };
    let pid = rustix::process::Pid::from_raw(pid as i32);
    rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
}
