//! Transit time: the time at which a header field says that a message was sent, compared with its
//! arrival. No message is left out silently.
use crate::common;
use crate::output::{Output, run};

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Client, Sink};
use serde_json::Value;
use sinkd::index::{IndexEntry, Sidecar};
use sinkd::log::MessageId;
use sinkd::log::reader::Folder;
use sinkd::mime::sent_time::SentTime;
use tempfile::tempdir;

/// Returns the Unix time in ms of some seconds ago; negative for the future.
fn ms_ago(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_millis() as i64 - 1000 * seconds).to_string()
}

fn deliver(client: &mut Client, to: &str, field: &str) {
    client.deliver("a@s.test", to, format!("{field}Subject: x\r\n\r\nX-Sent: 1\r\n").as_bytes());
}

/// Sends five messages to `slow.test`, two of them without a time, and two to `fast.test`, one of
/// which arrives before it was sent.
fn send(sink: &Sink) {
    let mut client = sink.connect();
    client.ehlo();
    deliver(&mut client, "b@slow.test", &format!("X-Sent: {}\r\n", ms_ago(100)));
    deliver(&mut client, "b@slow.test", &format!("x-sent:\r\n {} \r\n", ms_ago(200)));
    // The first field counts.
    let two = format!("X-Sent: {}\r\nX-Sent: {}\r\n", &ms_ago(300)[..10], ms_ago(7));
    deliver(&mut client, "b@slow.test", &two);
    deliver(&mut client, "b@slow.test", "");
    deliver(&mut client, "b@Slow.test", "X-Sent: yesterday\r\n");
    deliver(&mut client, "b@fast.test", &format!("X-Sent: {}\r\n", ms_ago(0)));
    deliver(&mut client, "b@fast.test", &format!("X-Sent: {}\r\n", ms_ago(-3600)));
}

/// Asserts that a duration in µs is as expected, with a tolerance for a busy machine.
#[track_caller]
fn about(us: &Value, seconds: u64) {
    let us = us.as_u64().unwrap();
    let expected = Duration::from_secs(seconds).as_micros() as u64;
    assert!((expected * 98 / 100..expected + 60_000_000).contains(&us), "{us} us: {seconds} s");
}

#[test]
fn transit_is_arrival_minus_sent_and_every_message_is_accounted_for() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    send(&sink);
    assert!(sink.stop().success());
    let Output { stdout, stderr, code } =
        run(data.path(), &["stats", "--json", "--sent-field", "x-SENT"]);
    assert_eq!((code, &*stderr), (0, ""));
    let all: Value = serde_json::from_str(&stdout).unwrap();
    let transit = &all["transit"];
    assert_eq!(transit["field"], "x-SENT");
    let counts = ["without_field", "unreadable", "not_stored", "missing", "negative"];
    assert_eq!(counts.map(|key| transit[key].as_u64().unwrap()), [1, 1, 0, 0, 1], "{transit}");
    assert_eq!(transit["transit_us"]["count"], 5);
    // The message from the future counts as 0.
    about(&transit["transit_us"]["p50"], 100);
    about(&transit["transit_us"]["max"], 300);
    assert_eq!(transit["resolution_ms"], 1000);
    let before = transit["negative_max_us"].as_u64().unwrap();
    assert!((3_000_000_000..=3_600_000_000).contains(&before), "{before}");

    let Output { stdout: screen, .. } = run(data.path(), &["stats", "--sent-field", "X-Sent"]);
    for says in [
        "arrival minus X-Sent, of 5 messages; resolution 1 s",
        "left out: 1 without the field, 1 with a value that is not a time",
        "1 message arrived before being sent, by up to ",
    ] {
        assert!(screen.contains(says), "{says}: {screen}");
    }
    let Output { stdout: csv, .. } =
        run(data.path(), &["stats", "--csv", "--sent-field", "X-Sent"]);
    assert!(csv.contains("\ntransit_us,5,"), "{csv}");
    let Output { stdout: plain, .. } = run(data.path(), &["stats", "--json"]);
    let plain: Value = serde_json::from_str(&plain).unwrap();
    assert!(plain["transit"].is_null() && plain.as_object().unwrap().contains_key("transit"));
}

#[test]
fn each_recipient_domain_has_its_own_transit_times() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    send(&sink);
    assert!(sink.stop().success());
    let by = ["stats", "--by", "rcpt-domain", "--sent-field", "X-Sent"];
    let Output { stdout, stderr, code } = run(data.path(), &[&by[..], &["--json"]].concat());
    assert_eq!((code, &*stderr), (0, ""));
    let table: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(table["transit"]["transit_us"]["count"], 5);
    let groups = table["groups"].as_array().unwrap();
    let row = |n: usize| {
        let transit = &groups[n]["transit"];
        let keys = ["without_field", "unreadable", "negative"];
        let counts = keys.map(|key| transit[key].as_u64().unwrap());
        (groups[n]["name"].as_str().unwrap(), &transit["transit_us"], counts)
    };
    let (name, slow, counts) = row(0);
    assert_eq!((name, slow["count"].as_u64(), counts), ("slow.test", Some(3), [1, 1, 0]));
    about(&slow["p50"], 200);
    let (name, fast, counts) = row(1);
    assert_eq!((name, fast["count"].as_u64(), counts), ("fast.test", Some(2), [0, 0, 1]));
    about(&fast["max"], 0);
    let Output { stdout: text, .. } = run(data.path(), &by);
    assert!(text.contains("p50 to max: transit times"), "{text}");
    let Output { stdout: csv, .. } = run(data.path(), &[&by[..], &["--csv"]].concat());
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [25; 3], "{csv}");

    let page = data.path().join("page.html");
    let report = ["report", "-o", page.to_str().unwrap(), "--sent-field", "X-Sent"];
    assert_eq!(run(data.path(), &report).code, 0);
    let page = std::fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once("<h2>Transit times</h2>").unwrap();
    let (section, _) = after.split_once("</section>").unwrap();
    assert!(section.contains("all messages") && section.contains("slow.test"), "{section}");
}

#[test]
fn no_claim_about_transit_holds_without_a_trusted_time() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    send(&sink);
    assert!(sink.stop().success());
    let check = |field: &[&str], claim: &str| {
        let Output { stdout, stderr, code } =
            run(data.path(), &[&["assert", claim], field].concat());
        (format!("{stdout}{stderr}"), code)
    };
    let by = |name: &'static str| ["--sent-field", name];
    for (field, claim, says) in [
        ("X-None", "transit.p99 <= 1s", "no message has a time in X-None: 7 without the field"),
        ("Subject", "transit.max < 1s", "Subject: 7 with a value that is not a time"),
        ("X-None", "transit.negative == 0", "no message has a time in X-None"),
        ("X-Sent", "transit.p50 >= 1s", "clocks differ: 1 message arrived before being sent"),
        ("X-Sent", "transit.without_field == 0", "it is 1"),
    ] {
        let (text, code) = check(&by(field), claim);
        assert!(code == 1 && text.contains(says), "{claim}: {code} {text}");
    }
    for claim in ["transit.count == 5", "transit.negative == 1", "transit.unreadable == 1"] {
        let (text, code) = check(&by("X-Sent"), claim);
        let left_out = "(left out: 1 without the field, 1 with a value that is not a time)";
        assert!(code == 0 && text.contains(left_out), "{claim}: {text}");
    }
    let (text, code) = check(&[], "transit.p99 <= 1s");
    assert!(code == 2 && text.contains("--sent-field"), "{text}");
}

#[test]
fn messages_whose_header_was_not_stored_are_counted() {
    let data = tempdir().unwrap();
    let mut stored = 0;
    for (mode, sent) in [("headers", 2), ("envelope", 3), ("none", 4)] {
        let sink = Sink::start(data.path(), &["--store", mode]);
        let mut client = sink.connect();
        client.ehlo();
        for _ in 0..sent {
            deliver(&mut client, "b@c.test", &format!("X-Sent: {}\r\n", ms_ago(50)));
        }
        stored += sent;
        assert!(sink.stop().success());
    }
    let Output { stdout, stderr, code } =
        run(data.path(), &["stats", "--json", "--sent-field", "X-Sent"]);
    assert_eq!((code, &*stderr), (0, ""));
    let all: Value = serde_json::from_str(&stdout).unwrap();
    let transit = &all["transit"];
    assert_eq!(all["totals"]["messages"], stored);
    assert_eq!(transit["transit_us"]["count"], 2, "{transit}");
    assert_eq!((&transit["not_stored"], &transit["missing"]), (&3.into(), &4.into()));
    let claim = ["assert", "--sent-field", "X-Sent", "transit.p99 >= 40s"];
    let Output { stdout: text, code, .. } = run(data.path(), &claim);
    let says = "(left out: 3 whose header was not stored, 4 no longer in the log, damaged, or \
        only counted)";
    assert!(code == 0 && text.contains(says), "{text}");
}

/// Returns the sent time of each message according to the index.
fn indexed_sent_times(data: &Path) -> HashMap<MessageId, SentTime> {
    let Output { stderr, code, .. } = run(data, &["reindex"]);
    assert_eq!(code, 0, "{stderr}");
    let mut times = HashMap::new();
    for summary in Folder::open(data).unwrap().segments() {
        let segment = summary.identity.number;
        let Some(sidecar) = Sidecar::read(data, &summary.identity).unwrap() else { continue };
        let sidecar = sidecar.unwrap();
        let sent = |it: IndexEntry<'_>| (MessageId { segment, slot: it.slot }, it.columns.sent);
        times.extend(sidecar.backward().map(sent));
    }
    times
}

#[test]
fn each_message_of_blast_has_its_start_time() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let template = data.path().join("template.eml");
    std::fs::write(&template, "Subject: {{seq}}\n\n{{uuid}}\n").unwrap();
    let to = sink.addresses[0].to_string();
    let before = ms_ago(0);
    for more in [&[][..], &["--template", template.to_str().unwrap()], &["--rate", "200"]] {
        let blast = ["blast", "--to", &to, "--count", "50", "--connections", "2"];
        let Output { stderr, code, .. } = run(data.path(), &[&blast[..], more].concat());
        assert_eq!(code, 0, "{stderr}");
    }
    let after = ms_ago(0);
    assert!(sink.stop().success());
    let indexed = indexed_sent_times(data.path());
    assert_eq!(indexed.len(), 150);
    for (slot, wire) in common::messages(data.path()) {
        let field = wire.strip_prefix(b"X-Sent: ").unwrap();
        let sent = str::from_utf8(&field[..13]).unwrap();
        // The clocks of two processes, each of which was set from the system clock at its start.
        let leeway = |ms: &str, more: i64| ms.parse::<i64>().unwrap() + more;
        let sent_ms: i64 = sent.parse().unwrap();
        assert!((leeway(&before, -500)..leeway(&after, 500)).contains(&sent_ms), "{sent}");
        let at = SentTime::At(sent_ms as u64 * 1_000_000);
        assert_eq!(indexed[&slot.id()], at, "the index has it, too");
    }
    let claims = ["transit.count == 150", "transit.without_field == 0", "transit.max <= 60s"];
    let Output { stdout: text, stderr, code } =
        run(data.path(), &[&["assert", "--sent-field", "X-Sent"], &claims[..]].concat());
    assert_eq!(code, 0, "{text}{stderr}");
}
