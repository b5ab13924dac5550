//! Success means that the requested or due messages were sent, not just those that were attempted.
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::target::{Behavior, PLAIN, Target, report_of};
use crate::common::{Sink, sinkctl};

/// Runs `blast --json`; returns its report, its exit code, and its stderr.
fn blast(to: &str, args: &[&str]) -> (Value, i32, String) {
    let all = [&["blast", "--to", to, "--json"], args].concat();
    let (out, errors, code) = sinkctl(Path::new("."), &all);
    (report_of(&out, &errors), code, errors)
}

#[test]
fn a_blast_to_a_port_without_a_listener_fails() {
    let to = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    for args in [&["--duration", "200ms"][..], &["--rate", "10", "--duration", "200ms"]] {
        let (report, code, errors) = blast(&to, args);
        assert_eq!((report["accepted"].as_u64(), code), (Some(0), 1), "{args:?}: {errors}");
    }
}

#[test]
fn a_blast_to_a_target_that_never_greets_fails() {
    // The backlog of the system accepts the connection; the program is silent.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let (report, code, errors) = blast(&to, &["--duration", "200ms", "--timeout", "1s"]);
    assert_eq!((report["begun"].as_u64(), code), (Some(0), 1), "{errors}");
}

#[test]
fn a_count_that_the_duration_cuts_short_fails() {
    let target = Target::start(PLAIN);
    let args = ["--count", "100000000", "--duration", "300ms", "--connections", "2"];
    let (report, code, errors) = blast(&target.to(), &args);
    assert_eq!(code, 1, "{errors}");
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!(count("begun"), count("accepted"), "{report}");
    assert_eq!(count("begun") + count("not_begun"), 100_000_000, "{report}");
    // The same load without a required count is a success, if there is time for one message.
    let args = ["--duration", "1s", "--connections", "2"];
    let (report, code, errors) = blast(&target.to(), &args);
    assert_eq!((code, report["not_begun"].as_u64()), (0, Some(0)), "{errors}");
}

#[test]
fn a_count_beyond_the_schedule_fails() {
    let target = Target::start(PLAIN);
    let args = ["--count", "100", "--rate", "100", "--duration", "500ms", "--connections", "2"];
    let (report, code, errors) = blast(&target.to(), &args);
    let count = |key: &str| report[key].as_u64().unwrap();
    // Half of the messages, minus those that a busy machine had no time for at the end.
    assert_eq!((code, count("begun") + count("not_begun")), (1, 100), "{errors}{report}");
    assert!((1..=50).contains(&count("begun")), "{report}");
}

#[test]
fn a_blast_whose_target_leaves_halfway_fails_although_every_message_was_accepted() {
    let target = Target::start(Behavior { in_all: Some(20), ..PLAIN });
    let args = ["--duration", "4s", "--connections", "1", "--per-connection", "1"];
    let (report, code, errors) = blast(&target.to(), &args);
    assert_eq!((report["accepted"].as_u64(), report["begun"].as_u64()), (Some(20), Some(20)));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("the target could not be reached at the end"), "{errors}");
}

#[test]
fn a_target_that_turns_some_connections_away_is_not_lost() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--connections-max", "2"]);
    let to = sink.addresses[0].to_string();
    for _ in 0..5 {
        let args = ["--count", "300", "--connections", "30", "--per-connection", "9"];
        let (report, code, errors) = blast(&to, &args);
        assert_eq!((code, report["accepted"].as_u64()), (0, Some(300)), "{errors}{report}");
    }
    assert!(sink.stop().success());
}

/// At 100 messages a second for 2 s, a target that accepts only 5 leaves at least 190 waiting for 1
/// s and longer: they are counted, and are part of the percentiles.
#[test]
fn due_messages_that_could_not_be_sent_count_in_every_percentile() {
    let target = Target::start(Behavior { answered: 5, ..PLAIN });
    let rate = ["--rate", "100", "--duration", "2s", "--connections", "1", "--timeout", "1s"];
    let (report, code, errors) = blast(&target.to(), &rate);
    assert_eq!(code, 1, "{errors}");
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!(count("begun") + count("not_begun"), 200, "{report}");
    assert_eq!((count("accepted"), target.count()), (5, 5), "{report}");
    assert!(count("not_begun") > 190, "{report}");
    // Each of these messages waited until at least 2 s after the start, and half of them were due
    // in the first second.
    for metric in ["late_us", "transaction_us"] {
        let p50 = report["p50"][metric].as_f64().unwrap();
        assert!(p50 >= 1e6, "{metric}: p50 {p50} us: {errors}{report}");
    }
}

#[test]
fn a_rate_that_the_target_sustains_is_a_success() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let to = sink.addresses[0].to_string();
    for arrivals in ["even", "poisson"] {
        let rate = ["--rate", "50", "--duration", "1s", "--arrivals", arrivals, "--seed", "1"];
        // On a busy machine the sender can lack the time for the last message.
        let is_kept = || {
            let (report, code, errors) = blast(&to, &rate);
            let not_begun = report["not_begun"].as_u64().unwrap();
            assert_eq!(code == 0, not_begun == 0, "{errors}{report}");
            assert!(report["accepted"].as_u64() > Some(20), "{report}");
            not_begun == 0
        };
        assert!((0..10).any(|_| is_kept()), "{arrivals}");
    }
    assert!(sink.stop().success());
}

#[test]
fn an_empty_replay_fails_unless_allowed() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("s@a.test", "r@b.test", b"Subject: 1\r\n\r\n");
    assert!(sink.stop().success());
    let target = Target::start(PLAIN);
    for (args, expected) in [
        (&["from:stranger@a.test"][..], 1),
        (&["from:stranger@a.test", "--dry-run"], 1),
        (&["from:stranger@a.test", "--allow-empty"], 0),
        (&["from:s@a.test", "--dry-run"], 0),
        (&["from:s@a.test"], 0),
    ] {
        let to = target.to();
        let all = [&["replay", "--to", &to], args].concat();
        let (_, errors, code) = sinkctl(data.path(), &all);
        assert_eq!(code, expected, "{args:?}: {errors}");
        assert_eq!(errors.contains("nothing to send"), expected == 1, "{errors}");
    }
    assert_eq!(target.count(), 1);
}

#[test]
fn a_replay_that_ends_early_accounts_for_every_message_that_was_planned() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..9 {
        client.deliver("s@a.test", "r@b.test", b"Subject: 1\r\n\r\n");
    }
    assert!(sink.stop().success());
    // The target replies to two messages, and to nothing after them.
    let target = Target::start(Behavior { answered: 2, ..PLAIN });
    let to = target.to();
    let args = ["--speed", "max", "--connections", "1", "--timeout", "1s"];
    let (out, errors, code) =
        sinkctl(data.path(), &[&["replay", "--to", &to, "--json"], &args[..]].concat());
    let report = report_of(&out, &errors);
    let count = |key: &str| report["replay"][key].as_u64().unwrap();
    assert_eq!((code, count("planned"), count("accepted")), (1, 9, 2), "{errors}{report}");
    let came = ["accepted", "deferred", "rejected", "not_sent", "unknown"].map(count);
    let not_begun = report["not_begun"].as_u64().unwrap();
    assert_eq!(came.iter().sum::<u64>() + not_begun, 9, "{report}");
}

/// The survey counts what it has not read: a plan that has ended has nothing left to begin.
#[test]
fn a_skipped_message_is_not_also_counted_as_not_begun() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    for body in ["one", "two", "damaged"] {
        let content = format!("Subject: 1\r\n\r\n{body}\r\n");
        client.deliver("s@a.test", "r@b.test", content.as_bytes());
    }
    assert!(sink.stop().success());
    for entry in std::fs::read_dir(data.path().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let mut octets = std::fs::read(&path).unwrap();
        if let Some(at) = octets.windows(7).position(|window| window == b"damaged") {
            octets[at] = b'D';
            std::fs::write(&path, octets).unwrap();
        }
    }
    let target = Target::start(PLAIN);
    let to = target.to();
    let (out, errors, code) =
        sinkctl(data.path(), &["replay", "--to", &to, "--speed", "max", "--json"]);
    let report = report_of(&out, &errors);
    let replay = &report["replay"];
    assert_eq!((code, &replay["accepted"], &replay["damaged"]), (1, &2.into(), &1.into()));
    assert_eq!(report["not_begun"], 0, "{report}");
}

/// The current second is not written yet when the load ends.
#[test]
fn a_report_right_after_a_load_is_complete() {
    let data = tempfile::tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..200 {
        client.deliver("s@a.test", "r@b.test", b"Subject: 1\r\n\r\n");
    }
    let (page, errors, code) = sinkctl(data.path(), &["report", "-o", "-"]);
    assert_eq!(code, 0, "{errors}");
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("200 messages"), "{}", &page[..page.len().min(600)]);
    assert!(sink.stop().success());
}

#[test]
fn a_sender_counts_refused_messages() {
    let target = Target::start(Behavior { per_connection: 0, ..PLAIN });
    let records = tempfile::tempdir().unwrap();
    let folder = records.path().join("r");
    let args = ["--count", "3", "--connections", "1", "--records", folder.to_str().unwrap()];
    let (report, code, errors) = blast(&target.to(), &args);
    assert_eq!((code, report["deferred"].as_u64()), (1, Some(3)), "{errors}{report}");
    // Each refusal counts once.
    let whats: Vec<_> = report["failures"].as_array().unwrap().iter().map(|f| &f["what"]).collect();
    assert_eq!(whats, ["MAIL 421"], "{report}");
    let (_, errors, code) = sinkctl(&folder, &["assert", "totals.refused == 3"]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn calibrate_reports_missing_prerequisites_before_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    // It must fail before it connects: that port has no listener.
    let args = ["calibrate", "--to", "127.0.0.1:1"];
    let missing = folder.path().join("missing");
    let (_, errors, code) = sinkctl(&missing, &args);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("missing: no such folder (set --data to"), "{errors}");
    let (_, errors, code) = sinkctl(folder.path(), &args);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains(": no statistics in this folder (set --data"), "{errors}");
}
