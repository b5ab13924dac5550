//! `sinkctl search`, `wait` and `reindex` on a running sinkd.
use crate::common;
use crate::output::{Output, run};

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Client, Sink};
use tempfile::{TempDir, tempdir};

/// Sends message `n`: every third is to Bob, and has an attachment.
fn deliver(client: &mut Client, n: usize) -> String {
    let is_third = n.is_multiple_of(3);
    let to = if is_third { "bob@mail.example.com" } else { "ann@example.org" };
    let kind = if is_third { "multipart/mixed; boundary=b" } else { "text/plain" };
    let body = if is_third {
        "--b\r\nContent-Disposition: attachment; filename=bill.pdf\r\n\r\nx\r\n--b--\r\n"
    } else {
        "Dear Ann, thank you!\r\n"
    };
    let wire = format!(
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= {n}\r\nMessage-ID: <{n}@example.org>\r\n\
         X-Number: {n}\r\nContent-Type: {kind}\r\n\r\n{body}"
    );
    client.deliver("news@example.org", to, wire.as_bytes())
}

fn client(sink: &Sink) -> Client {
    let mut client = sink.connect();
    client.ehlo();
    client
}

/// Returns a sinkd that has accepted this number of messages, and their ids.
fn filled(messages: usize, args: &[&str]) -> (TempDir, Sink, Vec<String>) {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), args);
    let mut client = client(&sink);
    let ids = (0..messages).map(|n| deliver(&mut client, n)).collect();
    (data, sink, ids)
}

/// Returns the ids of the matching messages, newest first.
fn ids_found(data: &Path, query: &str) -> Vec<String> {
    let Output { stdout, stderr, code } = run(data, &["search", "--ids", query]);
    assert_eq!((code, stderr.as_str()), (i32::from(stdout.is_empty()), ""), "{query}");
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_search_prints_a_table_objects_ids_or_a_number() {
    let (data, _sink, ids) = filled(60, &["--index", "eager", "--sequence-field", "X-Number"]);
    let data = data.path();
    let Output { stdout: table, code, .. } = run(data, &["search", "grusse", "to:example.org"]);
    assert_eq!((table.lines().count(), code), (40, 0));
    let first = table.lines().next().unwrap();
    assert!(first.contains(&ids[59]) && first.ends_with("Grüße 59"), "{first}");
    assert_eq!(run(data, &["search"]).stdout.lines().count(), 50, "the newest of 60");
    assert_eq!(ids_found(data, "").len(), 60);
    let bobs: Vec<_> = ids.iter().step_by(3).rev().cloned().collect();
    assert_eq!(ids_found(data, "to:example.com"), bobs);
    assert_eq!(ids_found(data, "filename:.pdf"), bobs);
    assert_eq!(ids_found(data, "body:\"thank you\"").len(), 40);
    // Neither word is a flag.
    assert_eq!(ids_found(data, "-has:attachment").len(), 40);
    assert_eq!(run(data, &["search", "-filename:bill", "-grusse", "--count"]).stdout, "0\n");
    assert_eq!(run(data, &["search", "--ids", "--limit", "2", "has:attachment"]).stdout, {
        format!("{}\n{}\n", bobs[0], bobs[1])
    });
    let Output { stdout: count, stderr, code } =
        run(data, &["search", "--count", "has:attachment"]);
    assert_eq!((count.as_str(), stderr.as_str(), code), ("20\n", "", 0));

    let Output { stdout: json, .. } =
        run(data, &["search", "--json", "message-id:<3@example.org>"]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["id"], *ids[3]);
    assert_eq!(object["subject"], "Grüße 3");
    assert_eq!(object["message_id"], "3@example.org");
    assert_eq!(object["file_names"], serde_json::json!(["bill.pdf"]));
    assert_eq!(object["content_hash"].as_str().unwrap().len(), 32);
    assert_eq!(object["mail_from"], "news@example.org");
    assert_eq!(object["rcpt_to"], serde_json::json!(["bob@mail.example.com"]));
}

#[test]
fn no_match_exits_with_1_and_a_bad_query_with_2() {
    let (data, _sink, _) = filled(3, &[]);
    let data = data.path();
    let Output { stdout: count, stderr, code } =
        run(data, &["search", "--count", "subject:absent"]);
    assert_eq!((count.as_str(), stderr.as_str(), code), ("0\n", "", 1));
    for command in ["search", "wait"] {
        let Output { stdout, stderr, code } = run(data, &[command, "to:ann@example.org sise:>1M"]);
        assert_eq!((stdout.as_str(), code), ("", 2), "{stderr}");
        let lines: Vec<_> = stderr.lines().collect();
        assert_eq!(
            lines[lines.len() - 2..],
            ["to:ann@example.org sise:>1M", "                   ^^^^^^^^",]
        );
    }
    let Output { stderr, code, .. } = run(data, &["search", "run:unknown"]);
    assert!(code == 2 && stderr.contains("unknown"), "{stderr}");
}

const TWO_LISTENERS: &str = r#"
[[listener]]
address = "127.0.0.1:0"
name = "mx-a"

[[listener]]
address = "127.0.0.1:0"
"#;

#[test]
fn mail_is_found_by_its_listener_and_by_its_deviations() {
    for index in ["eager", "off"] {
        let (data, settings) = (tempdir().unwrap(), tempdir().unwrap());
        let data = data.path();
        let file = settings.path().join("sink.toml");
        fs::write(&file, TWO_LISTENERS).unwrap();
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        command.arg("--config").arg(&file).args(["--index", index, "--http", "off"]);
        let sink = Sink::spawn(command.arg("--data").arg(data));
        let mut named = sink.connect_from([127, 0, 0, 1], 0);
        let mut nameless = sink.connect_from([127, 0, 0, 1], 1);
        named.ehlo();
        nameless.ehlo();
        let (one, two) = (deliver(&mut named, 1), deliver(&mut nameless, 2));
        assert_eq!(named.command("MAIL FROM:a..b@example.org"), 250, "it breaks two rules");
        assert_eq!(named.command("RCPT TO:<ann@example.org>"), 250);
        assert_eq!(named.command("DATA"), 354);
        named.send(b"Subject: odd\r\n\r\nx\r\n.\r\n");
        let odd = common::id_of(&named.reply().1[0]);
        assert_eq!(ids_found(data, "listener:mx-a"), [odd.as_str(), &one]);
        // A listener without a name appears under its address, as in listings and in `--by
        // listener`.
        let address = |n: usize| format!("listener:{}", sink.addresses[n]);
        assert_eq!(ids_found(data, &address(1)), [two.as_str()]);
        assert_eq!(ids_found(data, &address(0)), [""; 0], "the listener has a name");
        assert_eq!(ids_found(data, "-listener:mx-a grusse"), [two.as_str()]);
        assert_eq!(ids_found(data, "listener:mx-a grusse"), [one.as_str()]);
        assert_eq!(ids_found(data, "listener:mx"), [""; 0]);
        assert_eq!(ids_found(data, "deviation:no-brackets deviation:dots"), [odd.as_str()]);
        assert_eq!(ids_found(data, "-has:deviation"), [two.as_str(), &one]);
        assert_eq!(ids_found(data, "deviation:underscore OR listener:mx-b"), [""; 0]);
        let (lines, code) = Waiting::start(data, &["listener:mx-a", "--count", "2"]).end();
        assert_eq!((lines.len(), code), (2, 0));
        assert!(sink.stop().success());
        assert_eq!(ids_found(data, "listener:mx-a"), [odd.as_str(), &one], "after the stop");
    }
}

/// A running `sinkctl wait`.
struct Waiting(Child);

impl Waiting {
    fn start(data: &Path, args: &[&str]) -> Waiting {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
        command.arg("--data").arg(data).arg("wait").args(args);
        Waiting(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn end(mut self) -> (Vec<String>, i32) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let lines = lines.map(Result::unwrap).collect();
        (lines, self.0.wait().unwrap().code().unwrap())
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

#[test]
fn a_wait_ends_when_enough_messages_match() {
    for index in ["eager", "off"] {
        let (data, sink, ids) = filled(4, &["--index", index]);
        let data = data.path();
        // Existing messages count.
        let (lines, code) = Waiting::start(data, &["to:ann@example.org", "--count", "2"]).end();
        assert_eq!((lines.len(), code), (2, 0));
        assert!(lines[0].contains(&ids[1]) && lines[1].contains(&ids[2]), "{lines:?}");

        let three = &["to:ann@example.org", "grüsse", "--count", "3", "--timeout", "60s"];
        let mut waiting = Waiting::start(data, three);
        let mut client = client(&sink);
        deliver(&mut client, 6);
        assert!(waiting.is_running());
        let third = deliver(&mut client, 7);
        let (lines, code) = waiting.end();
        assert_eq!((lines.len(), code), (3, 0));
        assert!(lines[2].contains(&third), "{lines:?}");
    }
}

#[test]
fn a_wait_for_new_mail_does_not_count_existing_mail() {
    let (data, sink, _) = filled(4, &[]);
    let args = &["--new", "to:ann@example.org", "--timeout", "60s", "--json"];
    let mut waiting = Waiting::start(data.path(), args);
    let mut client = client(&sink);
    let mut sent = Vec::new();
    // The wait may not have begun when the first of them arrive.
    while waiting.is_running() {
        sent.push(deliver(&mut client, 1 + 3 * sent.len()));
    }
    let (lines, code) = waiting.end();
    assert_eq!((lines.len(), code), (1, 0));
    let object: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(sent.iter().any(|id| object["id"] == **id), "{object}");
}

#[test]
fn a_wait_that_times_out_reports_how_many_matched() {
    let (data, _sink, _) = filled(4, &[]);
    let args = ["wait", "to:ann@example.org", "--count", "5", "--timeout", "50ms"];
    let Output { stdout, stderr, code } = run(data.path(), &args);
    assert_eq!((stdout.lines().count(), code), (2, 1));
    assert_eq!(stderr, "sinkctl: timed out after 50 ms: 2 messages matched, expected 5\n");
}

#[test]
fn results_stay_the_same_whatever_happens_to_the_index() {
    let (data, sink, ids) = filled(50, &["--index", "eager"]);
    let data = data.path();
    let answers = || -> Vec<Vec<String>> {
        ["", "grusse", "to:example.com", "-has:attachment body:ann", "message-id:9@example.org"]
            .iter()
            .map(|query| ids_found(data, query))
            .collect()
    };
    let before = answers();
    assert_eq!(before[0].len(), ids.len());
    let reindex = || {
        let Output { stdout, stderr, code } = run(data, &["reindex", "--json"]);
        assert_eq!(code, 0, "{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["messages"], 50);
    };
    // While sinkd runs.
    reindex();
    assert_eq!(answers(), before);
    // The parser thread of sinkd may write a file while the folder is being removed.
    while let Err(error) = fs::remove_dir_all(data.join("index")) {
        assert_eq!(error.kind(), std::io::ErrorKind::DirectoryNotEmpty, "{error}");
    }
    assert_eq!(answers(), before);
    reindex();
    assert_eq!(answers(), before);
    sink.stop();
    fs::remove_dir_all(data.join("index")).unwrap();
    assert_eq!(answers(), before);
    let Output { stderr, code, .. } = run(data, &["search", "--indexed-only", "--count"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("50 messages are not indexed"), "{stderr}");
    // And without a running sinkd.
    reindex();
    assert_eq!(answers(), before);
    assert_eq!(run(data, &["search", "--indexed-only", "--count"]).code, 0);
    // A folder can't be read as a file, not even by root.
    let sidecars = fs::read_dir(data.join("index")).unwrap().map(|entry| entry.unwrap().path());
    let is_sidecar = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "idx");
    for sidecar in sidecars.filter(is_sidecar).collect::<Vec<_>>() {
        fs::remove_file(&sidecar).unwrap();
        fs::create_dir(&sidecar).unwrap();
    }
    let Output { stdout, stderr, code } = run(data, &["search", "--count"]);
    assert_eq!((stdout.trim(), code), ("50", 0), "{stderr}");
    assert!(stderr.contains("the index of segment "), "{stderr}");
    assert!(stderr.contains(" cannot be read (Is a directory)"), "{stderr}");
}
