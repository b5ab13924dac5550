//! `sinkctl stats --by` over a real sinkd: the figures of each group are exact, add up to the
//! totals, and name the messages they can't include.
use crate::common;

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{Client, Sink, messages, sinkctl, sinkctl_on};
use serde_json::Value;
use tempfile::tempdir;

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];
const WIRE: &[u8] = b"Subject: x\r\n\r\nx\r\n";

fn stats_by(folders: &[&Path], what: &str, more: &[&str]) -> Value {
    let args = [&["stats", "--json", "--by", what], more].concat();
    let (out, errors, code) = sinkctl_on(folders, &args);
    assert_eq!((code, &*errors), (0, ""), "{args:?}");
    let found: Value = serde_json::from_slice(&out).unwrap();
    check_sums(&found, what);
    found
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Asserts that rows and others add up to the totals, except that by domain a message can count
/// more than once.
fn check_sums(found: &Value, what: &str) {
    assert_eq!(found["by"], what);
    let others = Some(&found["others"]).filter(|others| !others.is_null());
    let rows: Vec<&Value> = found["groups"].as_array().unwrap().iter().chain(others).collect();
    let sum = |key: &str| rows.iter().map(|row| number(&row[key])).sum::<u64>();
    assert_eq!(sum("recipients"), number(&found["recipients"]), "{found}");
    for key in ["messages", "bytes"] {
        match what {
            "rcpt-domain" => assert!(sum(key) >= number(&found[key]), "{found}"),
            _ => assert_eq!(sum(key), number(&found[key]), "{found}"),
        }
    }
    for row in rows {
        assert_eq!(row["transaction_us"]["count"], row["messages"], "{row}");
        let share = number(&row["messages"]) as f64 / number(&found["messages"]) as f64;
        assert!((row["share"].as_f64().unwrap() - share).abs() < 1e-9);
        assert!(row["messages_per_s"].as_f64().unwrap() > 0.0);
    }
}

/// Returns name, messages, recipients and octets of each row.
fn rows(found: &Value) -> Vec<(String, u64, u64, u64)> {
    let row = |row: &Value| {
        let figures = ["messages", "recipients", "bytes"].map(|key| number(&row[key]));
        (row["name"].as_str().unwrap_or_default().to_owned(), figures[0], figures[1], figures[2])
    };
    found["groups"].as_array().unwrap().iter().map(row).collect()
}

fn deliver(client: &mut Client, to: &[&str], times: usize) {
    for _ in 0..times {
        assert_eq!(client.command("MAIL FROM:<a@example.org>"), 250);
        to.iter().for_each(|to| assert_eq!(client.command(&format!("RCPT TO:<{to}>")), 250));
        assert_eq!(client.command("DATA"), 354);
        client.send(&[WIRE, b".\r\n"].concat());
        assert_eq!(client.reply().0, 250);
    }
}

/// Sends from one address, in its own session.
fn send(sink: &Sink, from: [u8; 4], listener: usize, to: &[&str], times: usize) {
    let mut client = sink.connect_from(from, listener);
    client.ehlo();
    deliver(&mut client, to, times);
    assert_eq!(client.command("QUIT"), 221);
}

fn count(folder: &Path, more: &[&str]) -> u64 {
    let (out, errors, code) = sinkctl(folder, &[&["count"], more].concat());
    assert_eq!(code, 0, "{errors}");
    String::from_utf8(out).unwrap().trim().parse().unwrap()
}

#[test]
fn groups_are_exact_and_add_up_to_the_totals() {
    let data = tempdir().unwrap();
    let place = tempfile::Builder::new().prefix("sinkd").tempdir_in("/tmp").unwrap();
    let socket = place.path().join("socket");
    let unix = format!("unix:{}", socket.display());
    let args = ["--workers", "2", "--listen", "127.0.0.1:0", "--listen", &unix];
    let sink = Sink::start(data.path(), &args);
    send(&sink, ONE, 0, &["x@a.test"], 5);
    send(&sink, TWO, 0, &["x@A.Test", "y@b.test", "z@a.TEST"], 3);
    send(&sink, TWO, 1, &["y@b.test", "postmaster"], 2);
    let mut stream = common::connect_unix(&socket).unwrap();
    let dialogue =
        "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<x@[192.0.2.1]>\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n";
    stream.write_all(dialogue.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();

    let listeners: Vec<String> = sink.addresses.iter().map(ToString::to_string).collect();
    let found = stats_by(&[data.path()], "listener", &[]);
    let row =
        |name: &str, messages, recipients, bytes| (name.to_owned(), messages, recipients, bytes);
    let all = [row(&listeners[0], 8, 14, 136), row(&listeners[1], 2, 4, 34), row(&unix, 1, 1, 2)];
    assert_eq!(rows(&found), all);
    assert_eq!(number(&found["messages"]), count(data.path(), &[]));
    assert_eq!(found["missing"]["messages"], 0);
    let found = stats_by(&[data.path()], "client", &[]);
    let all = [row("127.0.0.1", 5, 5, 85), row("127.0.0.2", 5, 13, 85), row("unix", 1, 1, 2)];
    assert_eq!(rows(&found), all);
    // A message to two domains counts once in each.
    let found = stats_by(&[data.path()], "rcpt-domain", &[]);
    let all = [
        row("a.test", 8, 11, 136),
        row("b.test", 5, 5, 85),
        row("", 2, 2, 34),
        row("[192.0.2.1]", 1, 1, 2),
    ];
    assert_eq!(rows(&found), all);
    assert_eq!(found["messages"], 11);
    let found = stats_by(&[data.path()], "rcpt-domain", &["--top", "1"]);
    assert_eq!(rows(&found).len(), 1);
    let others = &found["others"];
    assert_eq!((&others["groups"], &others["messages_max"]), (&3.into(), &5.into()));
    assert_eq!(others["messages"], 8);
    assert!(sink.stop().success());
}

#[test]
fn messages_without_an_envelope_are_reported() {
    let data = tempdir().unwrap();
    let rules = ["headers.test=headers", "envelope.test=envelope", "none.test=none"];
    let rules: Vec<&str> = rules.iter().flat_map(|rule| ["--store-rule", rule]).collect();
    let sink = Sink::start(data.path(), &[&["--workers", "1"], &rules[..]].concat());
    let folder = data.path();
    for domain in ["full.test", "headers.test", "envelope.test", "none.test"] {
        send(&sink, ONE, 0, &[&format!("x@{domain}")], 4);
    }
    let missing = |reasons: [u64; 3]| {
        let found = stats_by(&[folder], "rcpt-domain", &[]);
        let keys = ["only_counted", "removed", "pruned"];
        assert_eq!(keys.map(|key| number(&found["missing"][key])), reasons, "{found}");
        let all = number(&found["missing"]["messages"]);
        assert_eq!(all, reasons.iter().sum::<u64>());
        assert_eq!(number(&found["messages"]) + all, 16);
        assert_eq!(
            number(&found["messages"]) + number(&found["missing"]["only_counted"]),
            count(folder, &[])
        );
        found
    };
    let found = missing([4, 0, 0]);
    assert_eq!(rows(&found).iter().map(|row| row.3).collect::<Vec<_>>(), [4 * 17; 3]);
    let (out, _, _) = sinkctl(folder, &["stats", "--by", "client"]);
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with("\n4 messages are not in this table: 4 only counted\n"), "{out}");
    let first = messages(folder)[0].0.id().to_string();
    assert_eq!(sinkctl(folder, &["rm", &first]).2, 0);
    missing([4, 1, 0]);
    assert_eq!(sinkctl(folder, &["rm", "--all"]).2, 0);
    let found = missing([0, 16, 0]);
    assert!(found["from"].is_null() && rows(&found).is_empty());
    assert!(sink.stop().success());
    assert_eq!(sinkctl(folder, &["prune", "--removed"]).2, 0);
    missing([0, 0, 16]);
    let (out, _, _) = sinkctl(folder, &["stats", "--by", "client"]);
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("the log has no message here\n16 messages are not"), "{out}");
}

#[test]
fn only_statistics_show_what_is_missing_from_a_run() {
    for stats in ["on", "off"] {
        let data = tempdir().unwrap();
        let args = ["--stats", stats, "--store-rule", "none.test=none"];
        let sink = Sink::start(data.path(), &args);
        send(&sink, ONE, 0, &["x@a.test"], 2);
        assert_eq!(sinkctl(data.path(), &["run", "start", "one"]).2, 0);
        send(&sink, ONE, 0, &["x@b.test"], 3);
        let run = ["--run", "one"];
        let found = stats_by(&[data.path()], "rcpt-domain", &run);
        // No message is missing from this folder, which is known without statistics.
        assert_eq!((&found["messages"], &found["missing"]["messages"]), (&3.into(), &0.into()));
        send(&sink, TWO, 0, &["x@none.test"], 1);
        assert_eq!(sinkctl(data.path(), &["run", "start", "two"]).2, 0);
        send(&sink, TWO, 0, &["x@none.test"], 4);
        send(&sink, ONE, 0, &["x@b.test"], 3);
        assert_eq!(sinkctl(data.path(), &["run", "stop"]).2, 0);
        send(&sink, ONE, 0, &["x@a.test"], 2);
        let run = ["--run", "two"];
        let found = stats_by(&[data.path()], "client", &run);
        assert_eq!(number(&found["messages"]), count(data.path(), &run));
        let missing = &found["missing"];
        assert!(missing["only_counted"].is_null() && missing["pruned"].is_null(), "{missing}");
        match stats {
            // This includes the messages of the last full second, which is not written yet.
            "on" => assert_eq!(missing["messages"], 4),
            _ => assert!(missing["messages"].is_null(), "{missing}"),
        }
        assert!(sink.stop().success());
    }
}

#[test]
fn several_folders_are_counted_as_one() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    for (data, times) in [(&one, 2), (&two, 3)] {
        let sink = Sink::start(data.path(), &["--workers", "2"]);
        send(&sink, ONE, 0, &["x@a.test"], times);
        send(&sink, TWO, 0, &["x@b.test", "x@a.test"], 1);
        assert!(sink.stop().success());
    }
    let found = stats_by(&[one.path(), two.path()], "rcpt-domain", &[]);
    let all = [("a.test".to_owned(), 7, 7, 119), ("b.test".to_owned(), 2, 2, 34)];
    assert_eq!((rows(&found), &found["messages"]), (all.to_vec(), &7.into()));
    assert_eq!(rows(&stats_by(&[one.path(), two.path()], "client", &[])).len(), 2);
    assert_eq!(rows(&stats_by(&[one.path(), two.path()], "listener", &[])).len(), 2);
}

/// More names than the times of one pass cover: the shown ones are counted again, and nothing is
/// lost.
#[test]
fn six_hundred_domains_are_exact() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2"]);
    let many: Vec<String> = (0..600).map(|n| format!("x@d{n}.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    send(&sink, ONE, 0, &many, 2);
    send(&sink, ONE, 0, &["x@often.test"], 5);
    assert!(sink.stop().success());
    let found = stats_by(&[data.path()], "rcpt-domain", &["--top", "1"]);
    assert_eq!(rows(&found), [("often.test".to_owned(), 5, 5, 85)]);
    let others = &found["others"];
    assert_eq!((&others["groups"], &others["messages_max"]), (&600.into(), &2.into()));
    assert_eq!((&others["messages"], &others["recipients"]), (&1200.into(), &1200.into()));
}

#[test]
fn a_damaged_envelope_is_reported_as_missing() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--store-rule", "e.test=envelope"]);
    send(&sink, ONE, 0, &["x@a.test"], 3);
    send(&sink, ONE, 0, &["x@e.test"], 1);
    assert!(sink.stop().success());
    let slots: Vec<_> = messages(data.path()).into_iter().map(|(slot, _)| slot).collect();
    let path = data.path().join("segments").join(format!("{:08}.seg", slots[0].id().segment));
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    // An unknown version; and where no payload follows, any changed octet fails the checksum.
    file.write_all_at(&[77], slots[0].record_offset() + 5).unwrap();
    let end = slots[3].record_offset() + u64::from(slots[3].envelope_bytes());
    file.write_all_at(b"X", end - 1).unwrap();
    let (out, _, code) = sinkctl(data.path(), &["stats", "--by", "rcpt-domain"]);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, 1);
    assert!(out.contains("2 messages are not in this table: 2 damaged (see verify)"), "{out}");
}

#[test]
fn every_form_is_printed_and_invalid_combinations_are_refused() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--listen", "127.0.0.1:0"]);
    let folder = data.path();
    for times in [0, 2] {
        send(&sink, ONE, 0, &["x@a.test", "x@b.test"], times);
        for args in [&["--json"][..], &["--csv"], &[], &["--since", "1h"], &["--top", "500"]] {
            let args = [&["stats", "--by", "rcpt-domain"], args].concat();
            let (out, errors, code) = sinkctl(folder, &args);
            assert_eq!((code, &*errors), (0, ""), "{args:?}");
            assert!(!String::from_utf8(out).unwrap().contains("NaN"), "{args:?}");
        }
    }
    let (out, _, _) = sinkctl(folder, &["stats", "--by", "rcpt-domain", "--csv", "--top", "1"]);
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0].split(',').count(), 14);
    assert!(lines[1].starts_with("group,a.test,2,2,34,"), "{out}");
    assert!(lines[2].starts_with("others,,2,2,34,"), "{out}");
    assert!(lines.iter().all(|line| line.split(',').count() == 14), "{out}");
    let (out, _, _) = sinkctl(folder, &["stats", "--by", "rcpt-domain", "--top", "1"]);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("a message counts once in each domain"), "{out}");
    assert!(out.contains(" 1 other "), "{out}");
    assert!(sink.stop().success());
    for args in [
        &["--by", "sender"][..],
        &["--by", "client", "--top", "0"],
        &["--by", "client", "--top", "501"],
        &["--top", "5"],
        &["--by", "client", "--metric", "transaction_us"],
        &["--by", "client", "--interval", "1s"],
        &["--by", "client", "--prometheus"],
    ] {
        let (_, errors, code) = sinkctl(folder, &[&["stats"], args].concat());
        assert!(code == 2 && !errors.is_empty(), "{args:?}");
    }
}
