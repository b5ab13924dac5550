//! Senders that deviate from the grammar: what is tolerated is stored as sent, and reported
//! everywhere.
use crate::common;

use std::process::Stdio;

use common::{Client, Sink, sinkctl};
use serde_json::Value;
use tempfile::tempdir;

const WIRE: &[u8] = b"Subject: x\r\n\r\nx\r\n.\r\n";

/// Sends a command of any octets; returns the code of the reply.
fn send_command(client: &mut Client, octets: &[u8]) -> u16 {
    client.send(&[octets, b"\r\n"].concat());
    client.reply().0
}

/// Sends from two clients. The second has another address and breaks no rule.
fn two_senders(sink: &Sink) {
    let mut odd = sink.connect_from([127, 0, 0, 2], 0);
    assert_eq!(send_command(&mut odd, b"EHLO M\xdcLLER PC"), 250);
    for line in [
        &b"MAIL FROM: craig@my_shop.example. SIZE=20 AUTH=<>"[..],
        b"RCPT TO:\t<root>",
        b"RCPT TO:<a..b@docomo.example>",
        "RCPT TO:<пров@тест.example>".as_bytes(),
    ] {
        assert_eq!(send_command(&mut odd, line), 250, "{}", line.escape_ascii());
    }
    assert_eq!(send_command(&mut odd, b"DATA"), 354);
    odd.send(WIRE);
    assert_eq!(odd.reply().0, 250);
    assert_eq!(send_command(&mut odd, b"RCPT TO:<\xff@x.example>"), 501);
    assert_eq!(odd.command("QUIT"), 221);
    let mut plain = sink.connect();
    plain.ehlo();
    plain.deliver("a@example.org", "b@example.org", b"Subject: y\r\n\r\ny\r\n");
    assert_eq!(plain.command("QUIT"), 221);
}

fn json(data: &std::path::Path, args: &[&str]) -> Vec<Value> {
    let (out, errors, code) = sinkctl(data, args);
    assert_eq!((code, &*errors), (0, ""), "{args:?}");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const KINDS: [&str; 9] = [
    "underscore",
    "trailing-dot",
    "hello-name",
    "blanks",
    "auth-parameter",
    "non-ascii",
    "no-brackets",
    "no-domain",
    "dots",
];

#[test]
fn each_tolerated_deviation_is_shown_with_its_message_its_client_and_its_run() {
    let (data, transcripts) = (tempdir().unwrap(), tempdir().unwrap());
    let folder = transcripts.path().to_str().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--transcript", folder]);
    two_senders(&sink);
    assert!(sink.stop().success());

    let rows = json(data.path(), &["ls", "--json"]);
    assert_eq!(rows[0]["deviations"], serde_json::json!(KINDS));
    assert_eq!(rows[0]["mail_from"], "craig@my_shop.example.");
    let to = serde_json::json!(["root", "a..b@docomo.example", "пров@тест.example"]);
    assert_eq!(rows[0]["rcpt_to"], to);
    assert_eq!(rows[1]["deviations"], serde_json::json!([]));
    let shown = json(data.path(), &["show", rows[0]["id"].as_str().unwrap(), "--json"]);
    assert_eq!(shown[0]["helo"], "M\\xdcLLER PC");
    assert_eq!(shown[0]["mail_parameters"], "SIZE=20 AUTH=<>");
    let (text, ..) = sinkctl(data.path(), &["show", rows[0]["id"].as_str().unwrap()]);
    let line = format!("tolerated     {}\n", KINDS.join(", "));
    assert!(String::from_utf8_lossy(&text).contains(&line));

    let stats = &json(data.path(), &["stats", "--json"])[0]["counters"];
    for kind in KINDS {
        assert_eq!(stats[format!("tolerated_{}", kind.replace('-', "_"))], 1, "{kind}");
    }
    let (text, ..) = sinkctl(data.path(), &["stats"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\ntolerated  underscore x1; trailing-dot x1; "), "{text}");
    let line = |line: &&str| line.contains(" x1;") && !line.contains("replies");
    assert!(text.contains(" no-domain x1;") && text.contains(" dots x1\n"), "{text}");
    assert!(text.lines().filter(line).all(|line| line.chars().count() <= 80), "{text}");
    let (text, ..) = sinkctl(data.path(), &["stats", "--prometheus"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("sinkd_tolerated_total{kind=\"no-brackets\"} 1\n"), "{text}");

    let by = &json(data.path(), &["stats", "--by", "client", "--json"])[0]["groups"];
    let of = |name: &str| by.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(of("127.0.0.2")["deviations"].as_object().unwrap().len(), KINDS.len());
    assert_eq!(of("127.0.0.1")["deviations"], serde_json::json!({}));
    let (text, ..) = sinkctl(data.path(), &["stats", "--by", "client"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\ntolerated, 127.0.0.2 (messages): auth-parameter x1; "), "{text}");
    assert!(!text.contains("tolerated, 127.0.0.1"), "{text}");
    check_transcripts(transcripts.path());
}

fn check_transcripts(folder: &std::path::Path) {
    let mut told = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.get(9..).unwrap_or(line)).collect();
        for pair in lines.windows(2) {
            let expected = match pair[0] {
                "C: EHLO M\\xdcLLER PC" => "-- tolerated: hello-name",
                "C: RCPT TO:<a..b@docomo.example>" => "-- tolerated: dots",
                "C: RCPT TO:\\x09<root>" => "-- tolerated: blanks, no-domain",
                _ => continue,
            };
            assert_eq!(pair[1], expected, "{text}");
            told += 1;
        }
    }
    assert_eq!(told, 3);
}

#[test]
fn strict_syntax_refuses_deviations_and_reports_none() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--syntax", "strict"]);
    let mut client = sink.connect();
    assert_eq!(send_command(&mut client, b"EHLO M\xdcLLER"), 501);
    client.ehlo();
    for (line, code) in [
        (&b"MAIL FROM: craig@shop.example"[..], 501),
        (b"MAIL FROM:<a@my_host>", 501),
        (b"MAIL FROM:<a@b.example> AUTH=<>", 555),
        ("MAIL FROM:<пров@тест.example>".as_bytes(), 553),
        (b"MAIL FROM:\t<a@b.example>", 500),
    ] {
        assert_eq!(send_command(&mut client, line), code, "{}", line.escape_ascii());
    }
    client.deliver("a@example.org", "b@example.org", b"Subject: y\r\n\r\ny\r\n");
    assert_eq!(client.command("QUIT"), 221);
    assert!(sink.stop().success());
    let (text, ..) = sinkctl(data.path(), &["stats"]);
    assert!(!String::from_utf8(text).unwrap().contains("tolerated"));
}

#[test]
fn a_low_limit_on_recipients_is_a_warning_that_cites_the_rfc() {
    let data = tempdir().unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--check", "--recipients-max", "1", "--data"]).arg(data.path());
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success());
    assert!(said.contains("recipients_max is 1: RFC 5321 section 4.5.3.1.8"), "{said}");

    let sink = Sink::start(data.path(), &["--recipients-max", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    assert_eq!(client.command("MAIL FROM:<a@example.org>"), 250);
    assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
    assert_eq!(client.command("RCPT TO:<c@example.org>"), 452);
    assert!(sink.stop().success());
}
