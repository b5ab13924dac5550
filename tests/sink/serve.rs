//! A running sinkd from its clients' point of view: listening, limits, hostile clients, stopping.
use crate::common;

use std::io::Write;
use std::process::Stdio;

use common::{Client, Sink, sinkctl};
use rustix::process::Signal;
use tempfile::tempdir;

#[test]
fn cat_prints_what_was_sent() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    let wire = b"Subject: x\r\n\r\n..stuffed\r\nbare\nlf\rcr\0nul\xff\r\n";
    let id = client.deliver("a@example.org", "b@example.org", wire);
    let (mail, _, code) = sinkctl(data.path(), &["cat", &id]);
    assert_eq!(code, 0);
    assert_eq!(mail, b"Subject: x\r\n\r\n.stuffed\r\nbare\nlf\rcr\0nul\xff\r\n");
    assert_eq!(client.command("QUIT"), 221);
    assert!(sink.stop().success());
    let (again, _, _) = sinkctl(data.path(), &["cat", "latest"]);
    assert_eq!(again, mail);
}

#[test]
fn payloads_of_every_size_are_read_back_whole() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    let sizes = [
        0,
        2,
        1000,
        4093,
        4096,
        16_384,
        65_530,
        65_536,
        65_540,
        200_000,
        1 << 20,
        4 << 20,
        (4 << 20) + 10,
        9_000_000,
    ];
    for (n, size) in sizes.into_iter().enumerate() {
        for framing in ["DATA", "BDAT", "BDAT in three"] {
            let mail = body(size, n as u64);
            let from = format!(
                "MAIL FROM:<> {}",
                if n % 2 == 0 { String::new() } else { format!("SIZE={size}") }
            );
            assert_eq!(client.command(from.trim_end()), 250);
            assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
            let (code, lines) = send_framed(&mut client, framing, &mail);
            assert_eq!(code, 250, "{size} {framing}: {lines:?}");
            let (stored, errors, _) = sinkctl(data.path(), &["cat", &common::id_of(&lines[0])]);
            assert!(
                stored == mail,
                "{size} octets by {framing}: {} came back {errors}",
                stored.len()
            );
        }
    }
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
}

/// Lines of 78 octets that state their position, cut to `size`, ending in CRLF if there is room.
fn body(size: usize, seed: u64) -> Vec<u8> {
    let mut mail = Vec::with_capacity(size + 80);
    while mail.len() < size {
        let line = format!("{seed} {} {}", mail.len(), "x".repeat(60));
        mail.extend_from_slice(line.as_bytes());
        mail.extend_from_slice(b"\r\n");
    }
    mail.truncate(size);
    if size >= 2 {
        mail[size - 2..].copy_from_slice(b"\r\n");
    }
    mail
}

fn send_framed(client: &mut Client, framing: &str, mail: &[u8]) -> (u16, Vec<String>) {
    match framing {
        "DATA" => {
            assert_eq!(client.command("DATA"), 354);
            client.send(&[mail, b".\r\n"].concat());
        }
        "BDAT" => {
            client.send(format!("BDAT {} LAST\r\n", mail.len()).as_bytes());
            client.send(mail);
        }
        _ => {
            for chunk in [&mail[..mail.len() / 3], &mail[mail.len() / 3..]] {
                client.send(format!("BDAT {}\r\n", chunk.len()).as_bytes());
                client.send(chunk);
                assert_eq!(client.reply().0, 250);
            }
            client.send(b"BDAT 0 LAST\r\n");
        }
    }
    client.reply()
}

#[test]
fn chunks_of_a_reset_transaction_are_discarded() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    let begin = "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n";
    for undo in ["RSET\r\n", "EHLO again\r\n"] {
        let packet = format!("{begin}BDAT 5\r\nstale{undo}{begin}BDAT 5 LAST\r\nfresh");
        client.send(packet.as_bytes());
        // MAIL, RCPT, BDAT, the reset, MAIL, RCPT, BDAT.
        (0..7).for_each(|_| assert_eq!(client.reply().0, 250));
        assert_eq!(sinkctl(data.path(), &["cat", "latest"]).0, b"fresh");
    }
}

#[test]
fn two_sinks_on_one_port_are_refused() {
    let (first_data, second_data) = (tempdir().unwrap(), tempdir().unwrap());
    let sink = Sink::start(first_data.path(), &[]);
    let second = common::program(env!("CARGO_BIN_EXE_sinkd"))
        .args(["--http", "off", "--listen", &sink.addresses[0].to_string(), "--data"])
        .arg(second_data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("already in use"), "{error}");
    assert!(error.contains(&sink.addresses[0].to_string()), "{error}");
}

#[test]
fn two_sinks_on_one_folder_are_refused() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let second = common::program(env!("CARGO_BIN_EXE_sinkd"))
        .args(["--http", "off", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains(&sink.pid().to_string()), "names who holds it: {error}");
}

#[test]
fn long_lived_connections_are_balanced_to_within_one() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2"]);
    let mut clients: Vec<Client> = (0..21).map(|_| sink.connect()).collect();
    let mut per_worker = std::collections::HashMap::new();
    for client in &mut clients {
        client.ehlo();
        // Each worker writes into segments of its own.
        let id = client.deliver("", "b@example.org", b"x\r\n");
        let segment = id.split(':').next().unwrap().to_owned();
        *per_worker.entry(segment).or_insert(0) += 1;
    }
    let mut counts: Vec<i32> = per_worker.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [10, 11]);
}

#[test]
fn connections_beyond_the_limit_get_421_and_others_are_unaffected() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--connections-max", "2"]);
    let mut first = sink.connect();
    let second = sink.connect();
    let mut third = sink.connect_quietly();
    assert_eq!(third.reply().0, 421);
    first.ehlo();
    drop(second);
    // The connection slot is free as soon as the worker has seen the close.
    while sink.connect_quietly().try_reply().is_none_or(|(code, _)| code != 220) {}
    first.deliver("", "b@example.org", b"still here\r\n");
}

#[test]
fn connections_of_one_client_beyond_the_limit_get_421() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--connections-per-client-max", "1"]);
    let mut first = sink.connect();
    assert_eq!(sink.connect_quietly().reply().0, 421);
    assert_eq!(first.command("QUIT"), 221);
}

#[test]
fn errors_beyond_the_limit_close_the_session() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--errors-max", "2"]);
    let mut client = sink.connect();
    assert_eq!(client.command("WHAT"), 500);
    assert_eq!(client.command("WHAT"), 500);
    assert_eq!(client.command("WHAT"), 421);
    assert!(client.rest().is_empty());
}

#[test]
fn a_message_that_turns_out_too_large_is_read_to_its_end_and_refused_once() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--message-bytes-max", "100000"]);
    let mut client = sink.connect();
    client.ehlo();
    for (size, code) in [(99_999, 250), (100_000, 250), (100_001, 552), (9_000_000, 552)] {
        client.begin("", "b@example.org");
        client.send(&[&body(size, 1)[..], b".\r\n"].concat());
        assert_eq!(client.reply().0, code, "{size}");
        assert_eq!(client.command("NOOP"), 250);
    }
    assert_eq!(client.command("MAIL FROM:<> SIZE=100001"), 552);
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, b"2\n");
}

#[test]
fn silent_clients_get_421() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--command-timeout", "100ms"]);
    let mut client = sink.connect();
    assert_eq!(client.reply().0, 421);
    assert!(sink.stop().success());
    // The commands themselves have all the time that a busy machine needs for them.
    let sink = Sink::start(data.path(), &["--data-timeout", "100ms"]);
    let mut client = sink.connect();
    client.ehlo();
    client.begin("", "b@example.org");
    client.send(b"half a message");
    assert_eq!(client.reply().0, 421);
    assert!(client.rest().is_empty());
}

#[test]
fn garbage_and_disconnects_leave_no_trace() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let dialogue = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
        Subject: never whole\r\n\r\nx\r\n.\r";
    for cut in 0..=dialogue.len() {
        let mut client = sink.connect_quietly();
        client.send(&dialogue[..cut]);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        client.rest();
    }
    let mut dice = common::Dice::new(7);
    for _ in 0..50 {
        let mut client = sink.connect_quietly();
        let noise: Vec<u8> = (0..dice.roll(20_000)).map(|_| dice.roll(256) as u8).collect();
        // sinkd is allowed to have closed the connection.
        let _ = client.stream.write_all(&noise);
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        client.rest();
    }
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("", "b@example.org", b"the only one\r\n");
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, b"1\n");
    assert!(sink.stop().success());
}

#[test]
fn a_client_that_never_reads_is_throttled_and_others_are_served() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut deaf = sink.connect_quietly();
    deaf.stream.set_nonblocking(true).unwrap();
    let help = b"HELP\r\n".repeat(10_000);
    let mut pushed = 0;
    // Until the kernel's buffers on both sides are full: sinkd no longer reads.
    while let Ok(n) = deaf.stream.write(&help) {
        pushed += n;
        assert!(pushed < 1 << 30, "sinkd keeps reading although the client reads no replies");
    }
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("", "b@example.org", b"x\r\n");
    let memory = resident_bytes(sink.pid());
    assert!(memory < 200 << 20, "{memory} bytes");
    deaf.stream.set_nonblocking(false).unwrap();
    drop(deaf);
    assert!(sink.stop().success());
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_stop_lets_transactions_end_and_sends_421_to_idle_sessions() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--stop-grace", "50s"]);
    let mut idle = sink.connect();
    let mut busy = sink.connect();
    busy.ehlo();
    busy.begin("", "b@example.org");
    sink.signal(Signal::TERM);
    assert_eq!(idle.reply().0, 421);
    busy.send(b"it took its time\r\n.\r\n");
    assert_eq!(busy.reply().0, 250);
    assert_eq!(busy.reply().0, 421);
    assert!(sink.wait().success());
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, b"1\n");
}

#[test]
fn a_second_signal_stops_at_once() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--stop-grace", "1h"]);
    let mut idle = sink.connect();
    let mut busy = sink.connect();
    busy.ehlo();
    busy.begin("", "b@example.org");
    sink.signal(Signal::TERM);
    assert_eq!(idle.reply().0, 421);
    sink.signal(Signal::INT);
    busy.rest();
    assert!(sink.wait().success());
}

#[test]
fn exactly_the_requested_number_of_messages_is_stored() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2", "--stop-after-messages", "25"]);
    let address = sink.addresses[0];
    let acknowledged: usize = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..8).map(|_| scope.spawn(|| deliver_until_refused(&sink))).collect();
        senders.into_iter().map(|s| s.join().unwrap()).sum()
    });
    assert!(sink.wait().success(), "{address}");
    assert_eq!(acknowledged, 25);
    let (count, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(count, b"25\n");
}

/// Sends until a reply other than 250, or none; returns the number of acknowledged messages.
fn deliver_until_refused(sink: &Sink) -> usize {
    let Ok(stream) = common::connect(sink.addresses[0]) else { return 0 };
    let mut stream = stream;
    let mut sent = 0;
    let mut talk = |octets: &[u8], code: &str| -> bool {
        let reply = stream.write_all(octets).and_then(|()| common::read_reply(&mut stream));
        reply.is_ok_and(|reply| reply.starts_with(code.as_bytes()))
    };
    if !talk(b"", "220") || !talk(b"EHLO x\r\n", "250") {
        return 0;
    }
    while talk(b"MAIL FROM:<>\r\n", "250")
        && talk(b"RCPT TO:<b@example.org>\r\n", "250")
        && talk(b"DATA\r\n", "354")
        && talk(b"x\r\n.\r\n", "250")
    {
        sent += 1;
    }
    sent
}

#[test]
fn sinkd_stops_after_n_sessions_and_when_idle() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--stop-after-sessions", "2"]);
    assert_eq!(sink.connect().command("QUIT"), 221);
    assert_eq!(sink.connect().command("QUIT"), 221);
    assert!(sink.wait().success());
    let sink = Sink::start(data.path(), &["--stop-after-idle", "50ms"]);
    assert!(sink.wait().success());
}

#[test]
fn settings_are_checked_and_printed() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sink.toml");
    let run = |args: &[&str]| {
        let output = common::program(env!("CARGO_BIN_EXE_sinkd"))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    };
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[limits]\nerrors_max = 3\n").unwrap();
    let (code, text) = run(&["--config", path, "--print-config", "--workers", "2"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("errors_max = 3\n") && text.contains("workers = 2\n"), "{text}");
    assert_eq!(run(&["--config", path, "--check"]).0, Some(0));
    std::fs::write(&file, "[limits]\nerrors_max = \"many\"\n").unwrap();
    let (code, text) = run(&["--config", path, "--check"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("sink.toml:2: limits.errors_max: expected a whole number from 1 to"),
        "{text}"
    );
    let (code, text) = run(&["--stop-grace", "soon"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("--stop-grace: expected a duration"), "{text}");
}

#[test]
fn an_unusable_folder_is_reported_at_start() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let output = common::program(env!("CARGO_BIN_EXE_sinkd"))
        .args(["--http", "off", "--listen", "127.0.0.1:0", "--data"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("a-file"), "{error}");
}
