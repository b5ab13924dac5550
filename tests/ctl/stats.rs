//! `sinkctl stats` over a real sinkd: exact totals and exact counts of replies, in every storage
//! mode, after a kill, and merged over folders.
use crate::common;

use std::path::Path;

use common::{LOAD_ARGS as ARGS, Sink, sinkctl, sinkctl_on};
use serde_json::Value;
use tempfile::tempdir;

fn stats(folders: &[&Path], more: &[&str]) -> Value {
    let (out, errors, code) = sinkctl_on(folders, &[&["stats", "--json"], more].concat());
    assert_eq!(code, 0, "{errors}");
    serde_json::from_slice(&out).unwrap()
}

fn load(sink: &Sink, sessions: usize) {
    common::load(sink, sessions, |_| b"Subject: x\r\n\r\nx\r\n".to_vec());
}

fn check(found: &Value, sessions: u64) {
    let totals = &found["totals"];
    assert_eq!(totals["messages"], 5 * sessions, "{found}");
    assert_eq!(totals["recipients"], 10 * sessions);
    assert_eq!(totals["bytes"], 85 * sessions);
    assert_eq!(totals["connections"], sessions);
    assert_eq!(totals["refused"], sessions);
    let replies = &found["replies"];
    for (reply, times) in [
        ("220", 1),
        ("250", 1),
        ("250 2.1.0", 6),
        ("250 2.1.5", 11),
        ("354", 6),
        ("250 2.0.0", 5),
        ("500 5.5.2", 1),
        ("552 5.3.4", 1),
        ("221 2.0.0", 1),
    ] {
        assert_eq!(replies[reply], times * sessions, "{reply}: {replies}");
    }
    assert_eq!(replies.as_object().unwrap().len(), 9, "{replies}");
    let count = |metric: &str| found["metrics"][metric]["count"].as_u64().unwrap();
    assert_eq!(found["transaction_us"]["count"], 5 * sessions);
    assert_eq!(count("service_message_us"), 6 * sessions);
    // EHLO, six times MAIL and DATA, eleven RCPT, WHAT, QUIT.
    assert_eq!(count("service_command_us"), 26 * sessions);
    for (metric, times) in [
        ("think_ehlo_us", 1),
        ("think_mail_us", 1),
        ("think_next_us", 5),
        ("think_rcpt_us", 11),
        ("think_data_us", 6),
        ("think_payload_us", 6),
        ("think_close_us", 1),
        ("session_us", 1),
    ] {
        assert_eq!(count(metric), times * sessions, "{metric}");
    }
    // A payload that arrives in one piece takes no time, whatever the think time before it.
    assert_eq!(found["metrics"]["transfer_us"]["max"], 0);
    assert_eq!(found["metrics"]["message_bytes"]["max"], 17);
    assert_eq!(found["metrics"]["recipients_per_message"]["p50"], 2);
    assert_eq!(found["metrics"]["messages_per_session"]["max"], 5);
    assert_eq!(found["not_recorded"], 0);
}

#[test]
fn totals_replies_and_phases_are_counted_to_the_message_in_every_storage_mode() {
    for store in ["full", "headers", "envelope", "none"] {
        let data = tempdir().unwrap();
        let sink = Sink::start(data.path(), &[&ARGS[..], &["--store", store]].concat());
        load(&sink, 7);
        assert!(sink.stop().success());
        check(&stats(&[data.path()], &[]), 7);
        // A second start on the same folder adds to the totals; removed and pruned messages still
        // count as accepted.
        let sink = Sink::start(data.path(), &ARGS);
        load(&sink, 3);
        assert!(sink.stop().success());
        assert_eq!(sinkctl(data.path(), &["rm", "--all"]).2, 0);
        assert_eq!(sinkctl(data.path(), &["prune", "--removed"]).2, 0);
        check(&stats(&[data.path()], &[]), 10);
    }
}

#[test]
fn two_sinks_together_have_the_figures_of_both_loads() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    for (data, sessions) in [(&one, 4), (&two, 6)] {
        let sink = Sink::start(data.path(), &ARGS);
        load(&sink, sessions);
        assert!(sink.stop().success());
    }
    check(&stats(&[one.path(), two.path()], &[]), 10);
}

#[test]
fn after_a_kill_missing_figures_are_reported() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    load(&sink, 5);
    sink.kill();
    let found = stats(&[data.path()], &[]);
    let recorded = found["totals"]["messages"].as_u64().unwrap();
    assert_eq!(recorded + found["not_recorded"].as_u64().unwrap(), 25);
}

#[test]
fn refused_and_dismissed_connections_are_counted_with_their_replies() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--connections-per-client-max", "1"]);
    let mut first = sink.connect();
    for _ in 0..3 {
        assert_eq!(sink.connect_quietly().reply().0, 421);
    }
    sink.signal(rustix::process::Signal::TERM);
    assert_eq!(first.reply().0, 421);
    assert!(sink.wait().success());
    let found = stats(&[data.path()], &[]);
    for (total, n) in [("connections", 1), ("turned_away", 3), ("dismissed", 1)] {
        assert_eq!(found["totals"][total], n, "{total}: {found}");
    }
    assert_eq!(found["replies"]["421 4.7.0"], 3, "{found}");
    assert_eq!(found["replies"]["421 4.3.2"], 1, "{found}");
    let claims = ["assert", "totals.turned_away == 3", "totals.dismissed == 1"];
    for (args, says) in [
        (&["stats"][..], "1 connection, 3 turned away, 1 dismissed"),
        (&["stats", "--prometheus"], "sinkd_connections_turned_away_total 3\n"),
        (&["stats", "--interval", "1h", "--csv"], ",0,1,0.0,"),
        (&claims, "ok      totals.dismissed == 1"),
        (&["report", "-o", "-"], "3 turned away (421), 1 dismissed (421)"),
    ] {
        let (out, errors, code) = sinkctl(data.path(), args);
        let out = String::from_utf8(out).unwrap();
        assert!(code == 0 && out.contains(says), "{args:?}: {errors}{out}");
    }
}

#[test]
fn sessions_that_are_still_open_are_shown_with_their_messages() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let (mut over, mut open) = (sink.connect(), sink.connect());
    for (client, messages) in [(&mut over, 2), (&mut open, 3)] {
        client.ehlo();
        for _ in 0..messages {
            client.deliver("a@example.org", "b@example.org", b"x\r\n");
        }
    }
    assert_eq!(over.command("QUIT"), 221);
    let found = common::until_some("an open session", || {
        assert_eq!(open.command("NOOP"), 250);
        let found = stats(&[data.path()], &[]);
        (found["totals"]["messages"] == 5 && found["open_sessions"]["sessions"] == 1)
            .then_some(found)
    });
    assert_eq!(found["open_sessions"]["messages"], 3, "{found}");
    assert_eq!(found["metrics"]["messages_per_session"]["count"], 1);
    let (out, _, _) = sinkctl(data.path(), &["stats"]);
    let out = String::from_utf8(out).unwrap();
    let says = "1 session is not in figures of sessions yet; 3 messages so far";
    assert!(out.contains(says), "{out}");
    assert_eq!(open.command("QUIT"), 221);
    assert!(sink.stop().success());
    assert_eq!(stats(&[data.path()], &[])["open_sessions"]["sessions"], 0);
}

#[test]
fn no_time_before_the_start_is_recorded() {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    load(&sink, 1);
    assert!(sink.stop().success());
    let mut lines = 0;
    for entry in std::fs::read_dir(data.path().join("stats")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["second"].as_u64().unwrap() >= since, "{line}");
            lines += 1;
        }
    }
    assert!(lines > 0);
}

#[test]
fn the_transfer_of_a_payload_begins_with_its_first_octet() {
    // The test measures what a sender does with its time, so here time must pass.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(60);
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..3 {
        client.begin("a@example.org", "b@example.org");
        std::thread::sleep(PAUSE);
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
        assert_eq!(client.reply().0, 250);
    }
    assert!(sink.stop().success());
    let found = stats(&[data.path()], &[]);
    let max = |metric: &str| found["metrics"][metric]["max"].as_u64().unwrap();
    assert!(max("think_payload_us") >= 60_000, "{found}");
    // The pause is not included.
    assert!(max("transfer_us") < 60_000, "{found}");
    let verdict = &found["verdict"];
    assert_eq!(verdict["limited_by"], "undecided", "three messages are too few: {verdict}");
}

#[test]
fn the_times_of_a_connection_do_not_exceed_elapsed_time() {
    const MESSAGES: usize = 20_000;
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    // Replies are sent several times in a round, and rounds end before the input does.
    let message = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT 2 LAST\r\n\r\n";
    let mut writer = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &message.repeat(MESSAGES)).unwrap();
    });
    for _ in 0..3 * MESSAGES {
        assert_eq!(client.reply().0, 250);
    }
    sending.join().unwrap();
    assert!(sink.stop().success());
    let found = stats(&[data.path()], &[]);
    assert_eq!(found["totals"]["messages"], MESSAGES as u64);
    let connections = found["verdict"]["connections"].as_f64().unwrap();
    assert!(connections < 1.5, "{connections} connections: {}", found["counters"]);
}

#[test]
fn every_output_form_works_without_mail() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    for sessions in [0, 3] {
        load(&sink, sessions);
        if sessions == 0 {
            assert_eq!(sinkctl(data.path(), &["stats"]).0, b"no message was recorded\n");
        }
        for args in [
            &["stats"][..],
            &["stats", "--csv"],
            &["stats", "--all"],
            &["stats", "--prometheus"],
            &["stats", "--metric", "messages_per_s"],
            &["stats", "--metric", "messages_per_100ms", "--json"],
            &["stats", "--interval", "10s"],
            &["stats", "--interval", "1s", "--csv"],
            &["stats", "--interval", "1s", "--json"],
            &["stats", "--metric", "transaction_us"],
            &["stats", "--metric", "think_data_us", "--hgrm"],
            &["stats", "--metric", "message_bytes", "--csv"],
            &["stats", "--since", "1h", "--until", "0s"],
        ] {
            let (out, errors, code) = sinkctl(data.path(), args);
            assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
            assert!(!String::from_utf8(out).unwrap().contains("NaN"), "{args:?}");
        }
    }
    let (text, _, _) = sinkctl(data.path(), &["stats", "--prometheus"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("sinkd_messages_total 15\n"), "{text}");
    assert!(text.contains("sinkd_transaction_seconds_count 15\n"), "{text}");
    assert!(sink.stop().success());
    let (_, errors, code) = sinkctl(data.path(), &["stats", "--metric", "nothing"]);
    assert!(code == 2 && errors.contains("; see sinkctl stats --metrics"), "{errors}");
    let (list, _, code) = sinkctl(Path::new("nowhere"), &["stats", "--metrics"]);
    let list = String::from_utf8(list).unwrap();
    assert!(code == 0 && list.contains("\nthink_payload_us "), "{list}");
    let off = tempdir().unwrap();
    Sink::start(off.path(), &["--stats", "off"]).stop();
    assert!(!off.path().join("stats").exists());
}

#[test]
fn claims_about_a_folder_without_statistics_are_errors() {
    let data = tempdir().unwrap();
    let off = data.path().join("off");
    assert!(Sink::start(&off, &["--stats", "off"]).stop().success());
    let empty = data.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let missing = data.path().join("mistyped");
    for folder in [&off, &empty, &missing] {
        for args in [&["assert", "replies.5xx == 0"][..], &["stats"], &["report", "-o", "-"]] {
            let (out, errors, code) = sinkctl(folder, args);
            assert_eq!((code, out.as_slice()), (2, &b""[..]), "{args:?}: {errors}");
            assert!(errors.contains(&folder.display().to_string()), "{args:?}: {errors}");
        }
    }
    let (_, errors, code) = sinkctl(&missing, &["runs"]);
    assert!(code == 2 && errors.contains("mistyped"), "{errors}");
}

#[test]
fn no_claim_holds_where_statistics_are_damaged() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    load(&sink, 1);
    assert!(sink.stop().success());
    let claim = ["assert", "totals.messages >= 1"];
    assert_eq!(sinkctl(data.path(), &claim).2, 0);
    let files = std::fs::read_dir(data.path().join("stats")).unwrap();
    let is_counters = |path: &std::path::PathBuf| path.extension().is_some_and(|x| x == "jsonl");
    for path in files.map(|file| file.unwrap().path()).filter(is_counters) {
        let mut lines = std::fs::read(&path).unwrap();
        lines.extend_from_slice(b"not a line of counters\n");
        std::fs::write(&path, lines).unwrap();
    }
    let junit = data.path().join("junit.xml");
    let with_junit = [&claim[..], &["--junit", junit.to_str().unwrap()]].concat();
    let (out, errors, code) = sinkctl(data.path(), &with_junit);
    let out = String::from_utf8(out).unwrap();
    assert!(code == 1 && errors.contains("jsonl"), "{errors}");
    assert!(out.starts_with("FAILED") && out.contains("statistics are damaged"), "{out}");
    assert!(std::fs::read_to_string(junit).unwrap().contains("failures=\"1\""));
}
