//! What is damaged beside the segments is named on stderr: statistics of an hour, runs and marks,
//! messages that `stats --by` can't count.
use crate::common;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{Sink, messages, sinkctl};
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

fn run(data: &Path, args: &[&str]) -> (String, String, i32) {
    let (out, errors, code) = sinkctl(data, args);
    (String::from_utf8(out).unwrap(), errors, code)
}

/// The statistics of whole hours: a test may run across the end of one.
fn hours(data: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.join("stats")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(".hour.hlog")).collect()
}

#[test]
fn statistics_of_an_hour_that_are_cut_short_are_named_and_read_by_the_second() {
    let data = filled(20);
    let data = data.path();
    let whole = run(data, &["stats", "--json"]);
    assert_eq!((whole.1.as_str(), whole.2), ("", 0));
    for path in hours(data) {
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let (out, errors, code) = run(data, &["stats", "--json"]);
            assert_eq!(code, 1, "{errors}");
            assert!(errors.contains("hour.hlog: cut short"), "{errors}");
            assert_eq!(out, whole.0, "the seconds have it all");
            assert_eq!(run(data, &["assert", "totals.messages == 20"]).2, 1);
        }
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(run(data, &["stats"]).2, 0);
}

#[test]
fn a_mark_that_damage_took_away_is_missed() {
    let data = filled(1);
    let data = data.path();
    for text in ["first", "second", "third"] {
        assert_eq!(run(data, &["mark", text]).2, 0);
    }
    assert_eq!(run(data, &["run", "start", "later"]).2, 0);
    let (listed, errors, code) = run(data, &["runs"]);
    assert_eq!((listed.lines().count(), errors.as_str(), code), (4, "", 0));
    let path = data.join("events.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("second")).unwrap();
    std::fs::write(&path, text.replace("\"second\"", "\"second")).unwrap();
    let (listed, errors, code) = run(data, &["runs"]);
    assert_eq!((listed.lines().count(), code), (3, 1), "{listed}");
    assert!(errors.contains(&format!("events.jsonl:{line}: damaged")), "{errors}");
    for args in
        [&["stats", "--run", "later"][..], &["ls", "--run", "later"], &["search", "run:later"]]
    {
        let (_, errors, _) = run(data, args);
        assert!(errors.contains("events.jsonl"), "{args:?}: {errors}");
    }
    assert_eq!(run(data, &["ls"]).1, "", "it needs no runs");
}

#[test]
fn stats_by_names_on_stderr_what_it_could_not_count() {
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
        let (_, errors, code) = run(data, &["stats", "--by", "client", form]);
        assert_eq!(code, 1);
        assert!(errors.contains(&format!("the record of {} is damaged", slot.id())), "{errors}");
        assert!(errors.contains("1 message is damaged and not in the table"), "{errors}");
    }
}
