//! `sinkctl assert`: no claim holds for figures that do not exist or are not complete yet, and
//! every word of a claim must be known.
use crate::common;
use crate::output::{Output, run};

use std::path::Path;

use common::Sink;
use tempfile::tempdir;

/// Output, errors and exit code.
fn assert_claims(data: &Path, claims: &[&str]) -> Output {
    run(data, &[&["assert"], claims].concat())
}

/// Sends messages, and one that is refused as too large.
fn send(sink: &Sink, messages: usize) {
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..messages {
        client.deliver("a@example.org", "b@example.org", b"Subject: x\r\n\r\nx\r\n");
    }
    client.begin("a@example.org", "b@example.org");
    client.send(&[&b"x".repeat(3000)[..], b"\r\n.\r\n"].concat());
    assert_eq!(client.reply().0, 552);
}

const SMALL: [&str; 2] = ["--message-bytes-max", "2000"];

#[test]
fn a_claim_right_after_a_load_waits_for_the_current_second() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &SMALL);
    send(&sink, 20);
    let claims = ["totals.messages == 20", "totals.refused == 1", "replies.5xx == 1"];
    let Output { stdout, stderr, code } = assert_claims(data.path(), &claims);
    assert_eq!(code, 0, "{stdout}{stderr}");
    // The log knows nothing of refused messages, but they are waited for, too.
    send(&sink, 0);
    let Output { stdout, stderr, code } = assert_claims(data.path(), &["replies.5xx == 2"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(sink.stop().success());
}

#[test]
fn no_claim_holds_for_incomplete_figures_unless_allowed() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &SMALL);
    send(&sink, 5);
    assert!(sink.stop().success());
    // As after a kill in the first second.
    for file in std::fs::read_dir(data.path().join("stats")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    for claim in ["replies.5xx == 0", "totals.messages == 0", "totals.messages >= 0"] {
        let Output { stdout, code, .. } = assert_claims(data.path(), &[claim]);
        assert_eq!(code, 1, "{stdout}");
        assert!(
            stdout.starts_with("FAILED") && stdout.contains("5 messages are in the log"),
            "{stdout}"
        );
    }
    let Output { stdout, code, .. } = assert_claims(data.path(), &["not_recorded == 0"]);
    assert!(code == 1 && stdout.contains("FAILED"), "{stdout}");
    let allowed = ["not_recorded <= 5", "totals.messages == 0"];
    let Output { stdout, code, .. } = assert_claims(data.path(), &allowed);
    assert_eq!((code, stdout.matches("ok ").count()), (1, 1), "{stdout}");
    let sink = Sink::start(data.path(), &SMALL);
    send(&sink, 2);
    assert!(sink.stop().success());
    let allowed = ["not_recorded <= 5", "totals.messages == 2"];
    let Output { stdout, code, .. } = assert_claims(data.path(), &allowed);
    assert_eq!((code, stdout.matches("ok ").count()), (0, 2), "{stdout}");
    let Output { code, .. } =
        assert_claims(data.path(), &["not_recorded <= 4", "totals.messages == 2"]);
    assert_eq!(code, 1);
}

#[test]
fn without_traffic_only_claims_about_its_absence_hold() {
    let data = tempdir().unwrap();
    assert!(Sink::start(data.path(), &[]).stop().success());
    for claim in [
        "replies.5xx == 0",
        "replies.4xx < 10",
        "totals.refused == 0",
        "totals.messages <= 100",
        "totals.messages >= 0",
        "rate.max <= 1000",
        "busy.max < 90%",
        "transaction.p99 <= 20ms",
        "transaction.count >= 0",
        "limited_by != sink",
        "limited_by == undecided",
        "not_recorded == 0",
    ] {
        let Output { stdout, stderr, code } = assert_claims(data.path(), &[claim]);
        assert_eq!(code, 1, "{stdout}{stderr}");
        assert!(stdout.contains("nothing was recorded"), "{stdout}");
    }
    let none = ["totals.messages == 0", "totals.bytes < 1", "transaction.count == 0"];
    assert_eq!(assert_claims(data.path(), &none).code, 0);
    // A claim also fails for a span of time without traffic.
    let sink = Sink::start(data.path(), &SMALL);
    send(&sink, 0);
    assert!(sink.stop().success());
    let before = ["--until", "2026-01-01", "replies.5xx == 0"];
    assert_eq!(assert_claims(data.path(), &before).code, 1);
    assert_eq!(assert_claims(data.path(), &["replies.5xx == 1", "totals.messages == 0"]).code, 0);
    for claim in ["rate.max <= 1000", "limited_by != sink"] {
        let Output { stdout, code, .. } = assert_claims(data.path(), &[claim]);
        assert!(code == 1 && stdout.contains("no message was accepted"), "{stdout}");
    }
}

#[test]
fn no_claim_about_what_did_not_limit_a_run_holds_without_a_verdict() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &SMALL);
    send(&sink, 3);
    assert!(sink.stop().success());
    let Output { stdout, code, .. } = assert_claims(data.path(), &["limited_by != sink"]);
    assert!(code == 1 && stdout.contains("it is undecided: too little to tell"), "{stdout}");
    let known = ["limited_by == undecided", "limited_by != undecided"];
    let Output { stdout, code, .. } = assert_claims(data.path(), &known);
    assert_eq!((code, stdout.matches("ok ").count()), (1, 1), "{stdout}");
}

#[test]
fn an_unknown_word_is_an_error_that_lists_the_known_ones() {
    let data = tempdir().unwrap();
    assert!(Sink::start(data.path(), &[]).stop().success());
    for (claim, says) in [
        ("limited_by != sinkk", "sender, network, connections, sink, undecided"),
        ("limited_by != sinkk", "did you mean 'sink'?"),
        ("total.messages > 1", "expected a subject, found 'total'; did you mean 'totals'? See "),
        ("transaction.p98 > 1ms", "count, mean, p50, p90, p99, p99_9, p99_99, max"),
        ("transactoin.p99 > 1ms", "found 'transactoin'; did you mean 'transaction' or "),
        ("transaction.p99 > 1sec", "us, µs, ms, s, found '1sec'"),
    ] {
        let Output { stdout, stderr, code } = assert_claims(data.path(), &[claim]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(says), "{claim}: {stderr}");
    }
    for metric in ["transaction", "transaction_us"] {
        let Output { stdout, stderr, code } = run(data.path(), &["stats", "--metric", metric]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.starts_with("transaction_us: "), "{stdout}");
    }
    let Output { stderr, code, .. } = run(data.path(), &["stats", "--metric", "message_per_s"]);
    assert!(code == 2 && stderr.contains("; did you mean 'messages_per_s', "), "{stderr}");
}
