//! `sinkctl replay` from one sinkd to another: what arrives, what is refused, and what is reported.
use crate::common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use common::{Sink, messages, sinkctl};
use sinkd::log::reader::Folder;
use sinkd::smtp::envelope::decode;

/// Two sessions of three messages each: with dots, empty, and one sent by BDAT without a final line
/// end.
fn fill(data: &Path) {
    let sink = Sink::start(data, &[]);
    for session in 0..2 {
        let mut client = sink.connect();
        client.ehlo();
        let (from, to) = (format!("s{session}@a.test"), format!("r{session}@b.test"));
        client.deliver(&from, &to, b"Subject: 1\r\n\r\n..dot\r\n...two\r\n");
        client.deliver("", &to, b"");
        assert_eq!(client.command("MAIL FROM:<s@a.test> BODY=BINARYMIME SIZE=9"), 250);
        assert_eq!(client.command("RCPT TO:<one@b.test> NOTIFY=NEVER"), 250);
        assert_eq!(client.command("RCPT TO:<two@c.test>"), 250);
        client.send(b"BDAT 9 LAST\r\n.\0\n.\r\n.\r\r");
        assert_eq!(client.reply().0, 250);
        assert_eq!(client.command("QUIT"), 221);
    }
    assert!(sink.stop().success());
}

/// Counts each envelope with its content in wire form.
fn contents(data: &Path) -> BTreeMap<(String, Vec<u8>), usize> {
    let folder = Folder::open(data).unwrap();
    let mut all = BTreeMap::new();
    for (slot, payload) in messages(data) {
        let (segment, _) = folder.find(slot.id()).unwrap();
        let mut buffer = Vec::new();
        let envelope = decode(segment.envelope(&slot, &mut buffer).unwrap()).unwrap();
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let parameters: Vec<String> = text(envelope.mail_params)
            .split(' ')
            .filter(|parameter| !parameter.starts_with("SIZE="))
            .map(str::to_owned)
            .collect();
        let mut line = format!("{} {}", text(envelope.mail_from), parameters.join(" "));
        for recipient in envelope.recipients() {
            line.push_str(&format!(" {} {}", text(recipient.path), text(recipient.params)));
        }
        *all.entry((line, payload)).or_default() += 1;
    }
    all
}

fn target(sink: &Sink) -> String {
    sink.addresses[0].to_string()
}

#[test]
fn stored_messages_arrive_unchanged() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(here.path());
    let expected = contents(here.path());
    assert_eq!(expected.values().sum::<usize>(), 6);
    for (times, args) in [
        (1, &[][..]),
        (2, &["--speed", "max"]),
        (3, &["--speed", "0.9", "--connections", "2"]),
        (4, &["--rate", "1000", "--connections", "original"]),
    ] {
        let sink = Sink::start(there.path(), &[]);
        let to = target(&sink);
        let all = [&["replay", "--to", &to, "--json"], args].concat();
        let (out, errors, code) = sinkctl(here.path(), &all);
        assert_eq!(code, 0, "{args:?}: {errors}");
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["replay"]["accepted"], 6);
        assert_eq!(report["replay"]["recipients_accepted"], 8);
        assert!(sink.stop().success());
        let got = contents(there.path());
        let wanted: BTreeMap<_, _> =
            expected.iter().map(|(content, count)| (content.clone(), count * times)).collect();
        assert_eq!(got, wanted, "{args:?}");
    }
}

#[test]
fn the_source_folder_is_not_written_to() {
    let data = tempfile::tempdir().unwrap();
    let socket = data.path().join("sink socket");
    let unix = format!("unix:{}", socket.display());
    fill(data.path());
    let sink = Sink::start(data.path(), &["--listen", &unix]);
    let tcp = target(&sink);
    let any = tcp.replace("127.0.0.1", "0.0.0.0");
    for to in [&tcp, &any, &unix] {
        let (_, errors, code) = sinkctl(data.path(), &["replay", "--to", to]);
        assert_eq!(code, 2, "{to}: {errors}");
        assert!(errors.contains("would be stored there again"), "{to}: {errors}");
    }
    assert!(sink.stop().success());
    assert_eq!(messages(data.path()).len(), 6);
}

#[test]
fn a_resumed_replay_skips_finished_messages() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(here.path());
    let resume = there.path().join("resume");
    let resume = resume.to_str().unwrap();
    let sink = Sink::start(there.path(), &[]);
    let to = target(&sink);
    let args = ["replay", "--to", &to, "--speed", "max", "--resume", resume, "--json"];
    for (accepted, before) in [(6, 0), (0, 6)] {
        let (out, errors, code) = sinkctl(here.path(), &args);
        assert_eq!(code, 0, "{errors}");
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["replay"]["accepted"], accepted, "{report}");
        assert_eq!(report["replay"]["finished_earlier"], before, "{report}");
    }
    let (_, errors, code) = sinkctl(here.path(), &[&args[..], &["from:s0@a.test"]].concat());
    assert_eq!(code, 2);
    assert!(errors.contains("in which 'query' is ''"), "{errors}");
    assert!(sink.stop().success());
    assert_eq!(messages(there.path()).len(), 6);
}

/// A server that answers the first `times` messages with 451, then accepts all. It ends with the
/// test.
fn deferring(times: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut messages = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            stream.write_all(b"220 hello\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let reply = match line.as_str() {
                    "DATA" => {
                        stream.write_all(b"354 go on\r\n").unwrap();
                        lines.find(|line| line.as_ref().is_ok_and(|line| line == "."));
                        messages += 1;
                        if messages <= times { "451 later\r\n" } else { "250 taken\r\n" }
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                stream.write_all(reply.as_bytes()).unwrap();
            }
        }
    });
    address
}

#[test]
fn the_report_counts_messages_not_attempts() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    for subject in ["Subject: 1\r\n", "Subject: 2\r\n", "Subject: 3\r\n"] {
        client.deliver("s@a.test", "r@b.test", subject.as_bytes());
    }
    assert!(sink.stop().success());
    for (deferred, retry, code, expected) in [
        (0, "1", 0, "3 of 3 messages accepted\n"),
        (2, "1", 0, "3 of 3 messages accepted\n2 tries beyond the first of each"),
        (1, "9", 0, "3 of 3 messages accepted\n1 try beyond the first of each"),
        (1, "0", 1, "2 of 3 messages accepted; 1 deferred\n"),
    ] {
        let to = deferring(deferred).to_string();
        // Over one connection, as the server handles one at a time.
        let args = ["replay", "--to", &to, "--speed", "max", "--connections", "1"];
        let args = [&args[..], &["--retry", retry, "--retry-after", "1ms"]].concat();
        let (out, errors, got) = sinkctl(data.path(), &args);
        // Failures follow the first line with counts.
        let output = String::from_utf8(out).unwrap();
        let kept = output.lines().filter(|line| !line.starts_with("failed"));
        let output: String = kept.flat_map(|line| [line, "\n"]).collect();
        assert!(got == code && output.contains(expected), "{deferred} {retry}: {output}{errors}");
    }
}

#[track_caller]
fn check(data: &Path, args: &[&str], code: i32, expected: &str) {
    let (out, errors, got) = sinkctl(data, &[&["replay"], args].concat());
    let output = format!("{}{errors}", String::from_utf8_lossy(&out));
    assert_eq!(got, code, "{args:?}: {output}");
    assert!(output.contains(expected), "{args:?}: {output}");
}

#[test]
fn invalid_options_are_refused() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    let list = data.path().join("list");
    std::fs::write(&list, "1:0\nx\n").unwrap();
    let list = list.to_str().unwrap();
    let to = ["--to", "127.0.0.1:1"];
    let with = |more: &[&'static str]| [&to[..], more].concat();
    let data = data.path();
    check(data, &["--to", "127.0.0.1"], 2, "expected HOST:PORT");
    check(data, &["--to", "8.8.8.8:25"], 2, "--allow-public 8.8.8.8");
    check(
        data,
        &["--to", "8.8.8.8:25", "--allow-public", "mx.test"],
        2,
        "use the same host in both",
    );
    check(data, &with(&["--mark", "X=a\nBcc: b"]), 2, "printable ASCII");
    check(data, &with(&["--to-domain", "a b"]), 2, "expected a domain such as example.com");
    check(data, &with(&["--speed", "0"]), 2, "expected a factor");
    check(data, &with(&["--rate", "5", "--speed", "2"]), 2, "cannot be used with");
    check(data, &[&to[..], &["--ids", list]].concat(), 2, "list:2: 'x': expected a message ID");
    check(data, &[&to[..], &["--map-recipients", list]].concat(), 2, "list:1: expected two values");
    let ids = format!("{},77:7", messages(data)[0].0.id());
    check(data, &[&to[..], &["--ids", &ids, "--dry-run"]].concat(), 0, "1 message, 1 recipient");
    check(data, &with(&["--dry-run", "from:s0@a.test"]), 0, "1 message, 1 recipient");
    check(data, &with(&["--dry-run", "--since", "1h"]), 0, "6 messages, 8 recipients");
}
