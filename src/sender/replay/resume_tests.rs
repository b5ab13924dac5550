//! Tests of the resume file.
use super::*;
use crate::sender::replay::id_set::parse_range;
use crate::time::UnixNs;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn belongs() -> Belongs {
    vec![("store", "00ff".into()), ("query", "a\n\"b\"".into())]
}

/// When the replay began that [`HEADER`] describes.
const BEGUN_NS: UnixNs = UnixNs::new(7);

fn open(path: &Path) -> Result<(Resume, SentBefore), ResumeError> {
    Resume::open(path, &belongs(), BEGUN_NS)
}

fn set(text: &str) -> IdSet {
    let mut set = IdSet::default();
    for (segment, slots) in text.split_whitespace().map(|part| parse_range(part).unwrap()) {
        set.insert_range(segment, slots);
    }
    set
}

fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

const HEADER: &str = "sinkd-replay 1\nbegun_ns: 7\nstore: 00ff\nquery: a\\n\\\"b\\\"\n--\n";

#[test]
fn what_was_said_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resume");
    let (mut resume, before) = open(&path).unwrap();
    assert_eq!(before, SentBefore::default());
    assert!(matches!(open(&path), Err(ResumeError::InUse(_))));
    resume.announce(&set("1:0-9 2:5")).unwrap();
    resume.done(&set("1:0-3 1:8"));
    resume.not_sent(&set("1:4"));
    resume.partly(id("1:5"), &[0, 3]);
    resume.unknown(id("1:6"), &[1]);
    resume.flush().unwrap();
    resume.done(&set("1:7")); // killed before it was flushed
    drop(resume);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = "g 1:0-9 2:5\nd 1:0-3 1:8\nn 1:4\np 1:5 0,3\nu 1:6 1\n";
    assert_eq!(text, format!("{HEADER}{lines}"));
    let (mut resume, before) = Resume::open(&path, &belongs(), UnixNs::new(9)).unwrap();
    assert_eq!(resume.started_ns(), BEGUN_NS);
    assert_eq!(before.done, set("1:0-3 1:8"));
    assert_eq!(before.unknown, set("1:6 1:7 1:9 2:5"));
    let remaining = BTreeMap::from([(id("1:5"), [0, 3].into()), (id("1:6"), [1].into())]);
    assert_eq!(before.remaining, remaining);
    // The second replay sends the rest.
    resume.announce(&set("1:4-7 1:9 2:5")).unwrap();
    resume.done(&set("1:4-7 1:9 2:5"));
    resume.sync().unwrap();
    drop(resume);
    let (_, before) = open(&path).unwrap();
    assert_eq!(before, SentBefore { done: set("1:0-9 2:5"), ..SentBefore::default() });
}

#[test]
fn another_replay_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resume");
    drop(open(&path).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "", "nothing was begun");
    open(&path).unwrap().0.announce(&set("1:0")).unwrap();
    let other = vec![("store", "00ff".into()), ("query", "b".into())];
    let error = Resume::open(&path, &other, BEGUN_NS).unwrap_err().to_string();
    assert!(error.contains(r#"'query' is 'a\n\"b\"'; here it is 'b'"#), "{error}");
    for (content, expected) in [
        ("", None),
        ("sinkd-rep", None), // cut while it was made: nothing was sent yet
        ("sinkd-replay 1\nbegun_ns: 7\nsto", None),
        ("important\n", Some("not a resume file")),
        ("important", Some("not a resume file")),
        ("sinkd-replay 2\nbegun_ns: 7\nstore: 00ff\nquery: x\n--\n", Some("not a resume file")),
        ("a\nb\nc\nd\ne\nf\n", Some("not a resume file")),
    ] {
        std::fs::write(&path, content).unwrap();
        let opened = open(&path).map(|(mut resume, _)| resume.announce(&set("1:0")).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        match (opened.err().map(|e| e.to_string()), expected) {
            (None, None) => assert_eq!(text, format!("{HEADER}g 1:0\n")),
            (Some(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
            (error, _) => panic!("{content:?}: {error:?}"),
        }
    }
}

/// A pipe would make the replay wait, and a device stores nothing.
#[test]
fn only_regular_files_are_resume_files() {
    let error = open(Path::new("/dev/null")).unwrap_err().to_string();
    assert_eq!(error, "/dev/null: not a resume file; choose another file");
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    assert!(matches!(open(&pipe), Err(ResumeError::Foreign(_))));
}

#[track_caller]
fn check(lines: &str, expected: Result<&str, usize>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resume");
    std::fs::write(&path, format!("{HEADER}{lines}")).unwrap();
    match (open(&path), expected) {
        (Ok((_, before)), Ok(done)) => assert_eq!(before.done, set(done), "{lines:?}"),
        (Err(ResumeError::Damaged { line, .. }), Err(at)) => assert_eq!(line, at, "{lines:?}"),
        (got, _) => panic!("{lines:?}: {got:?}"),
    }
}

#[test]
fn a_torn_end_counts_for_nothing() {
    check("", Ok(""));
    check("d 1:0-1", Ok(""));
    check("d 1:0\nd 1:1", Ok("1:0"));
    check("d 1:0\n\0\0\0\0", Ok("1:0"));
    check("d 1:0\nd 1:\nx\n", Ok("1:0")); // after a power loss
    check("d 1:0\nx\nd 1:1\n", Err(7));
    check("x 1:0\nd 1:1\n", Err(6));
    check("d  1:0\ng 1:0\n", Err(6));
    check("p 1:0\ng 1:0\n", Err(6));
    check("p 1:0 a\ng 1:0\n", Err(6));
}

proptest! {
    /// A file that is cut off anywhere names no more outcomes than were written, and forgets no
    /// message that was announced.
    #[test]
    fn it_is_safe_to_cut(
        steps in prop::collection::vec((0u8..4, 0u32..20), 1..40),
        cut in 0usize..400,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resume");
        let (mut resume, _) = open(&path).unwrap();
        for (what, slot) in &steps {
            let one = set(&format!("1:{slot}"));
            match what {
                0 => resume.announce(&one).unwrap(),
                1 => resume.done(&one),
                2 => resume.not_sent(&one),
                _ => resume.unknown(MessageId { segment: 1, slot: *slot }, &[0]),
            }
            resume.flush().unwrap();
        }
        drop(resume);
        let text = std::fs::read_to_string(&path).unwrap();
        let end = (HEADER.len() + cut).min(text.len());
        std::fs::write(&path, &text[..end]).unwrap();
        let whole = text[HEADER.len()..end].matches('\n').count();
        let [mut done, mut announced, mut unknown] = [const { BTreeSet::new() }; 3];
        for (what, slot) in &steps[..whole] {
            let id = MessageId { segment: 1, slot: *slot };
            match what {
                0 => drop(announced.insert(id)),
                _ => drop(announced.remove(&id)),
            }
            match what {
                1 => {
                    done.insert(id);
                    unknown.remove(&id);
                }
                3 => drop(unknown.insert(id)),
                _ => {}
            }
        }
        let (_, before) = open(&path).unwrap();
        prop_assert_eq!(before.done.iter().collect::<BTreeSet<_>>(), done);
        unknown.append(&mut announced);
        prop_assert_eq!(before.unknown.iter().collect::<BTreeSet<_>>(), unknown);
    }
}
