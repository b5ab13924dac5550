//! Every pause, timeout and pace of a sender, on a simulated clock.
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sinkd::sender::by_hand::{ByHandSender, ConnectionSlot, RunEnd};
use sinkd::sender::source::{DueMessage, Outcome, Pulled, Source, SourceError};
use sinkd::sender::{Connections, Ends, FailureKind, SendingSettings, SharedRun};
use sinkd::smtp::client::{Options, OutgoingMail, Protocol};
use sinkd::stats::Metric;
use sinkd::time::MonotonicNs;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;
/// Interval at which a sender checks for timeouts.
const LOOK_NS: u64 = 100 * MS;
/// A run that takes more rounds has failed to end.
const ROUNDS_MAX: usize = 1_000_000;

/// A source of messages at regular intervals.
pub struct Messages {
    given: u64,
    count: u64,
    first_ns: u64,
    every_ns: u64,
}

impl Source for Messages {
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError> {
        if self.given == self.count {
            return Ok(Pulled::End);
        }
        fill(mail);
        let ticket = self.given;
        self.given += 1;
        let due_ns = Some(MonotonicNs::new(self.first_ns + ticket * self.every_ns));
        Ok(Pulled::Mail(DueMessage { ticket, due_ns, lane: None }))
    }

    fn refill(&mut self, _: u64, mail: &mut OutgoingMail) -> bool {
        fill(mail);
        true
    }

    fn done(&mut self, _: u64, _: &Outcome<'_>) {}
}

fn fill(mail: &mut OutgoingMail) {
    mail.from(b"", b"");
    mail.to(b"r@example.com", b"");
    mail.body = b"x\r\n".as_slice().into();
}

/// How a target behaves on one connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// Answers everything at once.
    Serves,
    /// Answers the end of data after this time.
    AnswersAfter(u64),
    /// Never sends anything.
    Mute,
    /// Closes without a reply.
    Closes,
    /// Sends a greeting, and closes after this time.
    ClosesAfter(u64),
    /// Never answers a message.
    Stalls,
    /// Never answers QUIT.
    Stays,
    /// Closes at the MAIL after this number of messages.
    Restarts(u64),
    /// Answers EHLO with this text, accepts a number of messages, and answers the next MAIL with
    /// 421.
    Limited(&'static str, u64),
    /// Serves, but sends nothing between these two times.
    Pauses(u64, u64),
}

impl Fate {
    /// Returns when a reply that is due at `due_ns` is sent.
    fn said_ns(self, due_ns: u64) -> u64 {
        match self {
            Fate::Pauses(from_ns, to_ns) if (from_ns..to_ns).contains(&due_ns) => to_ns,
            _ => due_ns,
        }
    }
}

/// The target's end of a connection.
struct Target {
    /// `None`: closed.
    socket: Option<UnixStream>,
    fate: Fate,
    /// Octets of an incomplete line.
    line: Vec<u8>,
    is_data: bool,
    messages: u64,
    /// Pending replies and the times at which they are due; an empty reply closes.
    replies: VecDeque<(u64, &'static str)>,
}

impl Target {
    fn new(socket: UnixStream, fate: Fate, now_ns: u64) -> Target {
        let socket = Some(socket);
        let (line, replies) = (Vec::new(), VecDeque::new());
        let mut target = Target { socket, fate, line, is_data: false, messages: 0, replies };
        match fate {
            Fate::Mute => {}
            Fate::Closes => target.replies.push_back((now_ns, "")),
            Fate::ClosesAfter(ns) => {
                target.replies.extend([(now_ns, "220 hello\r\n"), (now_ns + ns, "")]);
            }
            _ => target.replies.push_back((fate.said_ns(now_ns), "220 hello\r\n")),
        }
        target
    }

    /// Reads what has arrived, and sends the replies that are due. Returns whether the client gets
    /// an event.
    fn act(&mut self, now_ns: u64, mails: &mut Vec<u64>) -> bool {
        let mut octets = Vec::new();
        let Some(socket) = &mut self.socket else { return false };
        match socket.read_to_end(&mut octets) {
            Ok(_) => self.socket = None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.socket = None,
        }
        for octet in octets {
            self.line.push(octet);
            if self.line.ends_with(b"\r\n") {
                let line = std::mem::take(&mut self.line);
                self.handle_line(
                    std::str::from_utf8(&line[..line.len() - 2]).unwrap(),
                    now_ns,
                    mails,
                );
            }
        }
        let mut has_said = false;
        while self.replies.front().is_some_and(|(due_ns, _)| *due_ns <= now_ns) {
            let (_, reply) = self.replies.pop_front().unwrap();
            match &mut self.socket {
                Some(socket) if !reply.is_empty() => socket.write_all(reply.as_bytes()).unwrap(),
                _ => self.socket = None,
            }
            has_said = true;
        }
        has_said
    }

    fn handle_line(&mut self, line: &str, now_ns: u64, mails: &mut Vec<u64>) {
        let is_mail = !self.is_data && line.starts_with("MAIL");
        mails.extend(is_mail.then_some(now_ns));
        let (after_ns, reply) = match (self.fate, line) {
            (Fate::Mute, _) => return,
            (_, ".") if self.is_data => {
                (self.is_data, self.messages) = (false, self.messages + 1);
                match self.fate {
                    Fate::Stalls => return,
                    Fate::AnswersAfter(ns) => (ns, "250 accepted\r\n"),
                    _ => (0, "250 accepted\r\n"),
                }
            }
            _ if self.is_data => return,
            (Fate::Restarts(count), _) if is_mail && self.messages == count => (0, ""),
            (Fate::Limited(_, max), _) if is_mail && self.messages == max => {
                self.replies.push_back((now_ns, "421 4.7.0 no more over this connection\r\n"));
                (0, "")
            }
            (Fate::Limited(output, _), "EHLO client.example") => (0, output),
            (Fate::Stays, "QUIT") => return,
            (_, "DATA") => {
                self.is_data = true;
                (0, "354 go on\r\n")
            }
            (_, "QUIT") => (0, "221 bye\r\n"),
            _ => (0, "250 ok\r\n"),
        };
        let due_ns = self.fate.said_ns(now_ns + after_ns);
        let at = self.replies.partition_point(|(other_ns, _)| *other_ns <= due_ns);
        self.replies.insert(at, (due_ns, reply));
    }
}

/// A sender, the targets it has connected to, and the clock.
pub struct Run<'a> {
    sender: ByHandSender<'a>,
    /// The behavior of each connection, by its number.
    fate: fn(u64) -> Fate,
    /// By slot.
    targets: BTreeMap<ConnectionSlot, Target>,
    connections: u64,
    /// Time of each MAIL, ns.
    mails: Vec<u64>,
}

pub fn settings(connections: usize) -> SendingSettings {
    let session = Options::plain(Protocol::Smtp, "client.example");
    SendingSettings {
        address: ByHandSender::address(),
        session,
        tls: None,
        connections: Connections::Kept(connections),
        per_connection: None,
        opening_max: 16,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(10),
        ends: Ends::WithSource,
        grace: Duration::from_secs(5),
    }
}

/// A source of `count` messages, one every `every_ns`.
pub fn messages(count: u64, every_ns: u64) -> Messages {
    Messages { given: 0, count, first_ns: 0, every_ns }
}

impl<'a> Run<'a> {
    pub fn new(
        settings: SendingSettings,
        source: impl Source + 'static,
        shared: &'a SharedRun,
        fate: fn(u64) -> Fate,
    ) -> Run<'a> {
        let sender = ByHandSender::new(settings, Box::new(source), shared);
        Run { sender, fate, targets: BTreeMap::new(), connections: 0, mails: Vec::new() }
    }

    /// Runs everything that can happen without the clock advancing.
    fn settle(&mut self) {
        loop {
            let now_ns = self.sender.now_ns().get();
            for (slot, socket) in self.sender.take_requested() {
                let target = Target::new(socket, (self.fate)(self.connections), now_ns);
                self.connections += 1;
                self.targets.insert(slot, target);
            }
            let mut ready = Vec::new();
            for (slot, target) in &mut self.targets {
                ready.extend(target.act(now_ns, &mut self.mails).then_some(*slot));
            }
            if ready.is_empty() {
                return;
            }
            self.sender.round(0, &ready);
        }
    }

    /// Advances the clock until something is due, for the sender or for a target.
    fn pass(&mut self) {
        let now_ns = self.sender.now_ns().get();
        let targets = self.targets.values().filter_map(|target| target.replies.front());
        let due_ns = targets.map(|(due_ns, _)| due_ns.saturating_sub(now_ns));
        let pause_ns = due_ns.chain(self.sender.wait_ns()).min().unwrap_or(0);
        self.sender.round(pause_ns, &[]);
        self.settle();
    }

    /// Runs until everything is done. Returns when that was, how it ended, and the time of each
    /// MAIL.
    pub fn finish(mut self) -> (u64, RunEnd, Vec<u64>) {
        self.settle();
        for _ in 0..ROUNDS_MAX {
            if self.sender.is_done() {
                return (self.sender.now_ns().get(), self.sender.end(), self.mails);
            }
            self.pass();
        }
        panic!("it does not come to its end");
    }
}

/// Sends `source` to a target of this kind. Returns when the run ended, how, and the time of each
/// MAIL.
pub fn send(
    settings: SendingSettings,
    source: Messages,
    fate: fn(u64) -> Fate,
) -> (u64, RunEnd, Vec<u64>) {
    let shared = SharedRun::default();
    let (end_ns, ended, mails) = Run::new(settings, source, &shared, fate).finish();
    assert_eq!(
        ended.tally.started,
        ended.tally.finished(),
        "each message that was begun has ended"
    );
    assert_eq!(shared.open.load(Ordering::Relaxed), 0);
    (end_ns, ended, mails)
}

/// Asserts the time of something that the sender checks periodically: it may be late by one
/// interval.
#[track_caller]
fn check_time(found_ns: u64, expected_ns: u64) {
    let range = expected_ns..=expected_ns + LOOK_NS;
    assert!(range.contains(&found_ns), "after {found_ns} ns, expected {expected_ns}");
}

#[test]
fn messages_are_sent_when_due_to_the_nanosecond() {
    let every_ns = 1_234_567;
    for connections in [1, 7] {
        let (_, ended, mails) =
            send(settings(connections), messages(500, every_ns), |_| Fate::Serves);
        assert_eq!((ended.error, ended.tally.accepted), (None, 500));
        assert!(mails.iter().copied().eq((0..500).map(|n| n * every_ns)), "{mails:?}");
        assert_eq!(ended.recorded.histogram(Metric::Late).max(), 0);
    }
}

#[test]
fn a_slow_target_delays_messages_by_its_excess_time() {
    let (_, ended, mails) = send(settings(1), messages(20, MS), |_| Fate::AnswersAfter(10 * MS));
    let expected: Vec<u64> = (0..20).map(|n| n * 10 * MS).collect();
    assert_eq!((ended.tally.accepted, mails), (20, expected));
    let late = ended.recorded.histogram(Metric::Late);
    let sum_us: f64 = late.mean() * late.len() as f64;
    // Message n is due at n ms, and leaves at 10 n ms.
    let expected_us: f64 = (0..20).map(|n| f64::from(n * 9000)).sum();
    assert!((sum_us / expected_us - 1.0).abs() < 0.02, "{sum_us} us of {expected_us}");
    // Two connections send twice as many in that time.
    let (_, ended, mails) = send(settings(2), messages(20, MS), |_| Fate::AnswersAfter(10 * MS));
    assert_eq!((ended.tally.accepted, mails[18]), (20, 90 * MS));
}

#[test]
fn a_target_that_refuses_connections_is_retried_with_backoff_until_patience_ends() {
    let shared = SharedRun::default();
    let source = Messages { first_ns: S, ..messages(1, 0) };
    let mut run = Run::new(settings(1), source, &shared, |_| Fate::Closes);
    run.settle();
    run.sender.refuse();
    let (mut tried_ms, mut tries) = (Vec::new(), run.sender.tries());
    while !run.sender.is_done() {
        run.pass();
        if run.sender.tries() > tries {
            tries = run.sender.tries();
            tried_ms.push(run.sender.now_ns().get() / MS);
        }
    }
    // The first connection was requested at 0, and closed at once.
    assert_eq!(tried_ms, [50, 150, 350, 750, 1550, 3150, 6350, 9550, 12_750]);
    let ended = run.sender.end();
    assert!(ended.error.unwrap().starts_with("no connection to "), "patience is over");
    assert!(ended.is_lost);
}

#[test]
fn a_target_that_turns_away_some_connections_is_not_given_up() {
    let fate = |number| if number == 0 { Fate::Serves } else { Fate::Closes };
    let (_, ended, mails) = send(settings(3), messages(600, S), fate);
    assert_eq!((ended.error, ended.tally.accepted), (None, 600));
    assert!(mails.iter().copied().eq((0..600).map(|n| n * S)), "nothing is late for it");
    assert!(ended.tally.failures.contains_key(&FailureKind::Connection));
}

/// The target worked for longer than the sender tolerates a failing target.
#[test]
fn a_target_that_restarts_is_waited_for() {
    let fate = |number| match number {
        0 => Fate::Restarts(400),
        1 | 2 => Fate::Closes,
        _ => Fate::Serves,
    };
    let (_, ended, _) = send(settings(1), messages(600, S), fate);
    assert_eq!((ended.error, ended.tally.accepted), (None, 599));
    assert_eq!(ended.tally.failures[&FailureKind::Connection].count, 2);
}

#[test]
fn a_silent_target_is_given_up_after_the_timeout() {
    let (end_ns, ended, _) = send(settings(1), messages(20, 0), |_| Fate::Mute);
    check_time(end_ns, 20 * S);
    assert!(ended.error.unwrap().contains("silent for 20s"));
    assert_eq!(ended.tally.started, 0);
}

#[test]
fn a_message_without_a_reply_in_time_is_unknown_and_the_next_is_sent() {
    let fate = |number| if number == 0 { Fate::Stalls } else { Fate::Serves };
    let (end_ns, ended, mails) = send(settings(1), messages(20, 0), fate);
    check_time(mails[1], 20 * S);
    assert_eq!(end_ns, mails[1], "the others take no time");
    assert_eq!((ended.error, ended.tally.accepted, ended.tally.unknown), (None, 19, 1));
    assert_eq!(ended.tally.failures[&FailureKind::Session].count, 1);
}

#[test]
fn a_target_that_answers_just_in_time_is_not_given_up() {
    let (_, ended, _) = send(settings(1), messages(10, 0), |_| Fate::AnswersAfter(20 * S - 1));
    assert_eq!((ended.error, ended.tally.accepted), (None, 10));
    assert!(ended.tally.failures.is_empty(), "{:?}", ended.tally.failures);
}

/// Nothing is ever sent to this target: the first message is due in an hour.
#[test]
fn a_target_that_closes_idle_connections_within_a_second_is_given_up() {
    let source = || Messages { first_ns: 3600 * S, ..messages(1, 0) };
    let (end_ns, ended, _) = send(settings(1), source(), |_| Fate::ClosesAfter(S - 1_000));
    assert!(ended.error.is_some());
    assert!((10 * S..20 * S).contains(&end_ns), "{end_ns} ns");
    let fate = |number| if number < 100 { Fate::ClosesAfter(S) } else { Fate::Serves };
    let (_, ended, mails) = send(settings(1), source(), fate);
    assert_eq!((ended.error, ended.tally.accepted, mails), (None, 1, vec![3600 * S]));
}

#[test]
fn an_idle_connection_has_only_the_grace_period_to_end() {
    let greets_one = |number| if number == 0 { Fate::Serves } else { Fate::Mute };
    let fates: [fn(u64) -> Fate; 2] = [|_| Fate::Stays, greets_one];
    for fate in fates {
        let settings = SendingSettings { timeout: Duration::from_secs(3600), ..settings(2) };
        let (end_ns, ended, _) = send(settings, messages(20, 0), fate);
        check_time(end_ns, 5 * S);
        assert_eq!((ended.error, ended.tally.accepted), (None, 20));
    }
}

#[test]
fn messages_in_progress_at_a_stop_get_the_grace_period() {
    let settings = SendingSettings { timeout: Duration::from_secs(3600), ..settings(2) };
    let shared = SharedRun::default();
    let mut run = Run::new(settings, messages(100, S), &shared, |_| Fate::Stalls);
    run.settle();
    while run.sender.now_ns().get() < 30 * S {
        run.pass();
    }
    shared.stop.store(true, Ordering::Relaxed);
    let (end_ns, ended, mails) = run.finish();
    let noticed_ns = end_ns - 5 * S;
    assert!((30 * S..=30 * S + 2 * LOOK_NS).contains(&noticed_ns), "{end_ns} ns");
    assert_eq!((ended.error, mails.len(), ended.tally.unknown), (None, 2, 2));
}

#[test]
fn no_message_is_begun_after_the_duration() {
    let settings = SendingSettings { ends: Ends::At(Duration::from_secs(3)), ..settings(1) };
    let (_, ended, mails) = send(settings, messages(1000, 10 * MS), |_| Fate::Serves);
    assert_eq!((mails.len(), mails.last()), (300, Some(&(3 * S - 10 * MS))));
    assert_eq!((ended.error, ended.tally.started), (None, 300));
}

#[test]
fn the_last_message_before_the_end_of_the_duration_is_sent() {
    let settings = SendingSettings { ends: Ends::At(Duration::from_secs(1)), ..settings(2) };
    let (_, ended, mails) = send(settings, messages(50, 20 * MS), |_| Fate::Serves);
    assert_eq!((mails.len(), mails.last()), (50, Some(&(980 * MS))));
    assert_eq!((ended.error, ended.tally.accepted, ended.tally.not_started), (None, 50, 0));
}
