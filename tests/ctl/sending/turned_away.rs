//! Servers that limit messages per connection: no message is lost, and none is sent twice.
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::target::{Behavior, PLAIN, Target, report_of};
use crate::common::{Sink, sinkctl};

fn blast(target: &Target, args: &[&str]) -> (Value, i32, String) {
    let to = target.to();
    let all = [&["blast", "--to", &to, "--json"], args].concat();
    let (out, errors, code) = sinkctl(Path::new("."), &all);
    (report_of(&out, &errors), code, errors)
}

/// Returns the numbers of the accepted messages, each of which must occur once.
fn numbers(target: &Target) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for (_, content) in target.accepted.lock().unwrap().iter() {
        let text = String::from_utf8_lossy(content);
        let field = text.lines().find_map(|line| line.strip_prefix("X-Sequence: ")).unwrap();
        assert!(numbers.insert(field.parse().unwrap()), "{field} came twice");
    }
    numbers
}

#[test]
fn no_message_is_lost_to_a_421_at_mail_after_others_were_accepted() {
    for (extensions, args) in [
        (&[][..], &["--connections", "1"][..]),
        (&[], &["--connections", "7", "--threads", "2"]),
        (&["PIPELINING"], &["--connections", "2", "--depth", "4"]),
        (&["PIPELINING", "CHUNKING"], &["--connections", "2", "--depth", "1"]),
        (&[], &["--connections", "2", "--rate", "2000"]),
    ] {
        let target = Target::start(Behavior { extensions, per_connection: 3, ..PLAIN });
        let (report, code, errors) = blast(&target, &[&["--count", "50"], args].concat());
        assert_eq!(code, 0, "{args:?}: {errors}{report}");
        assert_eq!(report["accepted"], 50, "{args:?}: {report}");
        assert!(report["resent"].as_u64() > Some(0), "{args:?}: {report}");
        assert!(numbers(&target).into_iter().eq(0..50), "{args:?}");
    }
}

#[test]
fn a_421_to_the_first_mail_is_a_deferral() {
    let target = Target::start(Behavior { per_connection: 0, ..PLAIN });
    let (report, code, errors) = blast(&target, &["--count", "3", "--connections", "1"]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!((&report["deferred"], &report["resent"]), (&3.into(), &0.into()), "{report}");
}

/// Two sessions of three messages.
fn fill(data: &Path) {
    let sink = Sink::start(data, &[]);
    for session in 0..2 {
        let mut client = sink.connect();
        client.ehlo();
        for message in 0..3 {
            let content = format!("X-Sequence: {}\r\n\r\n", 3 * session + message);
            client.deliver("s@a.test", "r@b.test", content.as_bytes());
        }
        assert_eq!(client.command("QUIT"), 221);
    }
    assert!(sink.stop().success());
}

fn replay(data: &Path, to: &str, args: &[&str]) -> (Value, i32, String) {
    let (out, errors, code) =
        sinkctl(data, &[&["replay", "--to", to, "--speed", "max", "--json"], args].concat());
    (report_of(&out, &errors), code, errors)
}

#[test]
fn a_replayed_session_continues_on_another_connection() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    for connections in ["original", "1"] {
        let target = Target::start(Behavior { per_connection: 1, ..PLAIN });
        let args = ["--connections", connections];
        let (report, code, errors) = replay(data.path(), &target.to(), &args);
        assert_eq!((code, &report["replay"]["accepted"]), (0, &6.into()), "{errors}{report}");
        assert!(report["resent"].as_u64() >= Some(4), "{report}");
        assert!(numbers(&target).into_iter().eq(0..6), "{connections}");
        if connections == "original" {
            assert_eq!(report["extra_connections"]["ended"], 4, "{report}");
        }
    }
}

/// RFC 9422: a client that respects MAILMAX is never refused for exceeding it.
#[test]
fn an_announced_limit_is_respected() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sink = Sink::start(there.path(), &["--messages-max", "1"]);
    let to = sink.addresses[0].to_string();
    let args = ["blast", "--to", &to, "--json", "--count", "20", "--connections", "3"];
    let (out, errors, code) = sinkctl(Path::new("."), &args);
    let report = report_of(&out, &errors);
    assert_eq!((code, &report["failures"]), (0, &serde_json::json!([])), "{errors}{report}");
    assert!(report["connections"].as_u64() >= Some(20), "{report}");
    fill(here.path());
    let (report, code, errors) = replay(here.path(), &to, &["--connections", "original"]);
    assert_eq!((code, &report["failures"]), (0, &serde_json::json!([])), "{errors}{report}");
    assert_eq!(report["extra_connections"]["ended"], 4, "{report}");
    let (output, errors, code) =
        sinkctl(here.path(), &["replay", "--to", &to, "--connections", "original", "-y"]);
    assert_eq!(code, 0, "{errors}");
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.contains("4 extra connections: the target had ended the session's connection"),
        "{output}"
    );
    assert!(sink.stop().success());
}

#[test]
fn a_421_at_the_greeting_defers_the_waiting_messages() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    let target = Target::start(Behavior { greeting: "421 4.3.2 try later", ..PLAIN });
    let (report, code, errors) = replay(data.path(), &target.to(), &["--connections", "original"]);
    assert_eq!((code, &report["replay"]["deferred"]), (1, &6.into()), "{errors}{report}");
    assert_eq!(report["failures"][0]["what"], "greeting 421", "{report}");
}
