//! Runs: exact totals, and claims with exit codes.
use crate::common;

use std::path::Path;

use common::{Sink, sinkctl};
use serde_json::Value;
use tempfile::tempdir;

/// Sends this number of messages of 17 octets in one session.
pub fn send(sink: &Sink, messages: usize) {
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..messages {
        client.begin("a@example.org", "b@example.org");
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
        assert_eq!(client.reply().0, 250);
    }
    assert_eq!(client.command("QUIT"), 221);
}

fn print(data: &Path, args: &[&str]) -> String {
    let (out, errors, code) = sinkctl(data, args);
    assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
    String::from_utf8(out).unwrap()
}

fn json(data: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&print(data, args)).unwrap()
}

#[test]
fn a_run_includes_exactly_the_messages_sent_during_it() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2"]);
    let data = data.path();
    send(&sink, 3);
    assert!(print(data, &["runs"]).starts_with("no runs"));
    print(data, &["run", "start", "one"]);
    send(&sink, 40);
    print(data, &["mark", "half way"]);
    // This ends the first run.
    print(data, &["run", "start", "two"]);
    send(&sink, 7);
    print(data, &["run", "stop"]);
    send(&sink, 2);

    for (run, messages) in [("one", 40), ("two", 7)] {
        let found = json(data, &["stats", "--json", "--run", run]);
        assert_eq!(found["totals"]["messages"], messages, "{run}");
        assert_eq!(found["transaction_us"]["count"], messages, "{run}");
        assert_eq!(found["not_recorded"], 0, "{run}");
        assert_eq!(print(data, &["count", "--run", run]), format!("{messages}\n"));
        let listed = print(data, &["ls", "--json", "--run", run]);
        assert_eq!(listed.lines().count() as u64, messages, "{run}");
    }
    let runs: Vec<Value> = print(data, &["runs", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = runs.iter().map(|r| (&r["name"], &r["messages"], &r["text"])).collect();
    assert_eq!(seen[0], (&"one".into(), &40.into(), &Value::Null));
    assert_eq!(seen[1], (&Value::Null, &Value::Null, &"half way".into()));
    assert_eq!(seen[2], (&"two".into(), &7.into(), &Value::Null));
    assert_eq!(print(data, &["runs"]).lines().count(), 3);

    // Removed messages were accepted all the same.
    print(data, &["rm", "--all"]);
    assert_eq!(json(data, &["stats", "--json", "--run", "one"])["totals"]["messages"], 40);
    assert_eq!(json(data, &["count", "--json", "--run", "one"])["gone"], 40);

    for (args, says) in [
        (&["run", "stop"][..], "no run is in progress"),
        (&["run", "start", "one"], "already"),
        (&["run", "start", "a/b"], "expected a run name"),
        (&["stats", "--run", "three"], "no run 'three'"),
        (&["stats", "--run", "one", "--since", "1h"], "cannot be used with"),
    ] {
        let (_, errors, code) = sinkctl(data, args);
        assert!(code == 2 && errors.contains(says), "{args:?}: {errors}");
    }
    assert!(sink.stop().success());
}

#[test]
fn the_last_run_needs_no_name() {
    let (data, other) = (tempdir().unwrap(), tempdir().unwrap());
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let (data, other) = (data.path(), other.path());
    assert!(Sink::start(other, &[]).stop().success());
    let (_, errors, code) = sinkctl(data, &["stats", "--run", "last"]);
    assert!(code == 2 && errors.contains("no run 'last'"), "{errors}");
    print(data, &["run", "start", "one"]);
    send(&sink, 3);
    print(data, &["run", "start", "two"]);
    send(&sink, 5);
    print(data, &["run", "stop"]);
    send(&sink, 2);
    let span = ["--run", "last"];
    assert_eq!(json(data, &[&["stats", "--json"], &span[..]].concat())["totals"]["messages"], 5);
    assert_eq!(print(data, &[&["count"], &span[..]].concat()), "5\n");
    assert_eq!(print(data, &[&["ls", "--json"], &span[..]].concat()).lines().count(), 5);
    assert_eq!(print(data, &[&["search", "--count"], &span[..]].concat()), "5\n");
    print(data, &[&["assert", "totals.messages == 5"], &span[..]].concat());
    assert!(print(data, &[&["report", "-o", "-"], &span[..]].concat()).contains("<dd>5<"));
    let by = json(data, &[&["stats", "--by", "client", "--json"], &span[..]].concat());
    assert_eq!(by["messages"], 5);
    // A folder without any run uses the last run of all folders.
    let (out, errors, code) = common::sinkctl_on(&[other, data], &["count", "--run", "last"]);
    assert_eq!((code, out.ends_with(b"5\n")), (0, true), "{errors}");
    // A run named `last` is selected by its name.
    print(data, &["run", "start", "last"]);
    print(data, &["run", "start", "three"]);
    assert_eq!(print(data, &[&["count"], &span[..]].concat()), "0\n");
    assert!(sink.stop().success());
}

#[test]
fn a_failed_claim_is_named_with_the_amount_it_missed_by() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    send(&sink, 20);
    assert!(sink.stop().success());
    let data = data.path();
    let good = ["totals.messages == 20", "replies.5xx == 0", "transaction.p99 <= 60s"];
    let out = print(data, &[&["assert"], &good[..]].concat());
    assert_eq!(out.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{out}");

    let (file, junit) = (data.join("claims"), data.join("junit.xml"));
    std::fs::write(&file, "# what must hold\ntotals.bytes > 1M # too much\nreplies.354 == 20\n")
        .unwrap();
    let args = ["assert", "--file", file.to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    let (out, _, code) = sinkctl(data, &args);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, 1);
    assert!(out.contains("FAILED  totals.bytes > 1M: it is 340 bytes, 99.968% below"), "{out}");
    let xml = std::fs::read_to_string(&junit).unwrap();
    let suites =
        "<testsuites tests=\"2\" failures=\"1\" errors=\"0\">\n<testsuite name=\"sinkctl assert\"";
    assert!(xml.contains(suites) && xml.contains("&gt; 1M"), "{xml}");

    for (args, says) in [
        (&["assert"][..], "expected at least one claim"),
        (&["assert", "rate.median"], "expected an operator"),
        (&["assert", "--file", "/nowhere"], "cannot be read"),
    ] {
        let (_, errors, code) = sinkctl(data, args);
        assert!(code == 2 && errors.contains(says), "{args:?}: {errors}");
    }
    std::fs::write(&file, "totals.messages > 1\nfoo > 1\n").unwrap();
    let (_, errors, code) = sinkctl(data, &args);
    assert!(code == 2 && errors.contains("claims:2: "), "{errors}");
}
