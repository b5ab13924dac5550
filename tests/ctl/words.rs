//! Wording of sinkctl: a count of one is singular, and durations have days and weeks.
use crate::common;

use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{Sink, sinkctl};
use tempfile::{TempDir, tempdir};

/// A folder with one message, to one recipient over one connection.
fn one_message() -> TempDir {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"Subject: x\r\n\r\nx\r\n");
    assert!(sink.stop().success());
    data
}

fn printed(data: &Path, args: &[&str]) -> (String, i32) {
    let (out, errors, code) = sinkctl(data, args);
    (String::from_utf8(out).unwrap() + &errors, code)
}

#[test]
fn a_count_of_one_is_singular_everywhere() {
    let data = one_message();
    let data = data.path();
    for (args, says) in [
        (&["verify"][..], "1 segment, 1 message: all intact"),
        (&["stats"], "1 message, 1 recipient, 17 B, 1 connection, 1 dismissed, 0 refused"),
        (&["stats", "--metric", "transaction"], "1 value, mean"),
        (&["stats", "--by", "client"], "1 message, 1 recipient, "),
        (&["reindex"], "1 segment, 1 message, "),
        (
            &["wait", "subject:y", "--timeout", "0s"],
            "timed out after 0 s: 0 messages matched, expected 1",
        ),
        (&["ls", "--limit", "0"], "0 of 1 message is listed"),
        (
            &["prune", "--dry-run", "--retain-segments", "0"],
            "would drop 1 segment, 1 message, 17 bytes",
        ),
        (&["run", "start", "later"], ""),
        (&["runs"], "0 messages  later"),
        (&["rm", "latest"], "removed 1 message"),
        (&["segments"], "removed: 1 message, not counted above"),
        (&["stats", "--by", "client"], "1 message is not in this table: 1 removed"),
        (&["prune", "--removed"], "dropped 1 segment, 1 message, 17 bytes"),
        (&["segments"], "pruned: 1 segment, 1 message, 17 bytes"),
    ] {
        let (output, code) = printed(data, args);
        assert!(output.contains(says), "{args:?}: {output}");
        let is_one_of_many = output.split('\n').any(|line| {
            let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            let is_unit = |word: &str| ["s", "ms", "µs"].contains(&word);
            let is_plural = |word: &str| word.ends_with('s') && !is_unit(word);
            words.windows(2).any(|pair| pair[0] == "1" && is_plural(pair[1]))
        });
        assert!(!is_one_of_many, "{args:?}: {output}");
        assert!(code == 0 || args[0] == "wait", "{args:?}: {output}");
    }
}

#[test]
fn verify_counts_damaged_segments_and_the_faults_in_them() {
    let data = one_message();
    let data = data.path();
    let path = std::fs::read_dir(data.join("segments")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // This is inside the record, which begins after the two header pages.
    file.write_all_at(b"!!", 8192 + 4).unwrap();
    let (output, code) = printed(data, &["verify"]);
    assert_eq!(code, 1);
    assert!(output.contains("1 segment, 1 message: 1 damaged segment with 1 fault"), "{output}");
    let (out, _, _) = sinkctl(data, &["verify", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&report["damaged"], &report["damaged_segments"]), (&1.into(), &1.into()));
    std::fs::write(data.join("segments").join("00000099.seg"), "no segment").unwrap();
    let (output, _) = printed(data, &["verify"]);
    assert!(output.contains("2 damaged segments with 2 faults"), "{output}");
}

#[test]
fn durations_can_be_days_and_weeks() {
    let data = one_message();
    for since in ["1d", "2w", "1d12h"] {
        for args in [
            &["count", "--since", since][..],
            &["ls", "--since", since],
            &["search", "--since", since],
            &["search", &format!("after:{since}")],
            &["stats", "--interval", since],
            &["wait", "--timeout", since],
            &["prune", "--retain-age", since],
            &["stats", "--since", since],
        ] {
            let (output, code) = printed(data.path(), args);
            assert!(code == 0 && !output.is_empty(), "{args:?}: {output}");
        }
        let (output, code) = printed(data.path(), &["count", "--until", since]);
        assert_eq!((output.lines().next(), code), (Some("0"), 0), "{output}");
    }
    for args in [
        &["ls", "--since", "1mo"][..],
        &["wait", "--timeout", "1y"],
        &["prune", "--retain-age", "d"],
    ] {
        let (output, code) = printed(data.path(), args);
        assert!(
            code == 2 && output.contains("expected ") && output.contains(", found '"),
            "{output}"
        );
    }
}

#[test]
fn system_errors_are_printed_once() {
    let data = tempdir().unwrap();
    let missing = data.path().join("nowhere");
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    // A missing folder, or a file in its place, is not reported as a system error.
    for (folder, found) in [(&missing, "no such folder ("), (&file, "a file, not a folder (")] {
        for args in [&["ls"][..], &["verify"], &["run", "start", "x"], &["mark", "x"]] {
            let (output, code) = printed(folder, args);
            assert_eq!(code, 2, "{args:?}: {output}");
            assert_eq!(output.matches(found).count(), 1, "{args:?}: {output}");
            assert!(!output.contains("(os error"), "{args:?}: {output}");
        }
    }
    // A directory in place of a file of the data folder is one.
    let sink = Sink::start(data.path().join("sink").as_path(), &[]);
    assert!(sink.stop().success());
    let sink = data.path().join("sink");
    std::fs::remove_file(sink.join("events.jsonl")).ok();
    std::fs::create_dir(sink.join("events.jsonl")).unwrap();
    for args in [&["mark", "x"][..], &["runs"], &["search", "run:x"], &["rm", "--all"]] {
        let (output, code) = printed(&sink, args);
        assert_eq!(code, 2, "{args:?}: {output}");
        assert_eq!(output.matches("Is a directory").count(), 1, "{args:?}: {output}");
        assert!(!output.contains("os error"), "{args:?}: {output}");
    }
}
