//! The sending engine against a real sinkd, in each protocol mode, and against misbehaving servers.
//! For tests of timing, see tests/sim/sending.rs.
use crate::common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Sink, messages};
use sinkd::sender::source::{
    DueMessage, Lane, LaneKey, Outcome, Pulled, SessionEnd, Source, SourceError,
};
use sinkd::sender::{
    Connections, Ends, FailureKind, ResolvedAddress, SendReport, SendingSettings, SharedRun, run,
};
use sinkd::smtp::client::{Options, OutgoingMail, Phase, Protocol, ReplyCode};
use sinkd::time::MonotonicNs;

/// A source of numbered messages; `done` checks that each message ends once.
struct Numbered {
    next: u64,
    count: u64,
    lanes: Option<u64>,
    due_ns: Option<u64>,
    open: BTreeSet<u64>,
    /// Whether refusals are allowed, as from a misbehaving target.
    is_refusable: bool,
}

impl Numbered {
    fn new(count: u64) -> Numbered {
        Numbered {
            next: 0,
            count,
            lanes: None,
            due_ns: None,
            open: BTreeSet::new(),
            is_refusable: false,
        }
    }

    fn over(mut self, lanes: u64) -> Numbered {
        self.lanes = Some(lanes);
        self
    }

    fn for_anyone(mut self) -> Numbered {
        self.is_refusable = true;
        self
    }

    fn every(mut self, ns: u64) -> Numbered {
        self.due_ns = Some(ns);
        self
    }
}

impl Source for Numbered {
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError> {
        let ticket = self.next;
        if ticket == self.count {
            return Ok(Pulled::End);
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
        let lane = self.lanes.map(|lanes| Lane {
            key: LaneKey(ticket % lanes),
            is_last: ticket + lanes >= self.count,
        });
        assert!(self.open.insert(ticket));
        Ok(Pulled::Mail(DueMessage {
            ticket,
            due_ns: self.due_ns.map(|ns| MonotonicNs::new(ns * ticket)),
            lane,
        }))
    }

    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>) {
        assert!(self.open.remove(&ticket), "each message ends once");
        assert!(self.is_refusable || outcome.is_accepted(), "{ticket}: {outcome:?}");
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.open.is_empty(), "{:?}", self.open);
    }
}

fn options() -> Options {
    let plain = Options::plain(Protocol::Smtp, "client.example");
    Options { pipelining: true, chunking: true, depth: 4, ..plain }
}

fn settings(address: ResolvedAddress, connections: Connections) -> SendingSettings {
    SendingSettings {
        address,
        session: options(),
        tls: None,
        connections,
        per_connection: None,
        opening_max: 16,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(20),
        ends: Ends::WithSource,
        grace: Duration::from_secs(5),
    }
}

fn send(settings: &SendingSettings, sources: Vec<Box<dyn Source>>) -> SendReport {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(SharedRun::default());
    let report = run(settings, sources, folder.path(), &shared).unwrap();
    assert_eq!(shared.done.load(Ordering::Relaxed), report.tally.finished());
    assert_eq!(shared.open.load(Ordering::Relaxed), 0);
    report
}

/// Sends messages in this mode to the first listener or another one; asserts that each is stored
/// exactly once, complete.
fn check(listen: &str, change: impl Fn(&mut SendingSettings), sources: Vec<Numbered>) {
    let data = tempfile::tempdir().unwrap();
    let listen = if listen.is_empty() { vec![] } else { vec!["--listen", listen] };
    let sink = Sink::start(data.path(), &listen);
    let address = ResolvedAddress::Tcp(*sink.addresses.last().unwrap());
    let mut settings = settings(address, Connections::Kept(7));
    change(&mut settings);
    let count: u64 = sources.iter().map(|source| source.count).sum();
    let boxed = sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>).collect();
    let report = send(&settings, boxed);
    assert!(report.error.is_none(), "{report:?}");
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
fn every_protocol_mode_delivers_each_message_once() {
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
fn connections_end_after_the_configured_number_of_messages() {
    check("", |s| s.per_connection = Some(5), vec![Numbered::new(300)]);
}

#[test]
fn lanes_have_connections_of_their_own() {
    let by_lane = |s: &mut SendingSettings| s.connections = Connections::ByLane(50);
    check("", by_lane, vec![Numbered::new(300).over(9)]);
    check("", by_lane, vec![Numbered::new(300).over(9).every(100_000)]);
}

/// Each lane still has messages after every other lane's: a sender that waited for a lane to end
/// would wait forever.
#[test]
fn more_lanes_than_connections_take_turns() {
    let by_lane = |s: &mut SendingSettings| s.connections = Connections::ByLane(3);
    check("", by_lane, vec![Numbered::new(60).over(9)]);
    check("", by_lane, vec![Numbered::new(60).over(9).every(100_000)]);
}

#[test]
fn due_messages_are_sent_in_order() {
    check("", |_| {}, vec![Numbered::new(300).every(200_000)]);
}

/// A source of messages due at these times (ms), in this order. It holds back the third until the
/// first is done, like a retried message. After `stop_at` outcomes, it stops the run.
struct Late {
    due_ms: Vec<u64>,
    given: usize,
    done: Arc<Mutex<Vec<(u64, SessionEnd)>>>,
    stop_at: usize,
    shared: Arc<SharedRun>,
}

impl Late {
    fn is_held(&self) -> bool {
        self.given == 2 && self.done.lock().unwrap().is_empty()
    }
}

impl Source for Late {
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError> {
        let Some(due_ms) = self.due_ms.get(self.given) else { return Ok(Pulled::End) };
        mail.from(b"", b"");
        mail.to(b"r@example.com", b"");
        let ticket = self.given as u64;
        self.given += 1;
        let lane = Some(Lane { key: LaneKey(ticket), is_last: true });
        Ok(Pulled::Mail(DueMessage {
            ticket,
            due_ns: Some(MonotonicNs::new(due_ms * 1_000_000)),
            lane,
        }))
    }

    fn is_sooner(&self, than_ns: MonotonicNs) -> bool {
        let due_ms = self.due_ms.get(self.given);
        !self.is_held() && due_ms.is_some_and(|ms| ms * 1_000_000 < than_ns.get())
    }

    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>) {
        let mut done = self.done.lock().unwrap();
        done.push((ticket, outcome.end));
        if done.len() == self.stop_at {
            self.shared.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// An hour stands for a time that never comes: a sender that waits for it fails the test.
#[test]
fn messages_due_sooner_overtake_waiting_ones() {
    const HOUR_MS: u64 = 3_600_000;
    for connections in [Connections::Kept(2), Connections::ByLane(9)] {
        let (done, shared) = (Arc::default(), Arc::new(SharedRun::default()));
        // After a message that has to wait: one that is due, one that is due before the other
        // waiting ones, and the latest of all.
        let due_ms = vec![0, HOUR_MS, 1, HOUR_MS / 2, 2, HOUR_MS + 1];
        let source = Late { due_ms, given: 0, done, stop_at: 3, shared };
        let (done, shared) = (source.done.clone(), source.shared.clone());
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(server(Fate::Defers), connections);
        let report = run(&settings, vec![Box::new(source)], folder.path(), &shared).unwrap();
        let is_whole = report.error.is_none();
        assert_eq!((is_whole, report.tally.started, report.tally.deferred), (true, 3, 3));
        let done = done.lock().unwrap();
        let sent: BTreeSet<u64> = done[..3].iter().map(|(ticket, _)| *ticket).collect();
        assert_eq!(sent, BTreeSet::from([0, 2, 4]), "{connections:?}");
        // Every waiting message is returned once, and was never begun.
        let mut rest = done[3..].to_vec();
        rest.sort_by_key(|(ticket, _)| *ticket);
        assert_eq!(rest, [(1, SessionEnd::NotSent), (3, SessionEnd::NotSent)], "{connections:?}");
    }
}

/// What a server does after the first message of a connection has been sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Behaves correctly.
    Serves,
    /// Closes before that message, without a reply.
    Closes,
    /// Accepts the message, then answers the next MAIL with 421.
    AcceptsOne,
    /// Closes once it has received the whole message.
    Swallows,
    /// Sends replies to commands that it did not receive.
    Babbles,
    /// Sends octets that are not replies.
    Nonsense,
    /// 451 to each end of data.
    Defers,
}

/// Starts a server of this kind on a free port. It ends with the test.
fn server(fate: Fate) -> ResolvedAddress {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || drop(serve(stream.unwrap(), fate)));
        }
    });
    ResolvedAddress::Tcp(address)
}

fn serve(mut stream: TcpStream, fate: Fate) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    if fate == Fate::Closes {
        return Ok(());
    }
    stream.write_all(b"220 hello\r\n")?;
    let (mut is_data, mut messages) = (false, 0);
    for line in lines {
        let line = line?;
        let reply = match (fate, line.as_str()) {
            (_, ".") if is_data => {
                (is_data, messages) = (false, messages + 1);
                match fate {
                    Fate::Swallows => return Ok(()),
                    Fate::Babbles => "250 accepted\r\n250 and more\r\n250 and more\r\n",
                    Fate::Nonsense => "HTTP/1.1 200 OK\r\n",
                    Fate::Defers => "451 later\r\n",
                    _ => "250 accepted\r\n",
                }
            }
            _ if is_data => continue,
            (Fate::AcceptsOne, line) if line.starts_with("MAIL") && messages > 0 => {
                stream.write_all(b"421 enough\r\n")?;
                return Ok(());
            }
            (_, "DATA") => {
                is_data = true;
                "354 go on\r\n"
            }
            (_, "QUIT") => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

/// Sends 20 messages to a server of this kind; returns the report.
fn send_to_bad_server(fate: Fate) -> SendReport {
    let mut settings = settings(server(fate), Connections::Kept(3));
    // Only a target that never serves is given up, at whatever point that is noticed.
    settings.patience = Duration::from_millis(300);
    let source = Numbered::new(20).for_anyone();
    let report = send(&settings, vec![Box::new(source)]);
    assert_eq!(report.tally.started, report.tally.finished(), "{report:?}");
    report
}

#[test]
fn unreachable_targets_and_targets_that_close_at_once_are_given_up() {
    let report = send_to_bad_server(Fate::Closes);
    assert!(report.error.is_some(), "{report:?}");
    assert_eq!(report.tally.started, 0, "{report:?}");
    assert!(report.tally.failures.contains_key(&FailureKind::Connection), "{report:?}");
    // Bound, so that no other process gets the port, but not listening.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let mut settings = settings(ResolvedAddress::Tcp(address), Connections::Kept(2));
    settings.patience = Duration::from_millis(100);
    let report = send(&settings, vec![Box::new(Numbered::new(20).for_anyone())]);
    assert!(report.error.unwrap().to_string().starts_with("no connection to 127.0.0.1:"));
}

/// A message was assigned to a connection when the target was given up.
#[test]
fn an_unreachable_target_is_given_up_with_its_assigned_message() {
    let folder = tempfile::tempdir().unwrap();
    for connections in [Connections::Kept(2), Connections::ByLane(9)] {
        let mut settings = settings(ResolvedAddress::Unix(folder.path().join("none")), connections);
        settings.patience = Duration::ZERO;
        let source = Numbered::new(20).over(9).for_anyone();
        let report = send(&settings, vec![Box::new(source)]);
        assert!(report.error.is_some(), "{connections:?}: {report:?}");
    }
}

#[test]
fn every_message_has_an_outcome() {
    let reply = |phase, number| FailureKind::Reply(phase, ReplyCode::new(number).unwrap());
    let tally = send_to_bad_server(Fate::AcceptsOne).tally;
    assert_eq!((tally.accepted + tally.deferred, tally.unknown), (20, 0), "{tally:?}");
    assert!(
        tally.deferred > 0 && tally.failures.contains_key(&reply(Phase::Mail, 421)),
        "{tally:?}"
    );
    for fate in [Fate::Swallows, Fate::Nonsense] {
        let tally = send_to_bad_server(fate).tally;
        assert_eq!(tally.unknown, 20, "{fate:?}: {tally:?}");
        assert_eq!(tally.failures[&FailureKind::Session].count, 20, "{fate:?}: {tally:?}");
    }
    let tally = send_to_bad_server(Fate::Babbles).tally;
    assert!(tally.accepted > 0 && tally.failures.contains_key(&FailureKind::Session), "{tally:?}");
    let tally = send_to_bad_server(Fate::Defers).tally;
    assert_eq!(tally.deferred, 20, "{tally:?}");
    let failure = &tally.failures[&reply(Phase::Payload, 451)];
    assert_eq!((failure.count, failure.example.to_string().as_str()), (20, "later"));
}

#[test]
fn sending_can_be_stopped() {
    let shared = Arc::new(SharedRun::default());
    shared.stop.store(true, Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(server(Fate::Defers), Connections::Kept(3));
    let source = Numbered::new(u64::MAX).for_anyone();
    let report = run(&settings, vec![Box::new(source)], folder.path(), &shared).unwrap();
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(report.tally.started, report.tally.finished());
}

#[test]
fn an_overlong_duration_does_not_wrap_to_a_short_one() {
    let mut settings = settings(server(Fate::Serves), Connections::Kept(1));
    // In nanoseconds, 0.3 s more than fits into 64 bits.
    settings.ends = Ends::At(Duration::from_secs(18_446_744_074));
    let report = send(&settings, vec![Box::new(Numbered::new(500).every(1_000_000))]);
    assert_eq!(report.tally.accepted, 500);
}
