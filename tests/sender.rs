//! The sending engine against a real sinkd, in each way of speaking, and against servers that are not
//! what they should be.
mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Sink, messages};
use sinkd::sender::source::{Error, Lane, Next, Order, Outcome, Source};
use sinkd::sender::{Address, Connections, Report, Settings, Shared, run};
use sinkd::smtp::client::{Mail, Options, Protocol};

/// So many numbered messages; `done` checks that each ends once.
struct Numbered {
    next: u64,
    count: u64,
    lanes: Option<u64>,
    due_ns: Option<u64>,
    open: BTreeSet<u64>,
}

impl Numbered {
    fn new(count: u64) -> Numbered {
        Numbered { next: 0, count, lanes: None, due_ns: None, open: BTreeSet::new() }
    }

    fn over(mut self, lanes: u64) -> Numbered {
        self.lanes = Some(lanes);
        self
    }

    fn every(mut self, ns: u64) -> Numbered {
        self.due_ns = Some(ns);
        self
    }
}

impl Source for Numbered {
    fn next(&mut self, mail: &mut Mail) -> Result<Next, Error> {
        let ticket = self.next;
        if ticket == self.count {
            return Ok(Next::End);
        }
        self.next += 1;
        mail.from(b"sender@example.org", b"");
        for recipient in 0..=ticket % 3 {
            mail.to(format!("r{recipient}@example.com").as_bytes(), b"");
        }
        mail.head.extend_from_slice(format!("Subject: {ticket}\r\n\r\n").as_bytes());
        mail.body = vec![b'x'; 78 * (ticket % 40) as usize].into();
        if !mail.body.is_empty() {
            mail.body = [&mail.body[..], b"\r\n"].concat().into();
        }
        let lane = self
            .lanes
            .map(|lanes| Lane { key: ticket % lanes, is_last: ticket + lanes >= self.count });
        assert!(self.open.insert(ticket));
        Ok(Next::Mail(Order { ticket, due_ns: self.due_ns.map(|ns| ns * ticket), lane }))
    }

    fn done(&mut self, ticket: u64, _: &Mail, outcome: &Outcome<'_>) {
        assert!(self.open.remove(&ticket), "each message ends once");
        assert!(outcome.is_accepted(), "{ticket}: {outcome:?}");
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.open.is_empty(), "{:?}", self.open);
    }
}

fn options() -> Options {
    let name = "client.example".into();
    Options { protocol: Protocol::Smtp, name, pipelining: true, chunking: true, depth: 4 }
}

fn settings(address: Address, connections: Connections) -> Settings {
    Settings {
        address,
        session: options(),
        connections,
        per_connection: None,
        opening_max: 16,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(20),
        duration: None,
        grace: Duration::from_secs(5),
    }
}

fn send(settings: &Settings, sources: Vec<Box<dyn Source>>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::default());
    let report = run(settings, sources, folder.path(), &shared).unwrap();
    assert_eq!(shared.done.load(Ordering::Relaxed), report.tally.ended());
    assert_eq!(shared.open.load(Ordering::Relaxed), 0);
    report
}

/// Sends these messages in this way, to the first listener or to another one: all of them are there,
/// whole, once.
fn check(listen: &str, change: impl Fn(&mut Settings), sources: Vec<Numbered>) {
    let data = tempfile::tempdir().unwrap();
    let listen = if listen.is_empty() { vec![] } else { vec!["--listen", listen] };
    let sink = Sink::start(data.path(), &listen);
    let address = Address::Tcp(*sink.addresses.last().unwrap());
    let mut settings = settings(address, Connections::Kept(7));
    change(&mut settings);
    let count: u64 = sources.iter().map(|source| source.count).sum();
    let boxed = sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>).collect();
    let report = send(&settings, boxed);
    assert_eq!(report.error, None);
    assert_eq!(report.tally.accepted, count, "{:?}", report.tally);
    assert!(report.tally.failures.is_empty(), "{:?}", report.tally.failures);
    assert!(sink.stop().success());
    let stored = messages(data.path());
    assert_eq!(stored.len() as u64, count);
    let subjects: BTreeSet<Vec<u8>> = stored
        .iter()
        .map(|(_, payload)| payload.split(|octet| *octet == b'\n').next().unwrap().to_vec())
        .collect();
    assert_eq!(subjects.len() as u64, count);
}

#[test]
fn every_way_of_speaking_delivers_everything_once() {
    type Change = fn(&mut Options);
    let ways: [(&str, Change); 5] = [
        ("", |o| (o.pipelining, o.chunking) = (false, false)),
        ("", |o| (o.pipelining, o.chunking) = (true, false)),
        ("", |o| (o.pipelining, o.chunking) = (false, true)),
        ("", |o| (o.pipelining, o.chunking) = (true, true)),
        ("lmtp:127.0.0.1:0", |o| o.protocol = Protocol::Lmtp),
    ];
    for (listen, change) in ways {
        check(listen, |settings| change(&mut settings.session), vec![Numbered::new(300)]);
    }
}

#[test]
fn connections_end_after_so_many_messages() {
    check("", |s| s.per_connection = Some(5), vec![Numbered::new(300)]);
}

#[test]
fn lanes_have_connections_of_their_own() {
    let by_lane = |s: &mut Settings| s.connections = Connections::ByLane(50);
    check("", by_lane, vec![Numbered::new(300).over(9)]);
    check("", by_lane, vec![Numbered::new(300).over(9).every(100_000)]);
}

#[test]
fn what_is_due_leaves_one_after_the_other() {
    check("", |_| {}, vec![Numbered::new(300).every(200_000)]);
}
