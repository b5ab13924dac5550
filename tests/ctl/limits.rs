//! `sinkctl limits` over a real sinkd: the figures of each client are exact, and missing records
//! are always reported.
use crate::common;
use crate::output::{Output, run};

use std::path::{Path, PathBuf};

use common::{Client, Sink, sinkctl_on};
use serde_json::Value;
use tempfile::tempdir;

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];

/// One worker, as the order of events of several workers is only known by round.
fn start(data: &Path) -> Sink {
    Sink::start(data, &["--workers", "1"])
}

fn limits(folders: &[&Path], more: &[&str]) -> (Value, i32) {
    let (out, errors, code) = sinkctl_on(folders, &[&["limits", "--json"], more].concat());
    assert!(errors.is_empty() || code == 1, "{errors}");
    (serde_json::from_slice(&out).unwrap(), code)
}

fn deliver(client: &mut Client, recipients: usize) {
    assert_eq!(client.command("MAIL FROM:<a@example.org>"), 250);
    for n in 0..recipients {
        assert_eq!(client.command(&format!("RCPT TO:<b{n}@example.net>")), 250);
    }
    assert_eq!(client.command("DATA"), 354);
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
    assert_eq!(client.reply().0, 250);
}

fn connect(sink: &Sink, from: [u8; 4]) -> Client {
    let mut client = sink.connect_from(from, 0);
    client.ehlo();
    client
}

/// Two connections at once from one client, one of them without mail, then a third; and one
/// connection from another client. All of them have ended.
fn send(sink: &Sink) {
    let mut first = connect(sink, ONE);
    let mut idle = connect(sink, ONE);
    (0..3).for_each(|_| deliver(&mut first, 1));
    for client in [&mut first, &mut idle] {
        assert_eq!(client.command("QUIT"), 221);
    }
    drop((first, idle));
    let mut third = connect(sink, ONE);
    deliver(&mut third, 2);
    assert_eq!(third.command("QUIT"), 221);
    let mut other = connect(sink, TWO);
    (0..2).for_each(|_| deliver(&mut other, 5));
    assert_eq!(other.command("QUIT"), 221);
}

fn client_row<'a>(found: &'a Value, client: &str) -> &'a Value {
    let clients = found["clients"].as_array().unwrap();
    clients.iter().find(|it| it["client"] == client).unwrap_or_else(|| panic!("{found}"))
}

fn numbers<const N: usize>(client: &Value, keys: [&str; N]) -> [u64; N] {
    keys.map(|key| client[key].as_u64().unwrap_or_else(|| panic!("{key}: {client}")))
}

/// Keys for the number of connections, those without a message, those open at the end, the
/// messages, the recipients, and the most recipients of one message.
const COUNTS: [&str; 6] = [
    "connections",
    "without_message",
    "open_at_end",
    "messages",
    "recipients",
    "recipients_per_message_max",
];

fn sessions_file(data: &Path) -> PathBuf {
    let entries = std::fs::read_dir(data.join("stats")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|it| it == "sessions")).unwrap()
}

#[test]
fn limits_are_reported_for_each_client_and_in_total() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    send(&sink);
    let check = |found: &Value| {
        let (one, two) = (client_row(found, "127.0.0.1"), client_row(found, "127.0.0.2"));
        assert_eq!(numbers(one, COUNTS), [3, 1, 0, 4, 5, 2]);
        assert_eq!(numbers(two, COUNTS), [1, 0, 0, 2, 10, 5]);
        assert_eq!(numbers(&found["all"], COUNTS), [4, 1, 0, 6, 15, 5]);
        assert_eq!(
            (&one["open_at_once"]["max"], &two["open_at_once"]["max"]),
            (&2.into(), &1.into())
        );
        let per = |it: &Value, figure| it["messages_per_connection"][figure].as_u64().unwrap();
        assert_eq!((per(one, "p50"), per(one, "max"), per(two, "max")), (1, 3, 2));
        let hour = &one["windows"][2];
        assert_eq!((&hour["seconds"], &hour["messages"]["max"]), (&3600.into(), &4.into()));
        assert_eq!(hour["connections_opened"]["max"], 3);
        assert_eq!((&found["gap"], &found["turned_away"]), (&Value::Null, &0.into()));
    };
    // During the session, and long after it.
    let (live, code) = limits(&[data.path()], &[]);
    assert_eq!(code, 0, "{live}");
    check(&live);
    assert!(sink.stop().success());
    check(&limits(&[data.path()], &[]).0);
    let Output { stdout: text, code, .. } =
        run(data.path(), &["limits", "--window", "1h", "--top", "1"]);
    assert_eq!(code, 0);
    let counts = text.lines().nth(1).unwrap();
    assert_eq!(counts, "2 clients, 6 messages, 4 connections, 1 without a message", "{text}");
    assert!(text.contains("messages in 1h") && text.contains("1 other"), "{text}");
}

#[test]
fn limits_can_be_asserted_and_no_claim_holds_without_connections() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    let Output { stdout, code, .. } = run(data.path(), &["assert", "limits.open_at_once <= 100"]);
    assert_eq!(code, 1, "{stdout}");
    send(&sink);
    let holds = [
        "limits.open_at_once == 2",
        "limits.messages_per_connection <= 3",
        "limits.messages_per_1h == 4",
        "limits.opened_per_1d == 3",
        "limits.recipients_per_message == 5",
    ];
    let Output { stdout, stderr, code } = run(data.path(), &[&["assert"][..], &holds].concat());
    assert_eq!(code, 0, "{stdout}{stderr}");
    let Output { stdout, code, .. } =
        run(data.path(), &["assert", "limits.messages_per_connection < 3"]);
    assert!(code == 1 && stdout.contains("it is 3, by 127.0.0.1"), "{stdout}");
    let Output { stderr, code, .. } =
        run(data.path(), &["assert", "limits.messages_per_1m <= 200/s"]);
    assert!(code == 2 && stderr.contains("200/s"), "a number is not a rate: {stderr}");
}

#[test]
fn a_span_that_ends_before_it_begins_has_no_connections_and_is_not_a_panic() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    send(&sink);
    let Output { stdout, stderr, code } =
        run(data.path(), &["limits", "--since", "10m", "--until", "20m"]);
    assert!(code == 1 && stdout.contains("no connection was recorded"), "{stdout}{stderr}");
}

#[test]
fn a_folder_given_twice_counts_once() {
    let data = tempdir().unwrap();
    drop(start(data.path()));
    for command in [&["limits"][..], &["stats"], &["assert", "totals.messages == 0"]] {
        let (_, errors, code) = sinkctl_on(&[data.path(), data.path()], command);
        assert!(code == 2 && errors.contains("same folder") || errors.contains("one folder"));
    }
}

#[test]
fn a_connection_that_began_before_the_span_counts_as_open_in_it() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    let mut client = connect(&sink, ONE);
    deliver(&mut client, 1);
    assert_eq!(run(data.path(), &["run", "start", "second"]).code, 0);
    deliver(&mut client, 1);
    let (found, code) = limits(&[data.path()], &["--run", "second"]);
    assert_eq!(code, 0, "{found}");
    let keys = ["connections", "began_before", "open_at_end", "messages"];
    assert_eq!(numbers(client_row(&found, "127.0.0.1"), keys), [1, 1, 1, 1]);
    let per_connection = &found["all"]["messages_per_connection"]["max"];
    assert_eq!(per_connection, 2, "of the whole connection");
}

#[test]
fn connections_cut_off_by_a_kill_ended_with_it() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    let mut client = connect(&sink, ONE);
    deliver(&mut client, 1);
    let (before, _) = limits(&[data.path()], &[]);
    assert_eq!(numbers(&before["all"], ["open_at_end", "cut_off"]), [1, 0]);
    sink.kill();
    let sink = start(data.path());
    send(&sink);
    let (found, code) = limits(&[data.path()], &[]);
    assert_eq!(code, 1, "the last seconds before a kill are not on record: {found}");
    let keys = ["connections", "open_at_end", "cut_off", "messages"];
    assert_eq!(numbers(client_row(&found, "127.0.0.1"), keys), [4, 0, 1, 5]);
    let claims = ["assert", "not_recorded <= 100", "limits.open_at_once <= 100"];
    let Output { stdout, code, .. } = run(data.path(), &claims);
    assert!(code == 1 && stdout.contains("cut off when sinkd was killed"), "{stdout}");
    assert_eq!(client_row(&found, "127.0.0.1")["open_at_once"]["max"], 2);
}

#[test]
fn missing_records_are_reported_and_fail_every_claim() {
    let data = tempdir().unwrap();
    let sink = start(data.path());
    send(&sink);
    assert!(sink.stop().success());
    let path = sessions_file(data.path());
    let whole = std::fs::read(&path).unwrap();
    let claim = "limits.messages_per_connection <= 100";

    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let Output { stdout, stderr, code } = run(data.path(), &["limits"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(
        stderr.contains("hold no records of connections") && stdout.contains("are damaged"),
        "{stderr}{stdout}"
    );
    assert_eq!(run(data.path(), &["assert", claim]).code, 1);

    // A folder of an earlier sinkd.
    std::fs::remove_file(&path).unwrap();
    let Output { stdout, code, .. } = run(data.path(), &["limits"]);
    assert!(
        code == 1 && stdout.contains("6 messages came over no connection on record"),
        "{stdout}"
    );
    assert_eq!(run(data.path(), &["assert", claim]).code, 1);
    std::fs::write(&path, whole).unwrap();
    assert_eq!(run(data.path(), &["assert", claim]).code, 0);

    // Unreadable counters can lack messages.
    let counters = path.with_extension("jsonl");
    let mut lines = std::fs::read_to_string(&counters).unwrap();
    lines.push_str("{\"second\":nonsense}\n");
    std::fs::write(&counters, lines).unwrap();
    let Output { stdout, stderr, code } = run(data.path(), &["limits"]);
    assert!(code == 1 && stdout.contains("statistics are damaged"), "{stdout}{stderr}");
}

#[test]
fn clients_of_several_sinks_count_together() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let sinks = [start(one.path()), start(two.path())];
    let mut clients = sinks.each_ref().map(|sink| connect(sink, ONE));
    clients.iter_mut().for_each(|client| deliver(client, 1));
    let (found, code) = limits(&[one.path(), two.path()], &[]);
    assert_eq!(code, 0, "{found}");
    assert_eq!(numbers(client_row(&found, "127.0.0.1"), ["connections", "open_at_end"]), [2, 2]);
    assert_eq!(client_row(&found, "127.0.0.1")["open_at_once"]["max"], 2);
}

#[test]
fn records_of_a_sender_have_no_client_connections() {
    let (data, records) = (tempdir().unwrap(), tempdir().unwrap());
    let sink = start(data.path());
    let records_of = records.path().to_str().unwrap();
    let to = sink.addresses[0].to_string();
    let args = ["blast", "--to", &to, "--count", "10", "--records", records_of];
    assert_eq!(run(data.path(), &args).code, 0);
    let Output { stdout, code, .. } = run(records.path(), &["limits"]);
    assert!(code == 1 && stdout.contains("a sender's records"), "{stdout}");
    assert_eq!(run(data.path(), &["limits", "--window", "1ms"]).code, 2);
    assert_eq!(run(&data.path().join("absent"), &["limits"]).code, 2);
}
