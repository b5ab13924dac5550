//! sinkctl from its users' point of view: listings, pages, damage, pipes.
use crate::common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Sink, sinkctl};
use tempfile::{TempDir, tempdir};

/// Returns a folder with `n` messages from two workers and two starts of sinkd, and the ids in
/// order of arrival.
fn folder_with(n: usize) -> (TempDir, Vec<String>) {
    let data = tempdir().unwrap();
    let mut ids = Vec::new();
    for start in 0..2 {
        let sink = Sink::start(data.path(), &["--workers", "2"]);
        let mut clients = [sink.connect(), sink.connect()];
        clients.iter_mut().for_each(common::Client::ehlo);
        for i in 0..n / 2 {
            let to = format!("r{i}@example.org");
            let text = format!("Subject: {start} {i}\r\n\r\n{}\r\n", "x".repeat(i));
            ids.push(clients[i % 2].deliver("a@example.org", &to, text.as_bytes()));
        }
        assert!(sink.stop().success());
    }
    (data, ids)
}

fn lines(data: &Path, args: &[&str]) -> Vec<String> {
    let (out, errors, code) = sinkctl(data, args);
    assert_eq!(code, 0, "{args:?}: {errors}");
    String::from_utf8(out).unwrap().lines().map(ToOwned::to_owned).collect()
}

fn ids(data: &Path, args: &[&str]) -> Vec<String> {
    let all = [&["ls", "--json"], args].concat();
    let id = |line: String| {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        value["id"].as_str().unwrap().to_owned()
    };
    lines(data, &all).into_iter().map(id).collect()
}

#[test]
fn listings_are_in_order_of_arrival_over_workers_and_starts() {
    let (data, sent) = folder_with(60);
    // The resolution of time is one loop round: within it, workers can overtake each other.
    let listed = ids(data.path(), &[]);
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&listed), sorted(&sent));
    assert_eq!(sorted(&listed[..30]), sorted(&sent[..30]), "starts come one after the other");
    let mut reversed = ids(data.path(), &["--reverse"]);
    reversed.reverse();
    assert_eq!(reversed, listed);
    assert_eq!(lines(data.path(), &["count"]), ["60"]);
}

#[test]
fn every_page_equals_its_part_of_the_full_listing() {
    let (data, _) = folder_with(40);
    let all = ids(data.path(), &[]);
    let mut backwards = all.clone();
    backwards.reverse();
    for offset in [0, 1, 7, 19, 20, 21, 39, 40, 41, 1000] {
        for limit in [0, 1, 5, 100] {
            let page = [offset.to_string(), limit.to_string()];
            let args = ["--offset", &page[0], "--limit", &page[1]];
            let expected: Vec<_> = all.iter().skip(offset).take(limit).cloned().collect();
            assert_eq!(ids(data.path(), &args), expected, "{args:?}");
            let args = ["--reverse", "--offset", &page[0], "--limit", &page[1]];
            let expected: Vec<_> = backwards.iter().skip(offset).take(limit).cloned().collect();
            assert_eq!(ids(data.path(), &args), expected, "{args:?}");
        }
    }
}

#[test]
fn since_and_until_cut_by_time() {
    let (data, _) = folder_with(20);
    let entry = |n: usize| -> serde_json::Value {
        serde_json::from_str(&lines(data.path(), &["ls", "--json"])[n]).unwrap()
    };
    let all = ids(data.path(), &[]);
    let time = entry(10)["received_at"].as_str().unwrap().to_owned();
    let since = ids(data.path(), &["--since", &time]);
    let until = ids(data.path(), &["--until", &time]);
    assert_eq!([until, since].concat(), all);
    assert!(ids(data.path(), &["--since", "0s"]).is_empty());
    assert_eq!(ids(data.path(), &["--since", "1h"]), all);
}

#[test]
fn json_has_what_was_sent_and_escapes_non_text() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    assert_eq!(client.command("MAIL FROM:<> RET=HDRS ENVID=e+2B1"), 250);
    for to in
        ["<Postmaster>", "<a@example.org>", "<a@example.org> NOTIFY=NEVER", "<\"x y\"@[192.0.2.1]>"]
    {
        assert_eq!(client.command(&format!("RCPT TO:{to}")), 250);
    }
    assert_eq!(client.command("DATA"), 354);
    assert_eq!(
        {
            client.send(b"..\r\n.\r\n");
            client.reply().0
        },
        250
    );
    let line = &lines(data.path(), &["ls", "--json"])[0];
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(entry["mail_from"], "");
    let to =
        serde_json::json!(["Postmaster", "a@example.org", "a@example.org", "\"x y\"@[192.0.2.1]"]);
    assert_eq!(entry["rcpt_to"], to);
    assert_eq!(entry["size"], 3);
    let shown = &lines(data.path(), &["show", "latest", "--json"])[0];
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    assert_eq!(shown["mail_parameters"], "RET=HDRS ENVID=e+2B1");
    assert_eq!(shown["recipients"][2]["parameters"], "NOTIFY=NEVER");
}

#[test]
fn top_requires_a_terminal() {
    let (data, _) = folder_with(1);
    let (out, errors, code) = sinkctl(data.path(), &["top"]);
    assert_eq!((out.len(), code), (0, 2));
    assert!(errors.contains("needs a terminal") && errors.contains("sinkctl stats"), "{errors}");
}

#[test]
fn a_closed_pipe_is_quiet() {
    let (data, _) = folder_with(40);
    for args in [&["ls"][..], &["ls", "--csv"], &["tail", "-f"], &["cat", "latest"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sinkctl"))
            .arg("--data")
            .arg(data.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        if args[0] == "tail" {
            // It notices this with the next message.
            let sink = Sink::start(data.path(), &[]);
            let mut client = sink.connect();
            client.ehlo();
            client.deliver("", "b@example.org", b"x\r\n");
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn tail_follows_new_messages() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2"]);
    let mut tail = Command::new(env!("CARGO_BIN_EXE_sinkctl"))
        .arg("--data")
        .arg(data.path())
        .args(["tail", "-f", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut clients = [sink.connect(), sink.connect()];
    for client in &mut clients {
        client.ehlo();
    }
    for n in 0..20 {
        let id = clients[n % 2].deliver("", "b@example.org", b"x\r\n");
        let line = seen.next().unwrap().unwrap();
        assert!(line.contains(&format!("\"id\":\"{id}\"")), "{line}");
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("segments")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn content(path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn damage_is_reported_the_rest_is_readable_and_readers_change_no_file() {
    let (data, sent) = folder_with(20);
    let path = segments(data.path()).remove(0);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // This is inside the first record, which begins after the two header pages.
    file.write_all_at(b"!", 8192 + 4).unwrap();
    let before = content(&path);
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 1);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(errors.contains(name) && errors.contains("byte 8192"), "{errors}");
    let whole = sent.iter().filter(|id| sinkctl(data.path(), &["cat", id]).2 == 0).count();
    assert_eq!(whole, sent.len() - 1);
    assert_eq!(lines(data.path(), &["count"]), ["20"]);
    assert!(content(&path) == before, "a reader wrote into {name}");
}

#[test]
fn foreign_newer_and_truncated_files_are_reported_and_skipped() {
    let (data, sent) = folder_with(20);
    let paths = segments(data.path());
    let first_number = paths[0].file_name().unwrap().to_str().unwrap()[..8].parse::<u32>().unwrap();
    let others = sent.iter().filter(|id| !id.starts_with(&format!("{first_number}:"))).count();
    let good = content(&paths[0]);
    let mut newer = good.clone();
    newer[8] = 99;
    let cases = [
        (b"not a segment".to_vec(), "byte 0"),
        (newer, "version 99"),
        (good[..9000].to_vec(), "cut off"),
    ];
    for (bad, said) in cases {
        std::fs::write(&paths[0], &bad).unwrap();
        let (out, errors, code) = sinkctl(data.path(), &["ls", "--json"]);
        assert_eq!(code, 1, "{said}");
        let name = paths[0].file_name().unwrap().to_str().unwrap();
        assert!(errors.contains(said) && errors.contains(name), "{said}: {errors}");
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), others);
        assert_eq!(sinkctl(data.path(), &["verify"]).2, 1);
        assert!(content(&paths[0]) == bad);
    }
    // And sinkd starts in spite of them.
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("", "b@example.org", b"x\r\n");
    assert!(sink.stop().success());
}

#[test]
fn missing_folders_and_messages_are_reported() {
    let data = tempdir().unwrap();
    assert_eq!(sinkctl(&data.path().join("nowhere"), &["ls"]).2, 2);
    let sink = Sink::start(data.path(), &[]);
    let (_, errors, code) = sinkctl(data.path(), &["cat", "latest"]);
    assert_eq!((code, errors.contains("no message")), (1, true), "{errors}");
    let (_, errors, code) = sinkctl(data.path(), &["cat", "7:0"]);
    assert_eq!((code, errors.contains("7:0")), (1, true), "{errors}");
    assert_eq!(lines(data.path(), &["count"]), ["0"]);
    assert!(lines(data.path(), &["ls"]).is_empty());
    assert!(sink.stop().success());
}
