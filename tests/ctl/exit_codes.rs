//! The exit code of every command on a good data folder, an empty one, a folder of something else,
//! and damaged ones; and that it exits with 1 if, and only if, its help says when.
use crate::common;
use crate::golden_help::help_of_all;
use crate::output::{Output, run};

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{Sink, messages};
use tempfile::{TempDir, tempdir};

/// The folders that a command is run on, each a fresh copy.
const FOLDERS: [&str; 7] = ["good", "empty", "foreign", "cut", "flipped", "figures", "events"];

/// A command line, and its exit code on each of [`FOLDERS`].
///
/// `DATA` is the folder, `OUT` a path for a result, `LIST` a list of the expected recipients, `TO` the address of a
/// running sinkd, `NOWHERE` one without a server, and `TLS` a folder of certificates.
type Row = (&'static str, [i32; 7]);

const ROWS: &[Row] = &[
    ("ls", [0, 0, 2, 1, 1, 0, 0]),
    ("cat latest", [0, 1, 2, 1, 1, 0, 0]),
    ("show latest", [0, 1, 2, 1, 1, 0, 0]),
    ("tail", [0, 0, 2, 1, 1, 0, 0]),
    // Counts are separate from records, and intact.
    ("count", [0, 0, 2, 1, 0, 0, 0]),
    ("segments", [0, 0, 2, 1, 0, 0, 0]),
    // Statistics are files of their own, and intact.
    ("stats", [0, 0, 2, 0, 0, 1, 0]),
    ("stats --by client", [0, 0, 2, 1, 1, 0, 0]),
    ("stats --sent-field Date", [0, 0, 2, 1, 1, 1, 0]),
    ("limits", [0, 0, 2, 0, 0, 1, 0]),
    ("report -o OUT", [0, 0, 2, 1, 1, 1, 0]),
    // The damaged line is about the run 'one'.
    ("compare one two", [0, 2, 2, 0, 0, 1, 2]),
    ("assert totals.messages==4", [0, 1, 2, 0, 0, 1, 0]),
    ("assert transit.p50>=0s --sent-field Date", [0, 1, 2, 1, 1, 1, 0]),
    ("audit --expect LIST", [0, 2, 2, 2, 2, 0, 0]),
    // These write to events.jsonl and read no segment.
    ("run start three", [0, 0, 2, 0, 0, 0, 0]),
    ("run stop", [0, 2, 2, 0, 0, 0, 0]),
    ("mark here", [0, 0, 2, 0, 0, 0, 0]),
    ("runs", [0, 0, 2, 0, 0, 1, 1]),
    // Without a terminal.
    ("top", [2, 2, 2, 2, 2, 2, 2]),
    ("rm --all", [0, 0, 2, 1, 0, 0, 0]),
    ("prune --retain-age 1d", [0, 0, 2, 1, 0, 0, 0]),
    // No sinkd runs on the folder.
    ("reload", [2, 2, 2, 2, 2, 2, 2]),
    ("cert", [0, 0, 2, 0, 0, 0, 0]),
    ("search", [0, 1, 2, 1, 1, 0, 0]),
    ("wait --count 4 --timeout 0s", [0, 1, 2, 1, 1, 0, 0]),
    // Messages that are damaged stay out of the index, and each search names them.
    ("reindex", [0, 0, 2, 1, 0, 0, 0]),
    ("calibrate --to NOWHERE", [2, 2, 2, 2, 2, 2, 2]),
    ("blast --to TO --count 1", [0, 0, 0, 0, 0, 0, 0]),
    ("replay --to TO --speed max --yes", [0, 1, 2, 1, 1, 0, 0]),
    ("verify", [0, 0, 2, 1, 1, 0, 0]),
    ("completions bash", [0, 0, 0, 0, 0, 0, 0]),
    ("man", [0, 0, 0, 0, 0, 0, 0]),
];

/// Command lines whose span is a run, and their exit codes on the good folder and on the one with a
/// damaged line about another run: the run may have ended, or begun again, at another time.
const OF_RUNS: &[(&str, [i32; 2])] = &[
    ("ls --run two", [0, 1]),
    ("count --run two", [0, 1]),
    ("stats --run two", [0, 1]),
    ("stats --by client --run two", [0, 1]),
    ("limits --run two", [0, 1]),
    ("report -o OUT --run two", [0, 1]),
    ("compare DATA:two DATA", [1, 1]),
    ("assert totals.messages==2 --run two", [0, 1]),
    ("audit --expect LIST --run two", [1, 2]),
    ("audit --expect LIST_OF_TWO --run two", [0, 2]),
    ("search --run two", [0, 1]),
    // `wait`: as many messages as it waits for have matched.
    ("wait --count 2 --timeout 0s --run two", [0, 0]),
    ("replay --to TO --speed max --yes --run two", [0, 1]),
];

/// Command lines that exit with 1 on the good folder.
const NO: &[&str] = &[
    "show latest --html",
    "cat 99:1",
    "compare DATA one",
    "assert totals.messages==5",
    "audit --expect SHORT_LIST",
    "rm 99:1",
    "search subject:nothing",
    "wait --count 5 --timeout 0s",
    "blast --to TO --count 1 --size 1M",
];

/// The folders, the files that rows name, and a sinkd that accepts mail.
struct Stage {
    place: TempDir,
    sink: Sink,
}

fn deliver(data: &Path, numbers: std::ops::Range<usize>) {
    let sink = Sink::start(data, &["--workers", "1", "--segment-bytes", "1MiB", "--tls"]);
    let mut client = sink.connect();
    client.ehlo();
    for n in numbers {
        if n % 2 == 0 {
            let name = if n == 0 { "one" } else { "two" };
            assert_eq!(run(data, &["run", "start", name]).code, 0);
        }
        let wire = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: x\r\n\r\nx\r\n";
        client.deliver("a@example.org", &format!("r{n}@example.org"), wire);
    }
    assert_eq!(client.command("QUIT"), 221);
    assert!(client.rest().is_empty());
    assert!(sink.stop().success());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

fn path_of_segment(data: &Path, segment: u32) -> PathBuf {
    data.join(format!("segments/{segment:08}.seg"))
}

impl Stage {
    fn set() -> Stage {
        let place = tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        // Each sinkd fills segments of its own.
        deliver(&path("good"), 0..2);
        deliver(&path("good"), 2..4);
        deliver(&path("empty"), 0..0);
        fs::create_dir_all(path("foreign/other")).unwrap();
        let slots: Vec<_> = messages(&path("good")).into_iter().map(|(slot, _)| slot).collect();
        let (first, last) = (slots[0], slots[3]);
        assert_ne!(first.id().segment, last.id().segment);
        for name in ["cut", "flipped", "figures", "events"] {
            copy(&path("good"), &path(name));
        }
        let file = |path: PathBuf| fs::OpenOptions::new().write(true).open(path).unwrap();
        file(path_of_segment(&path("cut"), first.id().segment)).set_len(4000).unwrap();
        let flipped = file(path_of_segment(&path("flipped"), last.id().segment));
        flipped.write_all_at(b"!", last.record_offset() + 3).unwrap();
        // An index of the message, if sinkd had the time to make one, would answer for the record.
        let _ = fs::remove_dir_all(path("flipped").join("index"));
        for found in fs::read_dir(path("figures").join("stats")).unwrap() {
            let found = found.unwrap().path();
            // A cut line at the end is what a crash leaves, and no damage.
            if found.extension().is_some_and(|end| end == "jsonl") {
                file(found).write_all_at(b"!", 0).unwrap();
            } else {
                let bytes = fs::metadata(&found).unwrap().len();
                file(found).set_len(bytes / 2).unwrap();
            }
        }
        let events = fs::read_to_string(path("events/events.jsonl")).unwrap();
        let first_run = events.find("\"one\"").unwrap();
        file(path("events/events.jsonl")).write_all_at(b"{", first_run as u64).unwrap();
        let list = |n: usize| -> String { (0..n).map(|n| format!("r{n}@example.org\n")).collect() };
        fs::write(path("list"), format!("email\n{}", list(4))).unwrap();
        fs::write(path("short_list"), format!("email\n{}", list(3))).unwrap();
        fs::write(path("list_of_two"), "email\nr2@example.org\nr3@example.org\n").unwrap();
        let limits = ["--message-bytes-max", "20000"];
        let sink = Sink::start(&path("target"), &limits);
        Stage { place, sink }
    }

    /// Runs a command on a copy of the folder.
    fn run(&self, folder: &str, line: &str) -> Output {
        let work = tempdir().unwrap();
        let (data, path) = (work.path().join("data"), |name| self.place.path().join(name));
        copy(&path(folder), &data);
        let words = line.split(' ').map(|word| match word {
            "DATA" => data.display().to_string(),
            "OUT" => work.path().join("out").display().to_string(),
            "LIST" => path("list").display().to_string(),
            "LIST_OF_TWO" => path("list_of_two").display().to_string(),
            "DATA:two" => format!("{}:two", data.display()),
            "SHORT_LIST" => path("short_list").display().to_string(),
            "TO" => self.sink.addresses[0].to_string(),
            "NOWHERE" => "127.0.0.1:1".to_owned(),
            word => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(&data, &words)
    }
}

#[test]
fn every_command_exits_as_its_help_says_on_good_and_on_damaged_folders() {
    let stage = Stage::set();
    let mut wrong = Vec::new();
    // Whether a command exited with 1.
    let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
    let mut check = |line: &'static str, folder: &str, expected: i32| {
        let Output { stderr, code, .. } = stage.run(folder, line);
        let command = line.split(' ').next().unwrap();
        *seen.entry(command).or_default() |= code == 1;
        if code != expected {
            wrong.push(format!("{line} on {folder}: {code}, expected {expected}: {stderr}"));
        }
        if code == 1
            && stderr.is_empty()
            && ["cut", "flipped", "figures", "events"].contains(&folder)
        {
            wrong.push(format!("{line} on {folder}: 1 without a reason"));
        }
    };
    for (line, codes) in ROWS {
        FOLDERS.iter().zip(codes).for_each(|(folder, code)| check(line, folder, *code));
    }
    for (line, [good, damaged]) in OF_RUNS {
        check(line, "good", *good);
        check(line, "events", *damaged);
    }
    NO.iter().for_each(|line| check(line, "good", 1));
    // Other tests run these with a sinkd and with certificates.
    seen.extend([("reload", true), ("cert", true)]);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (words, help) in help_of_all() {
        let Some(command) = words.split(' ').nth(1) else { continue };
        assert_eq!(seen.get(command), Some(&help.contains("\n  1  ")), "{command}");
    }
}
