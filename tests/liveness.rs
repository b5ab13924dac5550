//! A worker that never hangs, and replies that reach the client they are for.
#![cfg(target_os = "linux")]
mod common;

use std::io::Read;
use std::net::Shutdown;

use common::trace::{hold, let_go, thread_named};
use common::{Client, Sink, messages};
use rustix::process::Signal;
use tempfile::tempdir;

/// Chunks of one message: `BDAT` lines, all but the last without LAST.
fn send_in_chunks(client: &mut Client, payload: &[u8], sizes: &[usize]) {
    let mut from = 0;
    for (i, size) in sizes.iter().enumerate() {
        let last = if i + 1 == sizes.len() { " LAST" } else { "" };
        let line = format!("BDAT {size}{last}\r\n");
        // In one write: line and octets arrive together, as chunking senders send them.
        client.send(&[line.as_bytes(), &payload[from..from + size]].concat());
        from += size;
        assert_eq!(client.reply().0, 250, "SIZE and chunks {sizes:?}");
    }
}

/// The worker looped without end where a chunk outgrew what a declared SIZE had reserved.
#[test]
fn chunks_that_outgrow_the_declared_size_are_stored() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut sent = Vec::new();
    let mut client = sink.connect();
    client.ehlo();
    for declared in [1, 4096, 65_024, 65_300, 65_536, 70_000, 200_000] {
        for sizes in
            [&[20_000, 60_000][..], &[65_536, 1, 65_536], &[1, 200_000], &[70_000, 70_000, 300_000]]
        {
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
    // Answered behind them: the worker has staged what came.
    assert_eq!(sink.connect().command("NOOP"), 250);
    let provision = thread_named(sink.pid(), "log-provision");
    hold(provision);
    // Fill what is populated; from the first 452 on nothing more has room.
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
        // And nothing else: the next reply is the one to the next command.
        assert_eq!(client.command("NOOP"), 250);
    }
    let_go(provision);
    assert!(sink.stop().success());
}

/// A client that sends commands and reads no reply, until its server is held back.
fn deaf(sink: &Sink) -> Client {
    let mut client = sink.connect();
    client.stream.set_nonblocking(true).unwrap();
    let noops = b"HELP\r\n".repeat(10_000);
    let mut refused = 0;
    // The worker answers others in between: what it can take, it has taken.
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

/// Waits until the worker has closed all but `left` connections, by what `other` is answered.
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
fn the_farewell_of_a_client_that_does_not_read_reaches_no_other() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--command-timeout", "3s"]);
    let mut other = sink.connect();
    other.ehlo();
    let deaf = deaf(&sink);
    // It still reads nothing while its time runs out: only then do we look.
    while other.command("NOOP") == 250 && is_open_for(sink.pid(), &deaf) {
        let (code, _) = sink.connect_quietly().reply();
        assert_eq!(code, 220, "a greeting, and nothing of another client");
    }
    assert_only_noops_are_answered(&sink, &mut other, &deaf);
    assert!(sink.stop().success());
}

/// Whether the process still has the other end of `client`, by /proc.
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
fn a_stop_tells_each_idle_client_and_no_client_twice() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--stop-grace", "2s"]);
    let mut idle: Vec<Client> = (0..20).map(|_| sink.connect()).collect();
    let mut busy = sink.connect();
    busy.ehlo();
    busy.begin("", "b@example.org");
    let _deaf = deaf(&sink);
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
