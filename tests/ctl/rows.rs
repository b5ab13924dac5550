//! A message as printed by `ls`, `tail`, `search` and `wait`: the same row, and the same keys.
use crate::common;
use crate::output::{Output, run};

use common::Sink;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A folder of `n` messages without an index.
fn filled(n: usize) -> TempDir {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--index", "off"]);
    let mut client = sink.connect();
    client.ehlo();
    for i in 0..n {
        let wire = format!(
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n {i}\r\nMessage-ID: <{i}@example.org>\r\n\
             Content-Disposition: attachment; filename=bill.pdf\r\n\r\nhello\r\n"
        );
        client.deliver("a@example.org", "b@example.org", wire.as_bytes());
    }
    assert!(sink.stop().success());
    data
}

/// Output, errors and exit code.
const FOUR: [&[&str]; 4] =
    [&["ls"], &["tail"], &["search", "grusse"], &["wait", "grusse", "--count", "1"]];

#[test]
fn ls_tail_search_and_wait_print_one_row_with_the_same_keys() {
    let data = filled(1);
    assert_eq!(run(data.path(), &["reindex"]).code, 0);
    let rows = FOUR.map(|args| run(data.path(), args).stdout);
    assert!(rows[0].ends_with("a@example.org -> b@example.org  Grüße 0\n"), "{}", rows[0]);
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
    let objects = FOUR.map(|args| run(data.path(), &[args, &["--json"]].concat()).stdout);
    assert!(objects.iter().all(|object| *object == objects[0]), "{objects:?}");
    let object: Value = serde_json::from_str(&objects[0]).unwrap();
    assert_eq!(object["subject"], "Grüße 0");
    assert_eq!(object["message_id"], "0@example.org");
    assert_eq!(object["file_names"], serde_json::json!(["bill.pdf"]));
    assert_eq!(object["content_hash"].as_str().unwrap().len(), 32);
    assert_eq!(object["sequence"], Value::Null);
    assert_eq!(object["mail_from"], "a@example.org");
    // The value has 64 bits, so it is text: JSON readers may support only 53 bits.
    assert!(object["session"].as_str().unwrap().parse::<u64>().unwrap() >= 1 << 48);
    assert_eq!(object.as_object().unwrap().len(), 23);
}

#[test]
fn ls_shows_subjects_from_the_index_without_reading_messages() {
    let data = filled(3);
    let keys = |text: &str| {
        let object: Value = serde_json::from_str(text).unwrap();
        object.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let Output { stdout: listed, code, .. } = run(data.path(), &["ls"]);
    assert!(code == 0 && !listed.contains("Grüße"), "{listed}");
    let Output { stdout: objects, .. } = run(data.path(), &["ls", "--json"]);
    let first = objects.lines().next().unwrap();
    for key in ["subject", "message_id", "file_names", "content_hash", "sequence"] {
        let object: Value = serde_json::from_str(first).unwrap();
        assert!(object.as_object().unwrap().contains_key(key), "{first}");
        assert_eq!(object[key], Value::Null);
    }
    let Output { stdout: tailed, .. } = run(data.path(), &["tail", "-n", "1", "--json"]);
    assert_eq!(keys(&tailed), keys(first));
    assert!(tailed.contains("Grüße 2"), "{tailed}");
    assert_eq!(run(data.path(), &["reindex"]).code, 0);
    let Output { stdout: listed, .. } = run(data.path(), &["ls"]);
    for (n, line) in listed.lines().enumerate() {
        assert!(line.ends_with(&format!("  Grüße {n}")), "{line}");
    }
    // A damaged index counts as none.
    for file in std::fs::read_dir(data.path().join("index")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[130] ^= 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let Output { stdout: listed, stderr, code } = run(data.path(), &["ls"]);
    assert_eq!((code, stderr.as_str(), listed.lines().count()), (0, "", 3));
    assert!(!listed.contains("Grüße"), "{listed}");
}

#[test]
fn a_shortened_list_is_reported_and_a_full_one_is_not() {
    let data = filled(51);
    for (args, says) in [
        (&["ls", "--limit", "5"][..], "5 of 51 messages are listed"),
        (&["ls", "--limit", "5", "--json"], "5 of 51 messages are listed"),
        (&["ls", "--limit", "50", "--reverse"], "50 of 51 messages are listed"),
        (&["ls", "--limit", "5", "--offset", "46"], ""),
        (&["ls", "--limit", "51"], ""),
        (&["ls"], ""),
        (&["search"], "the newest 50 are listed"),
        (&["search", "--limit", "51"], ""),
        (&["search", "-subject:50"], ""),
    ] {
        let Output { stdout, stderr, code } = run(data.path(), args);
        assert_eq!(code, 0, "{args:?}: {stderr}");
        assert!(
            stderr.contains(says) && stderr.is_empty() == says.is_empty(),
            "{args:?}: {stderr}"
        );
        let listed = stdout.lines().count();
        assert!(says.is_empty() || stderr.contains(&listed.to_string()), "{args:?}: {listed}");
    }
}

#[test]
fn an_address_cannot_rewrite_or_reverse_the_row_that_shows_it() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--index", "off"]);
    let mut client = sink.connect();
    client.ehlo();
    // U+009B begins a control sequence in some terminals.
    let hostile = "\u{9b}2J\u{202e}gpj\u{200b}@example.org";
    assert_eq!(client.command(&format!("MAIL FROM:<{hostile}> SMTPUTF8")), 250);
    assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
    assert_eq!(client.command("DATA"), 354);
    client.send(b"Subject: x\r\n\r\n.\r\n");
    assert_eq!(client.reply().0, 250);
    assert!(sink.stop().success());
    for command in ["ls", "tail", "search", "wait"] {
        let row = run(data.path(), &[command]).stdout;
        let shown = "\u{fffd}2J\u{fffd}gpj\u{fffd}@example.org";
        assert!(row.contains(shown), "{command}: {}", row.escape_debug());
        let object: Value =
            serde_json::from_str(&run(data.path(), &[command, "--json"]).stdout).unwrap();
        assert_eq!(object["mail_from"], hostile, "programs get the text unchanged");
    }
}
