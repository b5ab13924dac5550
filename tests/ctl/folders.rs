//! `ls`, `count`, `search` and `wait` on several data folders: one result that names the folders.
use crate::common;
use crate::output::{Output, run_on};

use std::path::Path;

use common::{Sink, sinkctl, sinkctl_on};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Creates two folders whose messages arrived alternately: `subjects` in order of arrival, the
/// first into `one`.
struct Two {
    data: TempDir,
    subjects: Vec<String>,
}

impl Two {
    fn filled(n: usize) -> Two {
        let two = Two { data: tempdir().unwrap(), subjects: Vec::new() };
        let sinks = two.paths().map(|path| Sink::start(&path, &["--index", "off"]));
        let mut clients = sinks.each_ref().map(Sink::connect);
        clients.iter_mut().for_each(common::Client::ehlo);
        let mut subjects = Vec::new();
        for i in 0..n {
            subjects.push(format!("number {i}"));
            let wire = format!("Subject: number {i}\r\n\r\nx\r\n");
            clients[i % 2].deliver("a@example.org", "b@example.org", wire.as_bytes());
        }
        for sink in sinks {
            assert!(sink.stop().success());
        }
        Two { subjects, ..two }
    }

    fn paths(&self) -> [std::path::PathBuf; 2] {
        ["one", "two"].map(|name| self.data.path().join(name))
    }

    fn run(&self, args: &[&str]) -> Output {
        let paths = self.paths();
        let folders: Vec<&Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
        run_on(&folders, args)
    }

    /// Returns the printed objects, each with folder and subject.
    fn objects(&self, args: &[&str]) -> Vec<(String, String)> {
        let Output { stdout, stderr, code } = self.run(args);
        assert_eq!(code, 0, "{args:?}: {stderr}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let objects = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.map(|object| (text(&object["folder"]), text(&object["subject"]))).collect()
    }
}

#[test]
fn several_folders_are_listed_in_order_of_arrival_and_rows_name_the_folder() {
    let two = Two::filled(20);
    let folders = two.paths().map(|path| path.display().to_string());
    let expected: Vec<(String, String)> =
        two.subjects.iter().enumerate().map(|(i, s)| (folders[i % 2].clone(), s.clone())).collect();
    let newest_first: Vec<_> = expected.iter().rev().cloned().collect();
    assert_eq!(two.objects(&["search", "--json"]), newest_first);
    assert_eq!(two.objects(&["search", "--json", "--limit", "5"]), newest_first[..5]);
    assert_eq!(two.objects(&["wait", "--json", "--count", "20"]), expected);
    assert_eq!(two.objects(&["wait", "--json", "--count", "3"]), expected[17..]);
    for path in two.paths() {
        assert_eq!(sinkctl(&path, &["reindex"]).2, 0);
    }
    assert_eq!(two.objects(&["ls", "--json"]), expected);
    for (offset, limit) in [(0, 5), (3, 4), (19, 5), (20, 1), (7, 0)] {
        let page = [offset.to_string(), limit.to_string()];
        let args = ["ls", "--json", "--offset", &page[0], "--limit", &page[1]];
        let cut = |all: &[(String, String)]| -> Vec<_> {
            all.iter().skip(offset).take(limit).cloned().collect()
        };
        assert_eq!(two.objects(&args), cut(&expected), "{args:?}");
        assert_eq!(two.objects(&[&args[..], &["--reverse"]].concat()), cut(&newest_first));
    }
    let Output { stdout: listed, stderr, code } = two.run(&["ls", "--limit", "2"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("2 of 20 messages are listed"), "{stderr}");
    for (n, line) in listed.lines().enumerate() {
        assert!(line.starts_with(&folders[n]) && line.ends_with(&format!("number {n}")), "{line}");
    }
    let Output { stdout: ids, .. } = two.run(&["search", "--ids", "subject:\"number 3\""]);
    assert!(ids.starts_with(&format!("{}\t", folders[1])) && ids.lines().count() == 1, "{ids}");
    assert_eq!(two.run(&["search", "--count"]).stdout, "20\n");
    // With a single folder, the folder is not named.
    let (stdout, _, _) = sinkctl(&two.paths()[0], &["ls", "--json", "--limit", "1"]);
    assert!(!String::from_utf8(stdout).unwrap().contains("\"folder\""));
}

#[test]
fn count_prints_each_folder_and_the_sum() {
    let two = Two::filled(5);
    let folders = two.paths().map(|path| path.display().to_string());
    let Output { stdout, stderr, code } = two.run(&["count"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, format!("3  {}\n2  {}\n5\n", folders[0], folders[1]));
    let Output { stdout, .. } = two.run(&["count", "--json", "--since", "1h"]);
    let counts: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(counts.len(), 3);
    assert_eq!(
        (&counts[0]["folder"], &counts[0]["messages"]),
        (&folders[0].as_str().into(), &3.into())
    );
    assert_eq!(counts[2]["messages"], 5);
    assert_eq!(counts[2]["gone"], 0);
    assert!(counts[2].get("folder").is_none());
}

#[test]
fn the_exit_code_of_several_folders_is_the_worst_one() {
    let two = Two::filled(4);
    let [one, other] = two.paths();
    let missing = two.data.path().join("mistyped");
    for args in [&["ls"][..], &["count"], &["search"], &["wait", "--timeout", "0s"]] {
        assert_eq!(two.run(args).code, 0, "{args:?}");
        let (stdout, stderr, code) = sinkctl_on(&[&one, &missing], args);
        assert_eq!((code, stdout.len()), (2, 0), "{args:?}");
        assert!(stderr.contains("mistyped"), "{stderr}");
        let (_, stderr, code) = sinkctl_on(&[&one, &one], args);
        assert!(code == 2 && stderr.contains("are the same folder"), "{args:?}: {stderr}");
    }
    assert_eq!(two.run(&["search", "subject:nothing"]).code, 1);
    assert_eq!(two.run(&["wait", "--count", "5", "--timeout", "0s"]).code, 1);
    for file in std::fs::read_dir(other.join("segments")).unwrap() {
        std::fs::write(file.unwrap().path(), "damaged").unwrap();
    }
    for args in [&["ls"][..], &["count"], &["search"]] {
        let Output { stdout, stderr, code } = two.run(args);
        assert_eq!(code, 1, "{args:?}");
        assert!(stderr.contains("two") && !stdout.is_empty(), "{args:?}: {stderr}");
    }
    let Output { stderr, code, .. } = two.run(&["tail"]);
    assert!(code == 2 && stderr.contains("expected one --data, found 2"), "{stderr}");
}

#[test]
fn a_run_named_in_one_folder_applies_to_the_others() {
    let two = Two::filled(4);
    assert_eq!(sinkctl(&two.paths()[1], &["run", "start", "later"]).2, 0);
    for args in [&["search", "run:later"][..], &["search", "--run", "later"]] {
        let Output { stdout, stderr, code } = two.run(args);
        assert_eq!((stdout.as_str(), code), ("", 1), "{stderr}");
    }
    assert_eq!(two.run(&["search", "-run:later", "--count"]).stdout, "4\n");
    assert_eq!(two.run(&["search", "run:never"]).code, 2);
}
