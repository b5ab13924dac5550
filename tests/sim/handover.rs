//! Two workers: which one serves a connection, and what becomes of it in a stop.
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sinkd::log::LogSettings;
use sinkd::server::StopStage;
use sinkd::server::by_hand::{Beginning, ByHandSink, QueuedClient};
use sinkd::smtp::client::Protocol;
use sinkd::smtp::envelope::Client;

use super::one::config;

/// A sink with two workers, and its clients.
struct Two {
    sink: ByHandSink,
    clients: Vec<UnixStream>,
    now: Duration,
    _folder: tempfile::TempDir,
}

impl Two {
    fn new() -> Two {
        let folder = tempfile::tempdir().unwrap();
        let settings = LogSettings::default();
        let sink = ByHandSink::with_workers(2, folder.path(), &config(), settings);
        Two { sink: sink.unwrap().0, clients: Vec::new(), now: Duration::ZERO, _folder: folder }
    }

    /// Connects a client, which waits to be accepted by either worker.
    fn connect(&mut self) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for socket in [&ours, &theirs] {
            socket.set_nonblocking(true).unwrap();
        }
        let number = self.clients.len() as u64;
        let client = QueuedClient { number, socket: theirs, client: Client::Unix };
        self.sink.queue(client, (Protocol::Smtp, Beginning::Greeting));
        self.clients.push(ours);
    }

    /// Runs a round of a worker. Returns whether it was woken by the other one.
    fn round_of(&mut self, worker: usize) -> bool {
        self.now += Duration::from_millis(1);
        self.sink.wake_worker(worker, self.now);
        let was_woken = self.sink.take_wake_of(worker);
        self.sink.round_of(worker);
        was_woken
    }

    /// Runs a round of a worker that began before the other one woke it.
    fn earlier_round_of(&mut self, worker: usize) {
        self.now += Duration::from_millis(1);
        self.sink.wake_worker(worker, self.now);
        self.sink.round_of(worker);
    }

    /// Lets worker 0 stop waiting for clients that were dismissed. Everything ends with it.
    fn end(mut self) {
        self.now += Duration::from_secs(10);
        self.round_of(0);
        assert!(self.sink.is_done());
        self.sink.close();
    }

    /// Returns the worker of each client that was accepted since the last call, by client.
    fn workers(&mut self) -> Vec<(u64, usize)> {
        let mut workers: Vec<_> =
            self.sink.take_places().into_iter().map(|(client, at)| (client, at.worker)).collect();
        workers.sort_unstable();
        workers
    }

    /// Returns what the client received, which must end with the end of the connection.
    fn received_to_the_end(&mut self, client: usize) -> String {
        let mut text = String::new();
        self.clients[client].read_to_string(&mut text).expect("the connection is closed");
        text
    }
}

/// Asserts that `text` is a single reply of 421, perhaps after a greeting.
#[track_caller]
fn assert_dismissed(text: &str) {
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("421 4.3.2 "), "{text:?}");
}

#[test]
fn connections_accepted_by_one_worker_are_spread_evenly() {
    let mut two = Two::new();
    (0..6).for_each(|_| two.connect());
    two.round_of(0);
    assert_eq!(two.workers(), [(0, 0), (2, 0), (4, 0)], "these were kept");
    assert_eq!(two.sink.open_connections(), 6, "the others are on their way");
    assert!(two.round_of(1), "it is woken");
    assert_eq!(two.workers(), [(1, 1), (3, 1), (5, 1)]);
}

#[test]
fn a_connection_handed_over_as_a_stop_begins_is_dismissed() {
    let mut two = Two::new();
    (0..2).for_each(|_| two.connect());
    two.round_of(0);
    two.sink.stop(StopStage::Graceful);
    two.earlier_round_of(1);
    assert!(two.workers().iter().all(|(client, _)| *client == 0), "the second was turned away");
    assert_dismissed(&two.received_to_the_end(1));
    assert_eq!(two.sink.running_workers(), [0], "worker 1 had nothing else to end");
    two.round_of(0);
    assert_dismissed(&two.received_to_the_end(0));
    two.end();
}

#[test]
fn a_worker_keeps_what_it_cannot_hand_over_to_a_worker_that_has_stopped() {
    let mut two = Two::new();
    two.connect();
    two.round_of(0);
    assert_eq!(two.workers(), [(0, 0)]);
    two.sink.stop(StopStage::Graceful);
    two.round_of(1);
    assert_eq!(two.sink.running_workers(), [0]);
    // Worker 0 has not seen the stop yet: it accepts, and worker 1 would have the lower load.
    two.connect();
    two.round_of(0);
    assert_eq!(two.workers(), [(1, 0)]);
    for client in [0, 1] {
        let text = two.received_to_the_end(client);
        assert!(text.starts_with("220 "), "it was served until the stop: {text:?}");
        assert_dismissed(&text);
    }
    two.end();
}
