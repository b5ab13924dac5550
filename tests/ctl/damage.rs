//! Damage outside of segments is reported on stderr: hourly statistics, runs and marks, and
//! messages that `stats --by` can't count.
use crate::common;
use crate::output::{Output, run};

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{Sink, messages};
use tempfile::{TempDir, tempdir};

fn filled(n: usize) -> TempDir {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..n {
        client.deliver("a@example.org", "b@example.org", b"Subject: x\r\n\r\nx\r\n");
    }
    assert!(sink.stop().success());
    data
}

/// Returns the hourly statistics files: a test can run across the end of an hour.
fn hours(data: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.join("stats")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(".hour.hlog")).collect()
}

#[test]
fn truncated_hourly_statistics_are_reported_and_read_from_the_seconds() {
    let data = filled(20);
    let data = data.path();
    let whole = run(data, &["stats", "--json"]);
    assert_eq!((whole.stderr.as_str(), whole.code), ("", 0));
    for path in hours(data) {
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let Output { stdout, stderr, code } = run(data, &["stats", "--json"]);
            assert_eq!(code, 1, "{stderr}");
            assert!(stderr.contains("hour.hlog: cut short"), "{stderr}");
            assert_eq!(stdout, whole.stdout, "the seconds have it all");
            assert_eq!(run(data, &["assert", "totals.messages == 20"]).code, 1);
        }
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(run(data, &["stats"]).code, 0);
}

#[test]
fn a_mark_lost_to_damage_is_reported() {
    let data = filled(1);
    let data = data.path();
    for text in ["first", "second", "third"] {
        assert_eq!(run(data, &["mark", text]).code, 0);
    }
    assert_eq!(run(data, &["run", "start", "later"]).code, 0);
    let Output { stdout: listed, stderr, code } = run(data, &["runs"]);
    assert_eq!((listed.lines().count(), stderr.as_str(), code), (4, "", 0));
    let path = data.join("events.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("second")).unwrap();
    std::fs::write(&path, text.replace("\"second\"", "\"second")).unwrap();
    let Output { stdout: listed, stderr, code } = run(data, &["runs"]);
    assert_eq!((listed.lines().count(), code), (3, 1), "{listed}");
    assert!(stderr.contains(&format!("events.jsonl:{line}: damaged")), "{stderr}");
    for args in
        [&["stats", "--run", "later"][..], &["ls", "--run", "later"], &["search", "run:later"]]
    {
        let Output { stderr, .. } = run(data, args);
        assert!(stderr.contains("events.jsonl"), "{args:?}: {stderr}");
    }
    assert_eq!(run(data, &["ls"]).stderr, "", "it needs no runs");
}

#[test]
fn stats_by_reports_on_stderr_what_it_could_not_count() {
    let data = filled(3);
    let data = data.path();
    let (slot, _) = messages(data).remove(1);
    let path = std::fs::read_dir(data.join("segments")).unwrap().map(|file| file.unwrap().path());
    let name = format!("{:08}.", slot.id().segment);
    let mut path =
        path.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name));
    let file = std::fs::OpenOptions::new().write(true).open(path.next().unwrap()).unwrap();
    file.write_all_at(b"!", slot.record_offset() + 3).unwrap();
    for form in ["--json", "--csv", "--top=5"] {
        let Output { stderr, code, .. } = run(data, &["stats", "--by", "client", form]);
        assert_eq!(code, 1);
        assert!(stderr.contains(&format!("the record of {} is damaged", slot.id())), "{stderr}");
        assert!(stderr.contains("1 message is damaged and not in the table"), "{stderr}");
    }
}

/// Segments that can't be read are kept, and the exit code says that something is wrong.
#[test]
fn prune_exits_with_1_if_it_cannot_read_a_segment() {
    let data = filled(3);
    let data = data.path();
    assert_eq!(run(data, &["prune", "--retain-age", "1d"]).code, 0);
    std::fs::write(data.join("segments").join("00000099.seg"), [b'x'; 9000]).unwrap();
    let Output { stderr, code, .. } = run(data, &["prune", "--retain-age", "1d"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("00000099.seg"), "{stderr}");
    assert!(data.join("segments").join("00000099.seg").exists());
}

#[test]
fn ls_reports_an_index_that_it_cannot_use() {
    let data = filled(3);
    let data = data.path();
    assert_eq!(run(data, &["reindex"]).code, 0);
    let whole = run(data, &["ls"]);
    assert_eq!((whole.stderr.as_str(), whole.code), ("", 0));
    assert!(whole.stdout.lines().all(|line| line.ends_with("  x")), "{}", whole.stdout);
    let sidecar = data.join("index/00000001.idx");
    let bytes = std::fs::read(&sidecar).unwrap();
    let check = |what: &str| {
        let Output { stdout, stderr, code } = run(data, &["ls"]);
        assert_eq!((stdout.lines().count(), code), (3, 0), "{stderr}");
        assert!(stdout.lines().all(|line| !line.ends_with("  x")), "{stdout}");
        let expected = format!(
            "sinkctl: the index of segment 1 {what}; its messages are listed without their \
             subjects and whatever else the index has"
        );
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    };
    // An octet of the header, and one of a string in the only block.
    for at in [20, 128 + 40 + 3 * 100] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&sidecar, damaged).unwrap();
        check("is damaged or has another version");
    }
    // A folder can be opened, but not read.
    std::fs::remove_file(&sidecar).unwrap();
    std::fs::create_dir(&sidecar).unwrap();
    check("cannot be read (Is a directory)");
}
