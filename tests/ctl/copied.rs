//! A data folder copied while its sinkd writes to it: the copy contains everything acknowledged
//! before the copy began, and nothing that was never sent.
use crate::common;

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Dice, SetWhenDropped, Sink, messages, sinkctl, until};
use tempfile::tempdir;

const COPIES: usize = 8;
const SENDERS: u64 = 4;

/// Copies a folder file by file, from the first octet to the last. Files can appear and disappear.
/// Sockets, such as `control.sock`, are skipped.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = std::fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket())
        {
            continue;
        } else if let Err(e) = std::fs::copy(&path, &target) {
            assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{}: {e}", path.display());
        }
    }
}

#[derive(Default)]
struct Known {
    acknowledged: HashMap<String, Vec<u8>>,
    sent: HashSet<Vec<u8>>,
}

fn send(sink: &Sink, seed: u64, known: &Mutex<Known>, is_over: &AtomicBool) {
    let mut dice = Dice::new(seed);
    let mut client = sink.connect();
    client.ehlo();
    for n in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let size = if dice.roll(50) == 0 { 4_300_000 } else { dice.roll(100_000) };
        let mut wire = format!("Subject: {seed} {n}\r\n\r\n").into_bytes();
        wire.extend_from_slice(&b"0123456789abcdef\r\n".repeat(size / 18));
        known.lock().unwrap().sent.insert(wire.clone());
        let id = client.deliver("a@example.org", "b@example.org", &wire);
        known.lock().unwrap().acknowledged.insert(id, wire);
    }
}

#[test]
fn a_folder_copied_while_in_use_has_all_acknowledged_messages() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "2"]);
    let (known, is_over) = (Mutex::new(Known::default()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _end = SetWhenDropped(&is_over);
        for seed in 1..=SENDERS {
            let (sink, known, is_over) = (&sink, &known, &is_over);
            scope.spawn(move || send(sink, seed, known, is_over));
        }
        for n in 1..=COPIES {
            until("20 more messages", || known.lock().unwrap().acknowledged.len() >= 20 * n);
            let before: Vec<String> = known.lock().unwrap().acknowledged.keys().cloned().collect();
            let target = tempdir().unwrap();
            copy(data.path(), target.path());
            let found: HashMap<String, Vec<u8>> =
                messages(target.path()).into_iter().map(|(s, p)| (s.id().to_string(), p)).collect();
            for id in before {
                assert!(found.contains_key(&id), "{id} was acknowledged before copy {n} began");
            }
            let known = known.lock().unwrap();
            assert!(found.values().all(|wire| known.sent.contains(wire)), "copy {n}");
            let (_, errors, code) = sinkctl(target.path(), &["verify"]);
            assert_eq!(code, 0, "{errors}");
        }
    });
    assert!(sink.stop().success());
}
