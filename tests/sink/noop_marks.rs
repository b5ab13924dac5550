//! Marks and runs that a client records by NOOP: off by default, limited in number, and harmless
//! whatever a client sends.
use crate::common;

use std::path::Path;

use common::{Client, Sink, sinkctl};
use serde_json::Value;
use tempfile::tempdir;

/// Returns the reply to a command as one line.
fn reply_to(client: &mut Client, line: &str) -> String {
    client.send(format!("{line}\r\n").as_bytes());
    let (code, lines) = client.reply();
    format!("{code} {}", lines.join(" "))
}

/// Returns the runs and marks of the folder.
fn runs(data: &Path) -> Vec<Value> {
    let (out, errors, code) = sinkctl(data, &["runs", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let out = String::from_utf8(out).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn deliver(client: &mut Client, times: usize) {
    for _ in 0..times {
        client.deliver("a@example.org", "b@example.org", b"x\r\n");
    }
}

#[test]
fn a_client_that_can_only_speak_smtp_names_its_run() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--noop-marks", "on"]);
    let mut client = sink.connect();
    client.ehlo();
    assert!(
        reply_to(&mut client, "NOOP sinkd run start one").starts_with("250 2.0.0 Run accepted")
    );
    deliver(&mut client, 3);
    assert!(
        reply_to(&mut client, "noop SINKD mark half way").starts_with("250 2.0.0 Mark accepted")
    );
    deliver(&mut client, 4);
    assert!(
        reply_to(&mut client, "NOOP sinkd run stop").starts_with("250 2.0.0 End of run accepted")
    );
    for (line, reply) in [
        ("NOOP sinkd run start one", "550 5.5.1 A run with this name exists"),
        ("NOOP sinkd run stop", "550 5.5.1 No run is in progress"),
        ("NOOP sinkd run start a/b", "501 5.5.4 "),
        ("NOOP sinkd mark", "501 5.5.4 "),
        ("NOOP", "250 2.0.0 Ok"),
        ("NOOP are you there?", "250 2.0.0 Ok"),
        ("NOOP sinkd run over", "250 2.0.0 Ok"),
    ] {
        assert!(reply_to(&mut client, line).starts_with(reply), "{line}");
    }
    assert_eq!(client.command("QUIT"), 221);
    assert!(sink.stop().success());
    let runs = runs(data.path());
    assert_eq!(runs.len(), 2, "{runs:?}");
    let (run, mark) = (&runs[0], &runs[1]);
    // Runs are whole seconds: everything between the two commands belongs to the run.
    assert_eq!((&run["name"], &run["messages"]), (&"one".into(), &7.into()));
    assert_eq!(mark["text"], "half way");
    let (out, _, _) = sinkctl(data.path(), &["stats", "--json"]);
    let found: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(found["replies"]["250 2.0.0"], 13, "{}", found["replies"]);
    assert!(found["replies"]["500 5.5.2"].is_null());
}

#[test]
fn noop_records_nothing_unless_allowed() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    for line in ["NOOP sinkd mark x", "NOOP sinkd run start one", "NOOP sinkd run stop"] {
        assert_eq!(reply_to(&mut client, line), "250 2.0.0 Ok");
    }
    assert!(sink.stop().success());
    assert!(!data.path().join("events.jsonl").exists());
}

#[test]
fn a_run_from_before_the_start_is_known() {
    let data = tempdir().unwrap();
    Sink::start(data.path(), &[]).stop();
    assert_eq!(sinkctl(data.path(), &["run", "start", "one"]).2, 0);
    let sink = Sink::start(data.path(), &["--noop-marks", "on"]);
    let mut client = sink.connect();
    assert!(reply_to(&mut client, "NOOP sinkd run start one").starts_with("550 "));
    assert!(reply_to(&mut client, "NOOP sinkd run stop").starts_with("250 "));
    assert!(sink.stop().success());
    assert!(runs(data.path())[0]["until"].is_string());
}

#[test]
fn a_mark_can_not_forge_a_line_of_the_log() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--noop-marks", "on"]);
    let mut client = sink.connect();
    let forged = r#"{"event":"run-started","at_ns":0,"name":"forged"}"#;
    let text = format!(r#""}}\n{forged}\u000a"#);
    assert!(reply_to(&mut client, &format!("NOOP sinkd mark {text}")).starts_with("250 "));
    let name = r#"x","at_ns":1,"name":"y"#;
    assert!(reply_to(&mut client, &format!("NOOP sinkd run start {name}")).starts_with("250 "));
    // Line ends are never part of a line, alone or together; C1 controls arrive as UTF-8.
    client.send(format!("NOOP sinkd mark a\n{forged}\n\r\n").as_bytes());
    assert_eq!(client.reply().0, 500);
    client.send(format!("NOOP sinkd mark a\r{forged}\r\r\n").as_bytes());
    assert_eq!(client.reply().0, 500);
    for text in ["a\u{85}b", "\u{9b}2J", &"x".repeat(257)] {
        assert!(reply_to(&mut client, &format!("NOOP sinkd mark {text}")).starts_with("501 "));
    }
    client.send(b"NOOP sinkd mark \xff\xfe\r\n");
    assert_eq!(client.reply().0, 501);
    assert!(sink.stop().success());
    let events = std::fs::read_to_string(data.path().join("events.jsonl")).unwrap();
    assert_eq!(events.lines().count(), 2, "{events}");
    let runs = runs(data.path());
    let found: Vec<&Value> = runs.iter().flat_map(|run| [&run["name"], &run["text"]]).collect();
    assert!(found.contains(&&name.into()) && found.contains(&&text.as_str().into()), "{runs:?}");
}

#[test]
fn a_flood_of_marks_is_refused_and_accepted_marks_are_written() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--noop-marks", "on", "--workers", "2"]);
    let mut clients = [sink.connect(), sink.connect()];
    let flood = "NOOP sinkd mark x\r\n".repeat(100);
    clients.iter_mut().for_each(|client| client.send(flood.as_bytes()));
    let codes: Vec<u16> =
        clients.iter_mut().flat_map(|client| (0..100).map(|_| client.reply().0)).collect();
    let count = |code: u16| codes.iter().filter(|found| **found == code).count();
    assert_eq!(count(250) + count(450), 200);
    // Ten marks a second are allowed, and sending takes a few seconds at most.
    assert!((10..=100).contains(&count(250)), "{}", count(250));
    for mut client in clients {
        // All other commands still work.
        client.ehlo();
        deliver(&mut client, 1);
    }
    assert!(sink.stop().success());
    assert_eq!(runs(data.path()).len(), count(250));
}
