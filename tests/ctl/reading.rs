//! What each reading command of sinkctl reports about damage and about segments pruned under it,
//! and its exit code.
use crate::common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{SetWhenDropped, Sink, messages, sinkctl, until};
use rustix::process::{Pid, Signal, kill_process};
use sinkd::log::{self, Keep, MessageId, Retention};
use tempfile::TempDir;

/// About five messages of 200 KB fill a segment.
const ARGS: &[&str] = &["--workers", "1", "--segment-bytes", "1MiB", "--index", "off"];

fn wire() -> Vec<u8> {
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    [b"Subject: hello\r\n\r\n", line.repeat(200).as_slice()].concat()
}

/// Creates a folder of `n` messages; its sinkd has ended.
fn folder(n: usize) -> (TempDir, Vec<MessageId>) {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    let mut client = sink.connect();
    client.ehlo();
    let ids = (0..n).map(|_| client.deliver("a@example.org", "b@example.org", &wire()));
    let ids = ids.map(|id| id.parse().unwrap()).collect();
    assert!(sink.stop().success());
    (data, ids)
}

fn path_of(data: &Path, id: MessageId) -> PathBuf {
    data.join(format!("segments/{:08}.seg", id.segment))
}

fn overwrite(path: &Path, at: u64, octets: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(octets, at).unwrap();
}

/// The command reads the first messages of many, then blocks, as no process reads its output.
#[test]
fn segments_pruned_under_a_listing_are_left_out_and_reported_once() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    let mut client = sink.connect();
    client.ehlo();
    let long = "x".repeat(60);
    let n = 4000;
    for _ in 0..n {
        client.deliver(&format!("{long}@{long}.example"), "b@example.org", &wire()[..2018]);
    }
    assert!(sink.stop().success());
    for args in [&["ls", "--json"][..], &["ls", "--json", "--reverse"]] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(data.path(), copy.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
        command.arg("--data").arg(copy.path()).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        let retention = Retention { segments: Some(1), ..Retention::default() };
        log::prune(copy.path(), &Keep { retention, without_removed: false }).unwrap();
        let rest = lines.map(Result::unwrap).count();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{args:?}: {errors}");
        assert!(rest + 1 < n, "{args:?}");
        let said: Vec<_> = errors.lines().collect();
        assert_eq!(said.len(), 1, "{args:?}: {errors}");
        assert!(said[0].contains("pruned during the command"), "{errors}");
        // Each message was either printed, or counted as left out.
        let mut left_out =
            said[0].split(['(', ' ']).filter_map(|w| w.replace(',', "").parse::<usize>().ok());
        assert_eq!(left_out.next_back().unwrap() + rest + 1, n, "{args:?}: {errors}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to.join("segments")).unwrap();
    for entry in std::fs::read_dir(from.join("segments")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("segments").join(path.file_name().unwrap())).unwrap();
    }
    std::fs::copy(from.join("store"), to.join("store")).unwrap();
}

/// One flipped octet in the newest record, one in an older slot, one in a count.
#[test]
fn every_command_says_what_is_damaged_and_exits_with_1() {
    let (data, ids) = folder(12);
    let data = data.path();
    let slots: Vec<_> = messages(data).into_iter().map(|(slot, _)| slot).collect();
    let (newest, older) = (slots[11], slots[3]);
    let cases: [(&str, PathBuf, u64, String); 3] = [
        ("record", path_of(data, ids[11]), newest.record_offset() + 3, ids[11].to_string()),
        ("slot", path_of(data, ids[3]), 0, ids[3].to_string()),
        ("counts", path_of(data, ids[0]), 4096 + 24 + 7, "counts are damaged".into()),
    ];
    for (what, path, mut at, said) in cases {
        if what == "slot" {
            at = path.metadata().unwrap().len() - 64 * (u64::from(older.id().slot) + 1) + 9;
        }
        let mut before = [0];
        std::fs::File::open(&path).unwrap().read_exact_at(&mut before, at).unwrap();
        overwrite(&path, at, &[before[0] ^ 0x40]);
        let newest_is_damaged = what == "record";
        for args in [
            &["ls"][..],
            &["ls", "--reverse", "--offset", "0"],
            &["tail", "-n", "20"],
            &["verify"],
            &["search", "from:a@example.org"],
            &["cat", "latest"],
            &["show", "latest"],
            &["count"],
            &["segments"],
        ] {
            let (out, errors, code) = sinkctl(data, args);
            let reads_it = match (what, args[0]) {
                // These commands read only counts.
                ("record" | "slot", "count" | "segments") => false,
                ("slot", "cat" | "show") => false,
                _ => true,
            };
            let context = format!("{what}, {args:?}: {errors}");
            assert_eq!(
                (code, errors.contains(&said)),
                (i32::from(reads_it), reads_it),
                "{context}"
            );
            if args == ["cat", "latest"] {
                assert_eq!(out.len(), wire().len(), "{context}");
            }
            if args == ["count"] {
                assert_eq!(String::from_utf8_lossy(&out), "12\n", "{context}");
            }
            if args == ["ls"] {
                let shown = out.iter().filter(|octet| **octet == b'\n').count();
                assert_eq!(shown, if what == "counts" { 12 } else { 11 }, "{context}");
            }
        }
        if newest_is_damaged {
            let (out, errors, code) = sinkctl(data, &["cat", &said]);
            assert_eq!((out.len(), code), (0, 1), "{errors}");
            assert_eq!(sinkctl(data, &["rm", "latest"]).2, 1, "the one before stays");
        }
        overwrite(&path, at, &before);
    }
    assert_eq!(sinkctl(data, &["verify"]).2, 0);
}

/// A small ring under load: each command reads what is there, or reports that it could not.
#[test]
fn while_a_ring_wraps_no_command_reports_damage_or_finds_nothing() {
    let data = tempfile::tempdir().unwrap();
    let ring = ["--retain-segments", "8", "--segment-bytes", "1MiB", "--workers", "2"];
    let sink = Sink::start(data.path(), &ring);
    let is_over = AtomicBool::new(false);
    let wire = &wire()[..100_018];
    std::thread::scope(|scope| {
        let _end = SetWhenDropped(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = sink.connect();
                client.ehlo();
                while !is_over.load(Ordering::Relaxed) {
                    client.deliver("a@example.org", "b@example.org", wire);
                }
            });
        }
        until("50 messages", || messages_in(data.path()) >= 50);
        let commands: [&[&str]; 10] = [
            &["ls"],
            &["ls", "--offset", "5"],
            &["ls", "--reverse", "--limit", "5"],
            &["tail", "-n", "5"],
            &["search", "from:a@example.org"],
            &["wait", "from:a@example.org", "--count", "3", "--timeout", "60s"],
            &["verify"],
            &["cat", "latest"],
            &["stats", "--by", "client"],
            &["count"],
        ];
        let mut wrong = Vec::new();
        for round in 0..4 {
            for args in commands {
                let (out, errors, code) = sinkctl(data.path(), args);
                let is_said = code == 1 && errors.contains("no answer");
                let is_fine = code == 0 && !out.is_empty();
                if !(is_said || is_fine) || errors.contains("damaged") {
                    wrong.push(format!("{round} {args:?}: {code} {} {errors}", out.len()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
    assert!(sink.stop().success());
}

fn messages_in(data: &Path) -> u64 {
    sinkd::log::reader::Folder::open(data).unwrap().messages()
}

/// The command is blocked while the ring wraps: it reads the files that it holds open to their end,
/// and reports the rest as missing.
#[test]
fn tail_follows_a_ring_across_pruned_segments() {
    let data = tempfile::tempdir().unwrap();
    let ring = ["--retain-segments", "8", "--segment-bytes", "1MiB", "--workers", "1"];
    let sink = Sink::start(data.path(), &ring);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"x\r\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
    command.arg("--data").arg(data.path()).args(["tail", "-f", "--json"]);
    let mut tail = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let pid = Pid::from_raw(tail.id() as i32).unwrap();
    for _ in 0..3 {
        kill_process(pid, Signal::STOP).unwrap();
        let held = client.deliver("a@example.org", "b@example.org", b"x\r\n");
        for _ in 0..60 {
            client.deliver("a@example.org", "b@example.org", &wire());
        }
        let last = client.deliver("a@example.org", "b@example.org", b"x\r\n");
        kill_process(pid, Signal::CONT).unwrap();
        let mut seen = Vec::new();
        while !seen.iter().any(|line: &String| line.contains(&format!("\"{last}\""))) {
            seen.push(lines.next().expect("tail continues").unwrap());
        }
        assert!(seen[0].contains(&format!("\"{held}\"")), "{held}: {}", seen[0]);
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
    let mut errors = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!errors.contains("damaged"), "{errors}");
    assert!(sink.stop().success());
}

/// Before the next start only the slots themselves show that they exist; afterwards they are
/// counted.
#[test]
fn a_slot_count_damaged_to_0_hides_and_deletes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), ARGS);
    let mut client = sink.connect();
    client.ehlo();
    let id: MessageId = client.deliver("a@example.org", "b@example.org", b"x\r\n").parse().unwrap();
    client.deliver("a@example.org", "b@example.org", b"y\r\n");
    sink.kill();
    assert_eq!(sinkctl(data.path(), &["verify"]).2, 0);
    overwrite(&path_of(data.path(), id), 4096, &[0; 8]);
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert!(code == 0 && errors.contains("2 valid slots follow the published ones"), "{errors}");
    assert!(Sink::start(data.path(), ARGS).stop().success());
    let (out, errors, code) = sinkctl(data.path(), &["count"]);
    assert_eq!((String::from_utf8(out).unwrap().as_str(), code), ("2\n", 0), "{errors}");
    assert_eq!(sinkctl(data.path(), &["verify"]).2, 0);
}

#[test]
fn a_message_in_a_damaged_segment_is_not_reported_as_pruned() {
    let (data, ids) = folder(3);
    let path = path_of(data.path(), ids[1]);
    overwrite(&path, 5, b"X");
    for command in ["cat", "show"] {
        let (out, errors, code) = sinkctl(data.path(), &[command, &ids[1].to_string()]);
        assert_eq!((code, out.len()), (1, 0), "{errors}");
        let says = errors.contains(path.to_str().unwrap()) && !errors.contains("pruned");
        assert!(says, "{command}: {errors}");
    }
}
