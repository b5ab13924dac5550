//! Folders written by earlier versions (`tests/folders`, by date) give the same output as before.
use crate::common::{Sink, sinkctl, until_some};

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Copies a folder, as reading may write to it: four messages, of which 1:1 was removed.
fn folder(date: &str) -> TempDir {
    let place = tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders").join(date);
    copy(&from, place.path());
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to)
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn text(data: &Path, args: &[&str]) -> String {
    let (out, errors, code) = sinkctl(data, args);
    assert_eq!((errors.as_str(), code), ("", 0), "{args:?}");
    String::from_utf8(out).unwrap()
}

fn rows(data: &Path) -> Vec<Value> {
    listed(data).0
}

/// Returns the rows of `ls`, and what it reports on stderr.
fn listed(data: &Path) -> (Vec<Value>, String) {
    let (out, errors, code) = sinkctl(data, &["ls", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let lines = String::from_utf8(out).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), errors)
}

#[test]
fn a_folder_of_an_earlier_version_reads_as_before() {
    let data = folder("2026-11-29");
    let (rows, errors) = listed(data.path());
    assert_eq!(errors, NOT_SHOWN);
    let of = |key: &str| rows.iter().map(|row| row[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("id"), ["1:0", "1:2", "1:3"]);
    assert_eq!(of("subject"), vec![Value::Null; 3], "of an index of another version");
    assert_eq!(of("client")[0].as_str().unwrap().split(':').next(), Some("127.0.0.1"));
    let (smtp, lmtp) = ("127.0.0.1:36111", "127.0.0.1:36112");
    assert_eq!(of("listener"), [smtp, smtp, lmtp], "the address, as there were no names");
    assert_eq!((of("peer"), of("sink")), (vec![Value::Null; 3], vec![Value::Null; 3]));
    assert_eq!(of("deviations")[1], serde_json::json!(["no-brackets"]));
    let (cat, _, code) = sinkctl(data.path(), &["cat", "1:0"]);
    let sent = b"Subject: one\r\nMessage-ID: <1@example.org>\r\n\r\n.dot\r\nHello.\r\n";
    assert_eq!((cat.as_slice(), code), (&sent[..], 0));
    assert!(text(data.path(), &["verify"]).contains("all intact"));
    let stats: Value = serde_json::from_str(&text(data.path(), &["stats", "--json"])).unwrap();
    assert_eq!((&stats["totals"]["messages"], &stats["totals"]["proxied"]), (&4.into(), &0.into()));
    let runs = text(data.path(), &["runs", "--json"]);
    assert!(runs.contains("\"old\"") && runs.contains("hello"), "{runs}");
    assert_eq!(text(data.path(), &["count"]), "3\n");
}

/// Returns the version of the sidecar of segment 1.
fn index_version(data: &Path) -> u32 {
    let bytes = fs::read(data.join("index/00000001.idx")).unwrap();
    u32::from_le_bytes(bytes[8..12].try_into().unwrap())
}

const OLD_INDEX: &str = "sinkctl: the index of segment 1 is damaged or has another version; the \
    mail itself was searched instead. To rebuild the index: sinkctl reindex\n";

const NOT_SHOWN: &str = "sinkctl: the index of segment 1 is damaged or has another version; its \
    messages are listed without their subjects and whatever else the index has. To rebuild the \
    index: sinkctl reindex\n";

#[test]
fn an_index_of_an_earlier_version_only_costs_time_until_it_is_rebuilt() {
    let data = folder("2026-11-29");
    let data = data.path();
    assert_eq!(index_version(data), 2);
    let questions = ["subject:four", "has:deviation", "listener:127.0.0.1:36112"];
    let expected = ["1:3\n", "1:2\n", "1:3\n"];
    for (question, expected) in questions.into_iter().zip(expected) {
        let (out, errors, code) = sinkctl(data, &["search", question, "--ids"]);
        assert_eq!((&*out, &*errors, code), (expected.as_bytes(), OLD_INDEX, 0), "{question}");
    }
    text(data, &["wait", "subject:four"]);
    let (_, errors, code) = sinkctl(data, &["search", "--indexed-only", "--count"]);
    assert!(code == 1 && errors.contains("3 messages are not indexed"), "{errors}");
    assert_eq!(index_version(data), 2, "reading changes nothing");
    let (_, errors, code) = sinkctl(data, &["reindex"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(index_version(data), 4);
    for (question, expected) in questions.into_iter().zip(expected) {
        assert_eq!(text(data, &["search", question, "--ids"]), expected, "{question}");
    }
    let (rows, errors) = listed(data);
    assert_eq!(errors, "");
    let subjects: Vec<_> = rows.into_iter().map(|row| row["subject"].clone()).collect();
    assert_eq!(subjects, ["one", "three", "four"]);
}

#[test]
fn sinkd_rebuilds_an_index_of_an_earlier_version() {
    let data = folder("2026-11-29");
    let sink = Sink::start(data.path(), &["--index", "eager"]);
    until_some("the index is rebuilt", || {
        let listed = rows(data.path());
        listed.iter().all(|row| row["subject"].is_string()).then_some(())
    });
    assert!(sink.stop().success());
    assert_eq!(index_version(data.path()), 4);
    assert_eq!(text(data.path(), &["search", "subject:four", "--ids"]), "1:3\n");
}

#[test]
fn sinkd_continues_a_folder_of_an_earlier_version() {
    let data = folder("2026-11-29");
    let sink = Sink::start(data.path(), &["--name", "sink-a"]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("new@example.org", "x@example.com", b"Subject: five\r\n\r\nnew\r\n");
    assert!(sink.stop().success());
    let rows = rows(data.path());
    assert_eq!(rows.len(), 4);
    assert_eq!((&rows[3]["sink"], &rows[0]["sink"]), (&"sink-a".into(), &Value::Null));
    assert!(text(data.path(), &["verify"]).contains("all intact"));
}
