//! A worker that never hangs, and replies that reach the client they belong to.
#![cfg(target_os = "linux")]
use crate::common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use common::trace::{detach, hold, thread_named};
use common::{Client, SetWhenDropped, Sink, messages};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use tempfile::tempdir;

/// Sends one message in chunks: `BDAT` commands, all but the last without LAST.
fn send_in_chunks(client: &mut Client, payload: &[u8], sizes: &[usize]) {
    let mut from = 0;
    for (i, size) in sizes.iter().enumerate() {
        let last = if i + 1 == sizes.len() { " LAST" } else { "" };
        let line = format!("BDAT {size}{last}\r\n");
        // In one write, so that line and octets arrive together, as chunking senders send them.
        client.send(&[line.as_bytes(), &payload[from..from + size]].concat());
        from += size;
        assert_eq!(client.reply().0, 250, "SIZE and chunks {sizes:?}");
    }
}

/// The worker once looped forever when a chunk exceeded what a declared SIZE had reserved.
#[test]
fn chunks_beyond_the_declared_size_are_stored() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut sent = Vec::new();
    let mut client = sink.connect();
    client.ehlo();
    for declared in [1, 4096, 65_024, 65_300, 65_536, 70_000, 200_000] {
        for sizes in [
            &[20_000, 60_000][..],
            &[65_536, 1, 65_536],
            &[1, 200_000],
            &[70_000, 70_000, 300_000],
            &[25, 5_000_000, 0],
        ] {
            let octets: usize = sizes.iter().sum();
            let payload: Vec<u8> = (0..octets).map(|i| (i * 7 + i / 251) as u8).collect();
            assert_eq!(client.command(&format!("MAIL FROM:<> SIZE={declared}")), 250);
            assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
            send_in_chunks(&mut client, &payload, sizes);
            sent.push(payload);
        }
    }
    let stored: Vec<Vec<u8>> = messages(data.path()).into_iter().map(|(_, p)| p).collect();
    assert!(stored == sent, "every octet comes back");
    assert!(sink.stop().success());
}

#[test]
fn each_client_whose_message_waited_too_long_gets_its_own_452() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--storage-wait", "1s"];
    let sink = Sink::start(data.path(), &args);
    let mut clients: Vec<Client> = (0..8).map(|_| sink.connect()).collect();
    clients.iter_mut().for_each(Client::ehlo);
    let half = [b'x'; 30_000];
    for client in &mut clients {
        client.begin("", "b@example.org");
        client.send(&half);
    }
    // The reply to a later command: the worker has staged what arrived.
    assert_eq!(sink.connect().command("NOOP"), 250);
    let provision = thread_named(sink.pid(), "log-provision");
    hold(provision);
    // Fills what is populated; after the first 452 nothing more has room.
    let mut filler = sink.connect();
    filler.ehlo();
    loop {
        filler.begin("", "b@example.org");
        filler.send(&[&[b'x'; 60_000][..], b"\r\n.\r\n"].concat());
        match filler.reply().0 {
            250 => {}
            code => break assert_eq!(code, 452),
        }
    }
    for client in &mut clients {
        client.send(&[&half[..], b"\r\n.\r\n"].concat());
    }
    for client in &mut clients {
        assert_eq!(client.reply().0, 452);
        // And no other reply: the next one belongs to the next command.
        assert_eq!(client.command("NOOP"), 250);
    }
    detach(provision);
    assert!(sink.stop().success());
}

/// Returns a client that sends commands and reads no reply, until its server is blocked.
fn client_that_does_not_read(sink: &Sink) -> Client {
    let mut client = sink.connect();
    client.stream.set_nonblocking(true).unwrap();
    let noops = b"HELP\r\n".repeat(10_000);
    let mut refused = 0;
    // The worker answers others in between, so it has received all that it can.
    while refused < 20 {
        match std::io::Write::write(&mut client.stream, &noops) {
            Ok(_) => refused = 0,
            Err(_) => refused += 1,
        }
        assert_eq!(sink.connect().command("NOOP"), 250);
    }
    client.stream.set_nonblocking(false).unwrap();
    client
}

/// Reads what was sent to `gone`, up to its end, while `other` and new clients get their own
/// replies.
fn assert_only_noops_are_answered(sink: &Sink, other: &mut Client, gone: &Client) {
    let mut buffer = vec![0; 1 << 16];
    let mut stream = &gone.stream;
    for _ in 0..1_000_000 {
        assert_eq!(other.command("NOOP"), 250, "only its own replies");
        let (code, _) = sink.connect_quietly().reply();
        assert_eq!(code, 220, "a greeting, and nothing of another client");
        stream.set_nonblocking(true).unwrap();
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
    }
    panic!("the client that does not read was never dismissed");
}

#[test]
fn the_421_for_a_client_that_does_not_read_reaches_no_other() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--command-timeout", "3s"]);
    let mut other = sink.connect();
    other.ehlo();
    let deaf = client_that_does_not_read(&sink);
    // The client reads nothing until its time has run out.
    while other.command("NOOP") == 250 && is_open_for(sink.pid(), &deaf) {
        let (code, _) = sink.connect_quietly().reply();
        assert_eq!(code, 220, "a greeting, and nothing of another client");
    }
    assert_only_noops_are_answered(&sink, &mut other, &deaf);
    assert!(sink.stop().success());
}

/// Returns whether the process still has the other end of `client` open, by /proc.
fn is_open_for(pid: u32, client: &Client) -> bool {
    let port = client.stream.local_addr().unwrap().port();
    let remote = format!(":{port:04X} ");
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let of_server = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        format!("{} ", fields[2]).ends_with(&remote) && fields[9] != "0"
    };
    table.lines().skip(1).any(|line| of_server(&line))
}

#[test]
fn a_stop_sends_one_421_to_each_idle_client() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--stop-grace", "2s"]);
    let mut idle: Vec<Client> = (0..20).map(|_| sink.connect()).collect();
    let mut busy = sink.connect();
    busy.ehlo();
    busy.begin("", "b@example.org");
    let _deaf = client_that_does_not_read(&sink);
    sink.signal(Signal::TERM);
    for client in &mut idle {
        assert_eq!(client.reply().0, 421);
        assert!(client.rest().is_empty(), "one farewell");
        let _ = client.stream.shutdown(Shutdown::Both);
    }
    busy.send(b"Subject: last\r\n\r\n.\r\n");
    assert_eq!(busy.reply().0, 250, "the message in progress is finished");
    assert_eq!(busy.reply().0, 421);
    assert!(busy.rest().is_empty());
    assert!(sink.wait().success());
}

/// Begins a payload, with its size declared, that never ends.
fn stall(sink: &Sink, declared: usize, octets: usize) -> Client {
    let mut client = sink.connect();
    client.ehlo();
    assert_eq!(client.command(&format!("MAIL FROM:<> SIZE={declared}")), 250);
    assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
    assert_eq!(client.command("DATA"), 354);
    client.send(&vec![b'x'; octets]);
    client
}

/// Returns the disk space of the folder's segments, in bytes.
fn segment_bytes(data: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(data.join("segments")).unwrap();
    // A segment can be pruned between the listing and this check.
    entries.filter_map(|entry| entry.unwrap().metadata().ok()).map(|m| m.blocks() * 512).sum()
}

#[test]
fn stalled_payloads_do_not_prevent_a_ring_from_reusing_segments() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--retain-bytes", "64MiB", "--segment-bytes", "4MiB"];
    let sink = Sink::start(data.path(), &args);
    let mut sender = sink.connect();
    sender.ehlo();
    let body = [&b"x".repeat(100_000)[..], b"\r\n"].concat();
    let mut stalled = Vec::new();
    // One begins every few megabytes, so that each is in another segment.
    for _ in 0..30 {
        stalled.push(stall(&sink, 100_000, 70_000));
        (0..50).for_each(|_| drop(sender.deliver("", "b@example.org", &body)));
    }
    let held = segment_bytes(data.path());
    assert!(held <= 80 << 20, "{held} bytes with 64 MiB to retain");
    for mut client in stalled {
        client.send(b"\r\nits end\r\n.\r\n");
        assert_eq!(client.reply().0, 250, "a payload that was moved can still end");
    }
    let of_stalled = |payload: &[u8]| payload.ends_with(b"\r\nits end\r\n");
    let ended = messages(data.path()).into_iter().filter(|(_, p)| of_stalled(p)).count();
    assert_eq!(ended, 30);
    assert!(sink.stop().success());
}

#[test]
fn one_large_message_leaves_room_for_later_sessions() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--dedicated-segments-max", "2"];
    let sink = Sink::start(data.path(), &args);
    let large = [&b"x".repeat(6 << 20)[..], b"\r\n"].concat();
    let mut first = sink.connect();
    first.ehlo();
    first.deliver("", "b@example.org", &large);
    // Its own next payload is expected to be as large; other sessions begin without a size.
    let mut begun: Vec<Client> = (0..8).map(|_| sink.connect()).collect();
    begun.iter_mut().for_each(Client::ehlo);
    begun.push(first);
    for client in &mut begun {
        client.begin("", "b@example.org");
        client.send(b"a small one\r\n");
    }
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..3 {
        assert_eq!(client.command(&format!("MAIL FROM:<> SIZE={}", large.len())), 250);
        assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
        assert_eq!(client.command("DATA"), 354);
        client.send(&[&large[..], b".\r\n"].concat());
        assert_eq!(client.reply().0, 250, "the places for large mail are free");
    }
    for client in &mut begun {
        client.send(b".\r\n");
        assert_eq!(client.reply().0, 250);
    }
    assert!(sink.stop().success());
}

#[test]
fn a_reset_releases_at_once_what_chunks_had_reserved() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--dedicated-segments-max", "1"];
    let sink = Sink::start(data.path(), &args);
    let large = b"x".repeat(6 << 20);
    let begin_chunks = |client: &mut Client| {
        assert_eq!(client.command(&format!("MAIL FROM:<> SIZE={}", large.len())), 250);
        assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
        client.send(&[b"BDAT 100\r\n", &large[..100]].concat());
        assert_eq!(client.reply().0, 250);
    };
    for ending in ["RSET", "EHLO again", "QUIT", "BDAT x"] {
        let mut holder = sink.connect();
        holder.ehlo();
        begin_chunks(&mut holder);
        holder.command(ending);
        // The only dedicated segment for a large message is free while the session continues.
        let mut client = sink.connect();
        client.ehlo();
        begin_chunks(&mut client);
        client.send(
            &[format!("BDAT {} LAST\r\n", large.len() - 100).as_bytes(), &large[100..]].concat(),
        );
        assert_eq!(client.reply().0, 250, "after {ending}");
    }
    assert!(sink.stop().success());
}

#[test]
fn a_reset_returns_its_place_in_a_sample_at_once() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--store", "none", "--store-rule", "*=none/1000"];
    let sink = Sink::start(data.path(), &args);
    let mut first = sink.connect();
    first.ehlo();
    assert_eq!(first.command("MAIL FROM:<>"), 250);
    assert_eq!(first.command("RCPT TO:<b@example.org>"), 250);
    first.send(b"BDAT 5\r\ndrawn");
    assert_eq!(first.reply().0, 250);
    assert_eq!(first.command("RSET"), 250);
    // The first of a thousand messages is stored, and that is this one, while the other session
    // idles.
    let mut second = sink.connect();
    second.ehlo();
    let name = second.deliver("", "b@example.org", b"stored\r\n");
    assert!(name.parse::<sinkd::log::MessageId>().is_ok(), "{name}");
    assert!(sink.stop().success());
}

#[test]
fn urgent_data_does_not_end_a_read_early() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let worker = thread_named(sink.pid(), "worker-0");
    for round in 0..20 {
        let mut client = sink.connect();
        client.ehlo();
        // All octets have arrived before the worker reads, with the urgent mark in the middle.
        if round % 2 == 0 {
            hold(worker);
        }
        client.send(b"NOOP\r\nNO");
        socket2::SockRef::from(&client.stream).send_out_of_band(b"!").unwrap();
        client.send(b"OP\r\nNOOP\r\n");
        if round % 2 == 0 {
            detach(worker);
        }
        (0..3).for_each(|_| assert_eq!(client.reply().0, 250));
    }
    assert!(sink.stop().success());
}

#[test]
fn passed_descriptors_do_not_end_a_read_early() {
    let data = tempdir().unwrap();
    let path = data.path().join("socket");
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.arg("--listen").arg(format!("unix:{}", path.display()));
    command.args(["--http", "off", "--workers", "1", "--log-level", "warn"]);
    let sink = Sink::spawn(command.arg("--data").arg(data.path().join("sink")));
    let worker = thread_named(sink.pid(), "worker-0");
    let mut stream = common::connect_unix(&path).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    for _ in 0..10 {
        hold(worker);
        stream.write_all(b"NOOP\r\nNO").unwrap();
        pass_descriptor(&stream, b"OP\r\n");
        stream.write_all(b"NOOP\r\n").unwrap();
        detach(worker);
        for _ in 0..3 {
            line.clear();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "250 2.0.0 Ok\r\n");
        }
    }
    assert!(sink.stop().success());
}

/// Sends `octets` with a file descriptor (unix(7), `SCM_RIGHTS`).
fn pass_descriptor(stream: &UnixStream, octets: &[u8]) {
    const FD_BYTES: u32 = size_of::<libc::c_int>() as u32;
    let mut space = [0u64; 8];
    let mut part = libc::iovec { iov_base: octets.as_ptr() as *mut _, iov_len: octets.len() };
    // SAFETY: all pointers are to locals that live through the call; `space` is aligned for a
    // cmsghdr and larger than CMSG_SPACE of one descriptor; sendmsg only reads.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = space.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(FD_BYTES) as _;
        let control = libc::CMSG_FIRSTHDR(&raw const message);
        (*control).cmsg_level = libc::SOL_SOCKET;
        (*control).cmsg_type = libc::SCM_RIGHTS;
        (*control).cmsg_len = libc::CMSG_LEN(FD_BYTES) as _;
        libc::CMSG_DATA(control).cast::<libc::c_int>().write_unaligned(stream.as_raw_fd());
        libc::sendmsg(stream.as_raw_fd(), &raw const message, 0)
    };
    assert_eq!(sent, octets.len() as isize, "{}", std::io::Error::last_os_error());
}

#[test]
fn clients_that_keep_connecting_do_not_delay_a_stop() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--stop-grace", "1s", "--backlog", "64"];
    let sink = Sink::start(data.path(), &args);
    let address = sink.addresses[0];
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = SetWhenDropped(&over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    // Connections are refused once the listener is closed.
                    let Ok(mut stream) = common::connect(address) else { return };
                    // The last one may get no answer: see `common::connect`.
                    stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
                    let _ = stream.read(&mut [0; 4]);
                }
            });
        }
        let mut one = sink.connect();
        sink.signal(Signal::TERM);
        assert_eq!(one.reply().0, 421);
        assert!(sink.wait().success());
    });
}

#[test]
fn out_of_descriptors_is_logged_once_and_waiting_clients_get_421_at_the_stop() {
    let data = tempdir().unwrap();
    let output = tempfile::tempfile().unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", "127.0.0.1:0", "--http", "off", "--workers", "1"]);
    command.args(["--index", "off", "--connections-max", "100000", "--stop-grace", "2s"]);
    command.arg("--data").arg(data.path()).stderr(output.try_clone().unwrap());
    let sink = Sink::spawn(&mut command);
    let limit = Rlimit { current: Some(64), maximum: Some(64) };
    prlimit(Pid::from_raw(sink.pid() as i32), Resource::Nofile, limit).unwrap();
    let mut clients: Vec<Client> = (0..100).map(|_| sink.connect_quietly()).collect();
    // Accepted connections are served; the others wait.
    assert_eq!(clients[0].reply().0, 220);
    for _ in 0..200 {
        assert_eq!(clients[0].command("NOOP"), 250);
    }
    sink.signal(Signal::TERM);
    for client in &mut clients {
        let code = client.reply().0;
        assert!(code == 421 || (code == 220 && client.reply().0 == 421), "{code}");
        assert!(client.rest().is_empty());
    }
    assert!(sink.wait().success());
    let output = common::text_of(output);
    assert_eq!(output.matches("no descriptors are left").count(), 1, "{output}");
}

#[test]
fn connections_handed_over_during_a_stop_get_421() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2", "--stop-grace", "60s"]);
    // One client on each worker, in the middle of a message: both workers continue for their grace
    // period.
    let mut busy: Vec<Client> = (0..2).map(|_| sink.connect()).collect();
    for client in &mut busy {
        client.ehlo();
        client.begin("", "b@example.org");
    }
    let mut idle = sink.connect();
    let mut other = sink.connect();
    let worker = thread_named(sink.pid(), "worker-0");
    hold(worker);
    let mut queued: Vec<Client> = (0..50).map(|_| sink.connect_quietly()).collect();
    sink.signal(Signal::TERM);
    // One of the two idle sessions belongs to the other worker, which thereby learns of the stop.
    let told = std::thread::scope(|scope| {
        let (tell, told) = crossbeam_channel::bounded(2);
        for client in [&mut idle, &mut other] {
            let tell = tell.clone();
            scope.spawn(move || tell.send(client.reply().0));
        }
        let first = told.recv().unwrap();
        detach(worker);
        [first, told.recv().unwrap()]
    });
    assert_eq!(told, [421, 421]);
    for client in &mut queued {
        let code = client.reply().0;
        assert!(code == 421 || (code == 220 && client.reply().0 == 421), "{code}");
        assert!(client.rest().is_empty());
    }
    for client in &mut busy {
        client.send(b"its end\r\n.\r\n");
        assert_eq!(client.reply().0, 250, "the grace is not over");
    }
    assert!(sink.wait().success());
}

/// The timer wheel once checked a connection only when its command timeout had expired, not sooner.
#[test]
fn a_stalled_payload_is_closed_after_the_data_timeout() {
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--command-timeout", "10m", "--data-timeout", "1s"];
    let sink = Sink::start(data.path(), &args);
    let mut stalled = sink.connect();
    stalled.ehlo();
    stalled.begin("", "b@example.org");
    stalled.send(b"half");
    assert_eq!(stalled.reply().0, 421, "long before the ten minutes");
    let mut idle = sink.connect();
    assert_eq!(idle.command("NOOP"), 250, "commands have their own time");
    assert!(sink.stop().success());
}
