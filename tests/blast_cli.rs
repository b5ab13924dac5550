//! `sinkctl blast` against a real sinkd.
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Sink, messages, sinkctl};
use sinkd::smtp::data::unstuff;

/// Whatever is said at the end of a command line.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// What the folder holds, by the number in the header.
fn stored(data: &Path) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (slot, wire) in messages(data) {
        let message = if slot.facts.dots > 0 { unstuff(&wire).into_owned() } else { wire };
        let text = String::from_utf8_lossy(&message);
        let field = text.lines().find_map(|line| line.strip_prefix("X-Sequence: ")).unwrap();
        let number = field.parse().unwrap();
        assert!(all.insert(number, message).is_none(), "{number} came twice");
    }
    all
}

#[track_caller]
fn check(messages: &str, dialogue: &str) {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let same = format!("--seed 3 --date 2026-11-21T10:00:00Z {messages}");
    let to = sink.addresses[0].to_string();
    let rest = format!("--to {to} --count 60 --json {dialogue} {same}");
    let (out, errors, code) = sinkctl(data.path(), &[&["blast"], &words(&rest)[..]].concat());
    assert_eq!(code, 0, "{rest}: {errors}");
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&report["accepted"], &report["failures"]), (&60.into(), &serde_json::json!([])));
    let stored = stored(data.path());
    assert!(stored.keys().copied().eq(0..60), "{rest}: {:?}", stored.keys());
    for number in [0, 1, 59] {
        let show = format!("--show {number} {same}");
        let (shown, errors, code) = sinkctl(data.path(), &[&["blast"], &words(&show)[..]].concat());
        assert_eq!(code, 0, "{errors}");
        assert_eq!(shown, stored[&number], "{rest}: message {number}");
    }
    assert!(sink.stop().success());
}

#[test]
fn what_arrives_is_what_show_prints() {
    for dialogue in [
        "--connections 5 --threads 2 --depth 8",
        "--connections 1 --no-pipelining --no-chunking",
        "--connections 3 --no-chunking --per-connection 7",
        "--connections 4 --threads 3 --rate 100000",
    ] {
        check("--size mixed --rcpts 1-3 --order random", dialogue);
    }
}

#[test]
fn templates_arrive_with_their_dots() {
    let folder = tempfile::tempdir().unwrap();
    let (template, list) = (folder.path().join("t.eml"), folder.path().join("l.csv"));
    std::fs::write(&list, "name,email\n.Ann,ann@example.org\n,b@example.org\n").unwrap();
    for body in [".a\n{{uuid}}\n", "{{seq}}\n.a\n.\n..\n", "{{col:name}}.\n{{col:name}}\n", "a\n"] {
        std::fs::write(&template, format!("Subject: {{{{col:name}}}}\n\n{body}")).unwrap();
        let (template, list) = (template.to_str().unwrap(), list.to_str().unwrap());
        let messages = format!("--template {template} --recipients {list} --attach {list}");
        for dialogue in ["", "--no-chunking"] {
            check(&messages, &format!("--connections 2 {dialogue}"));
        }
    }
}

#[test]
fn bad_input_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = write("l.csv", "email,x\na@b.example,1\na@,2\nb@b.example\n");
    let template = write("t.eml", "Subject: x\n\nDear {{nam}}\n");
    for (args, expected) in [
        (
            format!("--recipients {list}"),
            format!(
                "sinkctl: {list}:3: expected an address such as ann@example.org, found 'a@'\n\
                 {list}:4: 1 cells, where the header row has 2\n"
            ),
        ),
        (
            format!("--template {template}"),
            format!("sinkctl: {template}:3:6: no placeholder 'nam'"),
        ),
        ("--size 100".into(), "sinkctl: a size of 100 is too small: with these".into()),
        ("--rate 0".into(), "sinkctl: expected a rate above 0".into()),
        ("--from x".into(), "sinkctl: expected an address".into()),
        ("--rcpts 3 --recipient-count 2".into(), "sinkctl: 3 recipients per message, and".into()),
        ("--attach /nowhere".into(), "sinkctl: /nowhere: No such file".into()),
    ] {
        // The port of nobody: it must not come to that.
        let rest = format!("blast --to 127.0.0.1:1 {args}");
        let (out, errors, code) = sinkctl(folder.path(), &words(&rest));
        assert_eq!((code, out.len()), (2, 0), "{rest}: {errors}");
        assert!(errors.starts_with(&expected), "{rest}: {errors}");
    }
}
