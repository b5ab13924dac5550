//! `sinkctl blast` against a real sinkd.
use crate::common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use common::{Sink, messages, sinkctl};
use sinkd::smtp::data::unstuff;

/// Splits the end of a command line into words.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Returns a message before it is sent: sending only changes the time in its first field.
#[track_caller]
fn unsent(mut message: Vec<u8>) -> Vec<u8> {
    assert!(message.starts_with(b"X-Sent: ") && message[21..].starts_with(b"\r\n"));
    message[8..21].fill(b'0');
    message
}

/// Returns the stored messages, by the number in the header.
fn stored(data: &Path) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (slot, wire) in messages(data) {
        let message = if slot.facts().dots > 0 { unstuff(&wire).into_owned() } else { wire };
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
        assert_ne!(shown, stored[&number], "{rest}: message {number} has its time");
        assert_eq!(shown, unsent(stored[&number].clone()), "{rest}: message {number}");
    }
    assert!(sink.stop().success());
}

#[test]
fn messages_arrive_as_show_prints_them() {
    for dialogue in [
        "--connections 5 --threads 2 --depth 8",
        "--connections 1 --no-pipelining --no-chunking",
        "--connections 3 --no-chunking --per-connection 7",
        "--connections 4 --threads 3 --rate 100000",
    ] {
        check("--size mixed --recipients-per-message 1-3 --order random", dialogue);
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
                "sinkctl: {list}: 2 bad rows; correct or remove them\n\
                 sinkctl: {list}:3: expected an address such as ann@example.org, found 'a@'\n\
                 sinkctl: {list}:4: expected 2 cells, as in the header row, found 1\n"
            ),
        ),
        (
            format!("--template {template}"),
            format!("sinkctl: {template}:3:6: unknown placeholder 'nam'"),
        ),
        ("--size 100".into(), "sinkctl: --size: expected at least ".into()),
        ("--rate 0".into(), "sinkctl: --rate: expected messages".into()),
        ("--from x".into(), "sinkctl: --from: expected an address".into()),
        (
            "--recipients-per-message 3 --recipient-count 2".into(),
            "sinkctl: --recipients-per-message: expected at most 2, the number of generated addresses, found 3 ".into(),
        ),
        ("--attach /nowhere".into(), "sinkctl: /nowhere: cannot be read: No such file".into()),
    ] {
        // The port has no listener: the command must fail before it connects.
        let rest = format!("blast --to 127.0.0.1:1 {args}");
        let (out, errors, code) = sinkctl(folder.path(), &words(&rest));
        assert_eq!((code, out.len()), (2, 0), "{rest}: {errors}");
        assert!(errors.starts_with(&expected), "{rest}: {errors}");
    }
}

/// A server that answers MAIL with `to_mail`, and signals when it has.
fn server(to_mail: &'static str) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, answered) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(b"220 hello\r\n").unwrap();
            let mut lines =
                BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            while let Some(line) = lines.next() {
                let reply = match line.split([' ', ':']).next() {
                    Some("MAIL") => to_mail,
                    Some("DATA") => "354 go on\r\n",
                    Some("QUIT") => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                let _ = stream.write_all(reply.as_bytes());
                if reply.starts_with("354") {
                    let _ = lines.find(|line| line == ".");
                    let _ = stream.write_all(b"250 ok\r\n");
                }
                if line.starts_with("MAIL") {
                    let _ = told.send(());
                }
            }
        }
    });
    (address, answered)
}

fn blast(to: SocketAddr, rest: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
    command.args(["blast", "--to", &to.to_string(), "--connections", "1"]).args(words(rest));
    command
}

#[test]
fn a_reader_that_leaves_early_does_not_change_the_exit_code() {
    for rest in ["--count 3", "--count 3 --json"] {
        let (to, _answered) = server("550 no\r\n");
        let mut command = blast(to, rest);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    }
}

#[test]
fn a_full_disk_under_stderr_does_not_stop_a_blast() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full() else { return };
    let (to, _answered) = server("550 no\r\n");
    let out = blast(to, "--count 3").stderr(full).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("0 of 3 messages accepted; 3 rejected"));
}

#[test]
fn unwritable_files_are_reported_before_anything_is_sent() {
    for rest in ["--hlog /no/such/folder/x", "--page /no/such/folder/x", "--page /"] {
        let (to, answered) = server("550 no\r\n");
        let out = blast(to, &format!("--count 3 {rest}")).output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{errors}");
        assert!(errors.contains("cannot be written"), "{errors}");
        assert!(answered.try_recv().is_err(), "{rest}: nothing was sent");
    }
}

#[test]
fn a_failed_write_hides_no_other_result() {
    let (to, _answered) = server("550 no\r\n");
    let out = blast(to, "--count 3 --hlog /dev/full").output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("0 of 3 messages accepted; 3 rejected"));
    assert!(String::from_utf8_lossy(&out.stderr).contains("/dev/full: cannot be written"));
}

#[test]
fn an_interrupted_blast_fails_its_claims() {
    let (to, answered) = server("250 ok\r\n");
    let mut command = blast(to, "--rate 1000 --count 1000000");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    answered.recv().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("interrupted: the rest was not sent"));
    drop(answered);
}
