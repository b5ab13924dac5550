//! A worker without its event loop, for simulation: the caller drives its connections, its log and
//! its time step by step.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::{Config, ListenAddress, Listener, Tls};
use crate::log::by_hand::LogByHand;
use crate::log::{LogSettings, OpenError, Recovery};
use crate::smtp::envelope::Client;
use crate::smtp::limits::Protocol;
use crate::smtp::session::Farewell;
use crate::smtp::tally;
use crate::stats::Interval;
use crate::stats::by_hand::RecordersByHand as Statistics;

use super::indexing::NewSegments;
use super::shutdown::{Stop, StopStage};
use crate::server::listening::{
    ACCEPTS_PER_ROUND, Acceptors, Accepts, Arrival, SocketInterest, Stream,
};
use crate::server::payload::Sampling;
use crate::server::recording::Counters;
use crate::server::settings::current::CurrentGeneration;
use crate::server::settings::generation;
use crate::server::settings::generation::Generation;
use crate::server::worker::{Interests, Table, TableSetup};

pub use crate::server::worker::{SocketEvent, TablePlace};

/// The events for which the table has registered.
#[derive(Debug, Default)]
struct TableEvents {
    /// By place in the table.
    wanted: Vec<SocketInterest>,
    /// Places whose interest has changed: an edge-triggered kernel reports them again.
    again: Vec<TablePlace>,
    /// The last place that was registered.
    last: Option<TablePlace>,
    left: u64,
}

impl Interests for TableEvents {
    fn register(&mut self, _: &mut Stream, place: TablePlace) -> std::io::Result<()> {
        if self.wanted.len() <= place.index() {
            self.wanted.resize(place.index() + 1, SocketInterest::Reads);
        }
        self.wanted[place.index()] = SocketInterest::Reads;
        self.last = Some(place);
        Ok(())
    }

    fn change(
        &mut self,
        _: &mut Stream,
        place: TablePlace,
        to: SocketInterest,
    ) -> std::io::Result<()> {
        self.wanted[place.index()] = to;
        self.again.push(place);
        Ok(())
    }

    fn count_address(&mut self, _: IpAddr) -> Result<bool, Farewell> {
        Ok(false)
    }

    fn release_address(&mut self, _: IpAddr) {}

    fn leave(&mut self, _: Option<IpAddr>) {
        self.left += 1;
    }
}

/// Number of descriptors left for accepting; `None`: no limit.
type Descriptors = Rc<Cell<Option<u64>>>;

/// Clients that have connected and wait to be accepted.
#[derive(Default)]
struct Queue {
    waiting: RefCell<VecDeque<(u64, UnixStream)>>,
    /// The numbers of accepted clients, in order.
    accepted: RefCell<VecDeque<u64>>,
    descriptors: Descriptors,
}

impl Accepts for Rc<Queue> {
    fn accept(&self) -> io::Result<(Stream, Client)> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.descriptors.get() == Some(0) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.descriptors.set(self.descriptors.get().map(|left| left - 1));
        let (number, socket) = waiting.pop_front().expect("it is not empty");
        self.accepted.borrow_mut().push_back(number);
        Ok((Stream::Unix(mio::net::UnixStream::from_std(socket)), Client::Unix))
    }

    fn queue_length(&self) -> u64 {
        self.waiting.borrow().len() as u64
    }
}

/// How a connection to a simulated listener begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// The greeting.
    Greeting,
    /// A PROXY header.
    Proxy,
    /// A TLS handshake, if the configuration has TLS.
    Tls,
    /// A PROXY header, and then a TLS handshake.
    ProxyThenTls,
}

/// The listeners of a simulated sink.
const LISTENERS: [(Protocol, Beginning); 6] = [
    (Protocol::Smtp, Beginning::Greeting),
    (Protocol::Lmtp, Beginning::Greeting),
    (Protocol::Smtp, Beginning::Proxy),
    (Protocol::Submission, Beginning::Greeting),
    (Protocol::Smtp, Beginning::Tls),
    (Protocol::Smtp, Beginning::ProxyThenTls),
];

fn listeners(config: &Config) -> [Listener; LISTENERS.len()] {
    // Certificates are created only for tests that need them.
    let has_tls = config.tls.mode != Tls::Off;
    LISTENERS.map(|(protocol, beginning)| {
        let address = ListenAddress::Unix("simulated".into());
        let is_proxied = matches!(beginning, Beginning::Proxy | Beginning::ProxyThenTls);
        let is_tls = has_tls && matches!(beginning, Beginning::Tls | Beginning::ProxyThenTls);
        Listener { protocol, is_proxied, is_tls, ..Listener::plain(address) }
    })
}

/// Returns the index of a listener.
fn index_of(listener: (Protocol, Beginning)) -> usize {
    let found = LISTENERS.iter().position(|other| *other == listener);
    found.expect("there is such a listener")
}

/// One worker of a sink.
pub struct ByHandSink {
    table: Table<TableEvents>,
    acceptors: Acceptors<Rc<Queue>>,
    /// By index of the listener.
    queues: [Rc<Queue>; LISTENERS.len()],
    /// Listeners for which the kernel would report an event.
    reported: Vec<usize>,
    descriptors: Descriptors,
    /// Number of connections that had ended when descriptors were last freed.
    left: u64,
    /// Clients that were accepted, each with its place.
    places: Vec<(u64, TablePlace)>,
    log: LogByHand,
    /// `None`: statistics are off.
    statistics: Option<Statistics>,
    current: Arc<CurrentGeneration>,
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    /// Whether the log has reported that there may be room.
    woken: Arc<AtomicBool>,
    now: Duration,
    /// Number of clients that have connected.
    arrived: u64,
}

impl ByHandSink {
    /// Opens `folder`. The caller chooses between SMTP and LMTP for each connection.
    pub fn open(
        folder: &Path,
        config: &Config,
        settings: LogSettings,
    ) -> Result<(ByHandSink, Recovery), OpenError> {
        let (mut log, recovery) = LogByHand::open(folder, settings)?;
        let woken = Arc::new(AtomicBool::new(false));
        let waker = woken.clone();
        let writer = log.writer(Box::new(move || waker.store(true, Ordering::Relaxed)))?;
        let (stop, counters) = (Arc::new(Stop::new(None, None)), Arc::new(Counters::default()));
        let first = Generation::build(config, &listeners(config), generation::FIRST);
        let first = first.expect("a simulated sink reads no files of networks");
        let current = Arc::new(CurrentGeneration::new(Arc::new(first)));
        let statistics = config.stats.is_recorded.then(|| Statistics::new(tally::kinds().len()));
        let (statistics, recorder) = statistics.unzip();
        let setup = TableSetup {
            index: 0,
            current: current.clone(),
            writer,
            start_count: log.start_count(),
            stop: stop.clone(),
            counters: counters.clone(),
            sampling: Sampling::new(config),
            transcripts: None,
            moments: None,
            recorder,
            presence: Arc::default(),
            new_segments: NewSegments::default(),
            challenge_seed: 0,
            config,
        };
        let table = Table::new(setup, TableEvents::default());
        let now = Duration::ZERO;
        let descriptors = Descriptors::default();
        let queues = [(); LISTENERS.len()]
            .map(|()| Rc::new(Queue { descriptors: descriptors.clone(), ..Queue::default() }));
        let acceptors = Acceptors::from_listeners(queues.to_vec(), config.backlog);
        let sink = ByHandSink {
            table,
            acceptors,
            queues,
            reported: Vec::new(),
            descriptors,
            left: 0,
            places: Vec::new(),
            log,
            statistics,
            current,
            stop,
            counters,
            woken,
            now,
            arrived: 0,
        };
        Ok((sink, recovery))
    }

    /// Connects a client, which is accepted at once. `socket`: our end. Returns its place; `None`:
    /// the connection has already ended.
    pub fn connect(&mut self, socket: UnixStream, protocol: Protocol) -> Option<TablePlace> {
        self.queue(0, socket, protocol);
        self.accept_all();
        self.places.pop().map(|(_, place)| place)
    }

    /// Connects a client that begins with `beginning`, and then speaks SMTP.
    pub fn connect_with(&mut self, socket: UnixStream, beginning: Beginning) -> Option<TablePlace> {
        let listener = index_of((Protocol::Smtp, beginning));
        self.queues[listener].waiting.borrow_mut().push_back((0, socket));
        self.reported.push(listener);
        self.accept_all();
        self.places.pop().map(|(_, place)| place)
    }

    /// Connects a client, which waits to be accepted.
    pub fn queue(&mut self, number: u64, socket: UnixStream, protocol: Protocol) {
        self.queue_with(number, socket, (protocol, Beginning::Greeting));
    }

    /// Connects a client to the given listener, where it waits to be accepted.
    pub fn queue_with(&mut self, number: u64, socket: UnixStream, listener: (Protocol, Beginning)) {
        let listener = index_of(listener);
        self.queues[listener].waiting.borrow_mut().push_back((number, socket));
        self.reported.push(listener);
    }

    /// Prevents further handshakes from beginning, as if too many were in progress.
    pub fn fill_handshakes(&mut self) {
        *self.table.state.room_for_handshake() = false;
    }

    /// Takes the clients that were accepted since the last call, each with its place.
    pub fn take_places(&mut self) -> Vec<(u64, TablePlace)> {
        std::mem::take(&mut self.places)
    }

    /// Puts those settings of `config` in force that can change, as `sinkctl reload` does.
    pub fn reload(&mut self, config: &Config) {
        let number = self.current.number() + 1;
        let next = Generation::build(config, &listeners(config), number);
        self.current.publish(Arc::new(next.expect("no files are read")));
    }

    /// Sets the number of descriptors left for accepting; `None`: no limit.
    pub fn set_descriptors(&mut self, left: Option<u64>) {
        self.descriptors.set(left);
    }

    fn accept_all(&mut self) {
        for listener in std::mem::take(&mut self.reported) {
            self.accept(listener);
        }
        for listener in self.acceptors.take_more(self.table.now_ms()) {
            self.accept(listener);
        }
    }

    fn accept(&mut self, listener: usize) {
        let now_ms = self.table.now_ms();
        for _ in 0..ACCEPTS_PER_ROUND {
            let Some(arrival) = self.acceptors.next(listener, now_ms) else { return };
            self.begin(arrival);
        }
        self.acceptors.has_more(listener);
    }

    fn begin(&mut self, arrival: Arrival) {
        let queue = &self.queues[arrival.listener];
        let number = queue.accepted.borrow_mut().pop_front().expect("it was just accepted");
        self.table.interests.last = None;
        self.arrived += 1;
        self.table.begin(arrival);
        self.places.extend(self.table.interests.last.map(|place| (number, place)));
    }

    /// Frees the descriptors of connections that have ended.
    fn free_ended(&mut self) {
        let freed = self.table.interests.left
            - std::mem::replace(&mut self.left, self.table.interests.left);
        if freed > 0 {
            self.free_descriptors(freed);
            self.acceptors.resume();
        }
    }

    fn free_descriptors(&mut self, freed: u64) {
        self.descriptors.set(self.descriptors.get().map(|left| left + freed));
    }

    /// Answers waiting clients with 421.
    fn turn_queues_away(&mut self) {
        // The acceptors give up the descriptor that they hold in reserve for this.
        self.free_descriptors(1);
        let (now_ms, table, descriptors) =
            (self.table.now_ms(), &mut self.table, &self.descriptors);
        self.acceptors.close(now_ms, |arrival| {
            table.turn_away(arrival, Farewell::Stopping);
            descriptors.set(descriptors.get().map(|left| left + 1));
        });
    }

    /// Begins a round of the loop at `now`.
    pub fn wake(&mut self, now: Duration) {
        self.now = now;
        self.table.wake(now.as_nanos() as u64);
    }

    /// Reports a readiness event at `place`.
    pub fn ready(&mut self, place: TablePlace, event: SocketEvent) {
        self.table.ready(place, event);
    }

    /// Delivers the log's wake-up, if there was one.
    pub fn take_wake(&mut self) -> bool {
        let was_woken = self.woken.swap(false, Ordering::Relaxed);
        if was_woken {
            self.table.unpark();
        }
        was_woken
    }

    /// Does the rest of the round.
    pub fn round(&mut self) {
        self.accept_all();
        self.table.round();
        if self.table.begins_to_stop() {
            self.turn_queues_away();
        }
        if self.table.stage() != StopStage::Running {
            self.table.continue_stopping();
        }
        self.free_ended();
        self.table.end_round(self.now.as_nanos() as u64);
    }

    /// Returns how long the loop would sleep without an event.
    pub fn wait_ms(&self) -> Option<u64> {
        let accept_ms = self.acceptors.wait_ms(self.table.now_ms());
        let reported_ms = (!self.reported.is_empty()).then_some(0);
        [accept_ms, reported_ms, self.table.wait_ms()].into_iter().flatten().min()
    }

    /// Returns whether the connection at `place` waits for room in its socket.
    pub fn watches_writes(&self, place: TablePlace) -> bool {
        self.table.interests.wanted[place.index()] == SocketInterest::ReadsAndWrites
    }

    /// Takes the places that an edge-triggered kernel would report again.
    pub fn take_reported_again(&mut self) -> Vec<TablePlace> {
        std::mem::take(&mut self.table.interests.again)
    }

    /// Returns whether something waits for provisioning.
    pub fn wants_provisioning(&self) -> bool {
        self.log.requests() > 0
    }

    /// Lets provisioning serve up to `most` requests.
    pub fn provision(&mut self, most: usize) -> usize {
        self.log.serve(most, self.now)
    }

    /// Lets the flusher do up to `most` jobs.
    pub fn flush(&mut self, most: usize) -> usize {
        self.log.flush(most, self.now)
    }

    /// Ends an interval of durability `interval`.
    pub fn flush_interval(&mut self) {
        self.log.flush_interval();
    }

    /// Begins the stop, or raises its stage.
    pub fn stop(&mut self, stage: StopStage) {
        self.stop.begin(stage);
    }

    /// Returns whether the worker has stopped: every connection and every commit has ended.
    pub fn is_done(&self) -> bool {
        self.table.is_done()
    }

    /// Returns the counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls `see` with the statistics of each second that the worker has handed over. It hands
    /// over a second in the first round of a later one.
    pub fn take_recorded(&self, see: impl FnMut(&Interval)) {
        if let Some(statistics) = &self.statistics {
            statistics.take(see);
        }
    }

    /// Returns the number of open connections.
    pub fn open_connections(&self) -> usize {
        self.table.open()
    }

    /// Checks, while no connection is open, that nothing leaked.
    pub fn check_at_rest(&self) {
        let (places, free) = self.table.places();
        assert_eq!(places, free, "every place is free again");
        assert_eq!(self.table.interests.left, self.arrived, "every connection has left");
        self.table.state.check_nothing_is_lent();
    }

    /// Seals the log after the worker has stopped. Checks that nothing leaked.
    pub fn close(self) {
        self.check_at_rest();
        let now = self.now;
        self.table.state.close();
        self.log.close(now);
    }

    /// Ends the process at this point, as SIGKILL does.
    pub fn kill(self) {
        drop(self.table);
        self.log.crash();
    }
}
