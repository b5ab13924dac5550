//! LMTP and Unix sockets, over real sockets.
use crate::common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use common::{Sink, sinkctl};
use sinkd::log::reader::Folder;
use tempfile::{TempDir, tempdir};

/// A client over any kind of stream.
struct Talk<S: Read + Write>(BufReader<S>);

impl Talk<UnixStream> {
    fn unix(path: &Path) -> Talk<UnixStream> {
        let stream = common::connect_unix(path).unwrap();
        let mut talk = Talk(BufReader::new(stream));
        assert!(talk.line().starts_with("220 "));
        talk
    }
}

impl<S: Read + Write> Talk<S> {
    fn send(&mut self, octets: &[u8]) {
        self.0.get_mut().write_all(octets).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The last line of the reply to a command.
    fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends a message to `recipients` and returns the first line of the reply to its end.
    fn deliver(&mut self, recipients: usize, wire: &[u8]) -> String {
        assert!(self.command("MAIL FROM:<a@example.org>").starts_with("250"));
        for n in 0..recipients {
            assert!(self.command(&format!("RCPT TO:<r{n}@example.org>")).starts_with("250"));
        }
        assert!(self.command("DATA").starts_with("354"));
        self.send(&[wire, b".\r\n"].concat());
        self.line()
    }
}

/// Long paths can't be socket addresses, so the folder is not below the temporary folder of the
/// build.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("sinkd").tempdir_in("/tmp").unwrap()
}

fn start(data: &Path, args: &[&str]) -> Sink {
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(args).args(["--http", "off", "--log-level", "warn"]);
    Sink::spawn(command.arg("--data").arg(data))
}

/// Returns the output of a sinkd that must fail to start.
fn refused(data: &Path, args: &[&str]) -> String {
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    let output = command.args(args).args(["--http", "off", "--data"]).arg(data).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn shown(data: &Path, id: &str) -> serde_json::Value {
    let (out, errors, code) = sinkctl(data, &["show", "--json", id]);
    assert_eq!(code, 0, "{errors}");
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn lmtp_replies_once_per_recipient_and_smtp_once_per_message() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "lmtp:127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    assert!(sink.announced[0].starts_with("LMTP on 127.0.0.1:"), "{:?}", sink.announced);
    assert!(sink.announced[1].starts_with("SMTP on 127.0.0.1:"), "{:?}", sink.announced);
    let mut lmtp = Talk(BufReader::new(common::connect(sink.addresses[0]).unwrap()));
    assert_eq!(lmtp.line(), "220 sinkd.localhost LMTP sinkd");
    assert!(lmtp.command("EHLO x").starts_with("500"));
    assert!(lmtp.command("LHLO client.example").starts_with("250 "));
    for wire in [b"a: b\r\n\r\nx\r\n".to_vec(), vec![b'x'; 300_000], vec![b'x'; 5_000_000]] {
        let wire = [&wire[..], b"\r\n"].concat();
        let first = lmtp.deliver(3, &wire);
        let id = first.strip_prefix("250 2.1.5 Ok ").unwrap().to_owned();
        assert_eq!([lmtp.line(), lmtp.line()], [first.clone(), first]);
        let (cat, _, code) = sinkctl(data.path(), &["cat", &id]);
        assert!(code == 0 && cat == wire);
        let shown = shown(data.path(), &id);
        assert_eq!(
            (&shown["protocol"], &shown["helo"]),
            (&"LMTP".into(), &"client.example".into())
        );
        assert_eq!(shown["listener"], sink.addresses[0].to_string());
    }
    assert!(lmtp.command("QUIT").starts_with("221"));
    let mut smtp = Talk(BufReader::new(common::connect(sink.addresses[1]).unwrap()));
    assert_eq!(smtp.line(), "220 sinkd.localhost ESMTP sinkd");
    assert!(smtp.command("LHLO x").starts_with("502"));
    assert!(smtp.command("EHLO client.example").starts_with("250 "));
    assert!(smtp.deliver(3, b"x\r\n").starts_with("250 2.0.0 Ok "));
    assert!(smtp.command("NOOP").starts_with("250 2.0.0 Ok"));
}

#[test]
fn thousands_of_replies_to_one_message_are_all_sent() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "lmtp:127.0.0.1:0", "--workers", "1"]);
    let mut lmtp = Talk(BufReader::new(common::connect(sink.addresses[0]).unwrap()));
    lmtp.line();
    assert!(lmtp.command("LHLO client.example").starts_with("250 "));
    const RECIPIENTS: usize = 20_000;
    let mut packet = b"MAIL FROM:<>\r\n".to_vec();
    (0..RECIPIENTS).for_each(|n| packet.extend(format!("RCPT TO:<r{n}@b>\r\n").bytes()));
    packet.extend_from_slice(b"DATA\r\nx\r\n.\r\nNOOP\r\n");
    let mut socket = lmtp.0.get_ref().try_clone().unwrap();
    // Replies fill the sockets' buffers while we are still sending.
    let sender = std::thread::spawn(move || socket.write_all(&packet).unwrap());
    (0..RECIPIENTS + 1).for_each(|_| assert!(lmtp.line().starts_with("250 2.1.")));
    assert!(lmtp.line().starts_with("354"));
    let first = lmtp.line();
    assert!(first.starts_with("250 2.1.5 Ok "), "{first}");
    (1..RECIPIENTS).for_each(|_| assert_eq!(lmtp.line(), first));
    assert_eq!(lmtp.line(), "250 2.0.0 Ok");
    sender.join().unwrap();
}

#[test]
fn a_message_with_unsent_replies_is_noted() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "lmtp:127.0.0.1:0", "--workers", "1"]);
    let mut lmtp = Talk(BufReader::new(common::connect(sink.addresses[0]).unwrap()));
    lmtp.line();
    assert!(lmtp.command("LHLO client.example").starts_with("250 "));
    // More replies than the sockets hold, to a client that reads none of them.
    let mut packet = Vec::new();
    for _ in 0..40 {
        packet.extend_from_slice(b"MAIL FROM:<>\r\n");
        (0..20_000).for_each(|_| packet.extend_from_slice(b"RCPT TO:<r@b>\r\n"));
        packet.extend_from_slice(b"DATA\r\nx\r\n.\r\n");
    }
    let mut socket = lmtp.0.get_ref().try_clone().unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // Sending ends when the server accepts no more, as its replies are not read. A server that is
    // merely slow has not stored a message yet.
    let has_stored = || Folder::open(data.path()).unwrap().messages() > 0;
    let mut rest = &packet[..];
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(octets) => rest = &rest[octets..],
            Err(_) if has_stored() => break,
            Err(_) => {}
        }
    }
    socket.shutdown(Shutdown::Both).unwrap();
    drop((socket, lmtp));
    assert!(sink.stop().success());
    let (out, _, _) = sinkctl(data.path(), &["ls", "--json"]);
    let text = String::from_utf8(out).unwrap();
    let last = text.lines().last().expect("at least one message was whole");
    assert!(last.contains("reply-not-sent"), "{last}");
}

#[test]
fn lmtp_is_refused_on_port_25() {
    let data = tempdir().unwrap();
    for args in [&["--check"][..], &[]] {
        let args = [args, &["--listen", "lmtp:127.0.0.1:25"]].concat();
        let error = refused(data.path(), &args);
        assert!(
            error.contains("lmtp:127.0.0.1:25: LMTP must not be offered on port 25"),
            "{error}"
        );
    }
    let file = data.path().join("sink.toml");
    std::fs::write(&file, "[[listener]]\naddress = \"[::1]:25\"\nprotocol = \"lmtp\"\n").unwrap();
    let error = refused(data.path(), &["--check", "--config", file.to_str().unwrap()]);
    assert!(error.contains("LMTP must not be offered on port 25"), "{error}");
}

#[test]
fn sessions_over_unix_sockets_are_spread_over_the_workers() {
    let (data, sockets) = (tempdir().unwrap(), folder());
    let (smtp, lmtp) = (sockets.path().join("smtp"), sockets.path().join("lmtp"));
    let listen = [format!("unix:{}", smtp.display()), format!("lmtp:unix:{}", lmtp.display())];
    let limit = ["--workers", "2", "--connections-per-client-max", "1"];
    let args = [&["--listen", &listen[0], "--listen", &listen[1]], &limit[..]].concat();
    let sink = start(data.path(), &args);
    assert_eq!(sink.announced[0], format!("SMTP on unix:{}", smtp.display()));
    assert_eq!(sink.announced[1], format!("LMTP on unix:{}", lmtp.display()));
    let mode = std::fs::metadata(&smtp).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut clients: Vec<_> = (0..20).map(|_| Talk::unix(&smtp)).collect();
    let wire = b"Subject: x\r\n\r\n..\r\n";
    for client in &mut clients {
        assert!(client.command("EHLO client.example").starts_with("250 "));
        assert!(client.deliver(2, wire).starts_with("250 2.0.0 Ok "));
    }
    let mut client = Talk::unix(&lmtp);
    assert!(client.command("LHLO client.example").starts_with("250 "));
    let first = client.deliver(2, &b"0123456789012345678901234567890\r\n".repeat(10_000));
    assert_eq!(client.line(), first);
    let id = first.rsplit(' ').next().unwrap();
    let last = shown(data.path(), id);
    assert_eq!((&last["client"], &last["protocol"]), (&"unix".into(), &"LMTP".into()));
    assert_eq!(last["listener"], format!("unix:{}", lmtp.display()));
    assert_eq!(last["size"], 330_000);
    // The session's number includes the worker's.
    let mut workers: HashMap<u64, usize> = HashMap::new();
    let (out, _, _) = sinkctl(data.path(), &["ls", "--json", "--limit", "20"]);
    for line in String::from_utf8(out).unwrap().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        *workers
            .entry(entry["session"].as_str().unwrap().parse::<u64>().unwrap() >> 40 & 0xff)
            .or_default() += 1;
    }
    assert_eq!(workers, HashMap::from([(0, 10), (1, 10)]));
    assert!(sink.stop().success());
    assert!(!smtp.exists() && !lmtp.exists(), "removed at the stop");
}

#[test]
fn the_socket_of_a_dead_sinkd_is_replaced_and_of_a_live_one_is_not() {
    let (data, other, sockets) = (tempdir().unwrap(), tempdir().unwrap(), folder());
    let path = sockets.path().join("s");
    let listen = format!("unix:{}", path.display());
    let sink = start(data.path(), &["--listen", &listen]);
    let error = refused(other.path(), &["--listen", &listen]);
    assert!(error.contains(&format!("{listen} is already in use")), "{error}");
    Talk::unix(&path).command("NOOP");
    sink.kill();
    assert!(path.exists(), "a killed sinkd leaves the socket file");
    let sink = start(data.path(), &["--listen", &listen]);
    assert!(Talk::unix(&path).command("NOOP").starts_with("250"));
    assert!(sink.stop().success());
    // A socket of another program that still runs.
    let _live = UnixListener::bind(&path).unwrap();
    let error = refused(other.path(), &["--listen", &listen]);
    assert!(error.contains(&format!("{listen} is already in use")), "{error}");
}

#[test]
fn only_sockets_are_ever_removed() {
    let (data, sockets) = (tempdir().unwrap(), folder());
    let path = sockets.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let error = refused(data.path(), &["--listen", &format!("lmtp:unix:{}", path.display())]);
    assert!(error.contains(&format!("{} is not a socket", path.display())), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    // A sinkd that can't start leaves no socket.
    let first = sockets.path().join("first");
    let (first, second) = (format!("unix:{}", first.display()), format!("unix:{}", path.display()));
    refused(data.path(), &["--listen", &first, "--listen", &second]);
    assert_eq!(std::fs::read_dir(sockets.path()).unwrap().count(), 1);
}
