//! sinkd is killed in mid-campaign, and the sender repeats unacknowledged messages: the audit names
//! exactly the recipients who got two.
use std::collections::BTreeMap;

use super::campaign::{about, address, audit, list};
use crate::common::{Client, Sink, messages, until_some};
use tempfile::tempdir;

const ACKNOWLEDGED: usize = 40;
/// Connections that have sent a message and do not read the reply.
const IN_FLIGHT: usize = 8;
const ALL: usize = 60;

fn client(sink: &Sink) -> Client {
    let mut client = sink.connect();
    client.ehlo();
    client
}

fn send(client: &mut Client, n: usize) {
    client.deliver("news@sender.example", &address(n), about(n).as_bytes());
}

#[test]
fn after_a_kill_the_audit_names_exactly_the_recipients_who_got_a_retry_as_well() {
    let root = tempdir().unwrap();
    let data = root.path().join("data");
    let sink = Sink::start(&data, &["--workers", "2"]);
    let mut first = client(&sink);
    (0..ACKNOWLEDGED).for_each(|n| send(&mut first, n));
    let mut waiting: Vec<Client> = (0..IN_FLIGHT).map(|_| client(&sink)).collect();
    for (n, client) in waiting.iter_mut().enumerate() {
        client.begin("news@sender.example", &address(ACKNOWLEDGED + n));
        client.send(format!("{}.\r\n", about(ACKNOWLEDGED + n)).as_bytes());
    }
    // Some of these messages are committed, whatever happens to the rest.
    let is_half_there = || messages(&data).len() >= ACKNOWLEDGED + IN_FLIGHT / 2;
    until_some("committed messages", || is_half_there().then_some(()));
    sink.kill();

    let sink = Sink::start(&data, &["--workers", "2"]);
    let mut again = client(&sink);
    (ACKNOWLEDGED..ALL).for_each(|n| send(&mut again, n));
    assert!(sink.stop().success());

    let mut got = BTreeMap::<usize, usize>::new();
    for (_, payload) in messages(&data) {
        let text = String::from_utf8(payload).unwrap();
        let number = text.split("X-Sequence: ").nth(1).unwrap()[..6].parse().unwrap();
        *got.entry(number).or_default() += 1;
    }
    let twice: Vec<_> = got.iter().filter(|(_, n)| **n == 2).map(|(n, _)| address(*n)).collect();
    assert!(got.len() == ALL && twice.len() >= IN_FLIGHT / 2, "{got:?}");
    let path = root.path().join("list.csv");
    std::fs::write(&path, list(0..ALL)).unwrap();
    let args = ["--expect", path.to_str().unwrap(), "--csv", "--must-contain", "name"];
    let output = audit(&data, &args);
    let expected: Vec<_> = twice.into_iter().map(|who| ("repeated".to_owned(), who)).collect();
    assert_eq!((output.offenders(), output.code), (expected, 1), "{}", output.errors);
}
