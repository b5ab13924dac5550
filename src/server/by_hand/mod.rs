//! The server without event loops and threads, for simulation: the caller drives connections, log
//! and time step by step.
mod queue;
mod worker;
mod worker_place;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::config::Config;
use crate::log::by_hand::LogByHand;
use crate::log::{LogSettings, OpenError, Recovery};
use crate::smtp::envelope::Client;
use crate::smtp::limits::Protocol;
use crate::smtp::tally;
use crate::stats::Interval;
use crate::stats::by_hand::RecordersByHand as Statistics;
use crate::time::MonotonicNs;

use super::indexing::NewSegments;
use super::shutdown::{Stop, StopStage};
use crate::server::listening::{Acceptors, Admission, Handover, Inbox};
use crate::server::payload::Sampling;
use crate::server::recording::Counters;
use crate::server::settings::current::CurrentGeneration;
use crate::server::settings::generation;
use crate::server::settings::generation::Generation;
use crate::server::worker::{Intake, Table, TableSetup};

pub use crate::server::worker::SocketEvent;
pub use queue::{Beginning, QueuedClient};
pub use worker_place::WorkerPlace;

use queue::{LISTENERS, Queue, Shared, index_of, listeners};
use worker::{TableEvents, WorkerByHand};

/// Descriptors of the process, as the limit on connections sees them.
const DESCRIPTORS: u64 = 1 << 20;

/// A sink whose workers run when the caller says so.
pub struct ByHandSink {
    /// By index; `None`: the worker has stopped.
    workers: Vec<Option<WorkerByHand>>,
    /// By index of the listener.
    queues: [Rc<Queue>; LISTENERS.len()],
    shared: Rc<Shared>,
    admission: Arc<Admission>,
    log: LogByHand,
    /// By worker; empty: statistics are off.
    statistics: Vec<Statistics>,
    current: Arc<CurrentGeneration>,
    stop: Arc<Stop>,
    /// By worker.
    counters: Vec<Arc<Counters>>,
    now: Duration,
    /// Keeps the other end of each waker open.
    _inboxes: Vec<mio::Poll>,
}

impl ByHandSink {
    /// Opens `folder` with one worker. The caller chooses a listener for each connection.
    pub fn open(
        folder: &Path,
        config: &Config,
        settings: LogSettings,
    ) -> Result<(ByHandSink, Recovery), OpenError> {
        ByHandSink::with_workers(1, folder, config, settings)
    }

    /// Opens `folder` with this number of workers, which share the listeners and hand connections
    /// over to each other.
    pub fn with_workers(
        workers: usize,
        folder: &Path,
        config: &Config,
        settings: LogSettings,
    ) -> Result<(ByHandSink, Recovery), OpenError> {
        let (log, recovery) = LogByHand::open(folder, settings)?;
        let first = Generation::build(config, &listeners(config), generation::FIRST);
        let first = first.expect("a simulated sink reads no files of networks");
        let shared = Rc::new(Shared::default());
        let handover = Handover::new(workers).expect("descriptors are left");
        let mut sink = ByHandSink {
            workers: Vec::new(),
            queues: [(); LISTENERS.len()].map(|()| Rc::new(Queue::new(shared.clone()))),
            shared,
            admission: Arc::new(Admission::new(config, workers, DESCRIPTORS)),
            log,
            statistics: Vec::new(),
            current: Arc::new(CurrentGeneration::new(Arc::new(first))),
            stop: Arc::new(Stop::new(None, None)),
            counters: Vec::new(),
            now: Duration::ZERO,
            _inboxes: Vec::new(),
        };
        let Handover { inboxes, senders, .. } = handover;
        for (index, Inbox { poll, arrivals }) in inboxes.into_iter().enumerate() {
            let woken = Arc::new(AtomicBool::new(false));
            let table = sink.table(index, config, woken.clone())?;
            let acceptors = Acceptors::from_listeners(sink.queues.to_vec(), config.backlog);
            let admission = sink.admission.clone();
            let intake = Intake::new(index, acceptors, (arrivals, senders.clone()), admission);
            sink.workers.push(Some(WorkerByHand::new(table, intake, woken)));
            sink._inboxes.push(poll);
        }
        Ok((sink, recovery))
    }

    /// Creates the table of a worker. `woken` is set when the log has room for it.
    fn table(
        &mut self,
        index: usize,
        config: &Config,
        woken: Arc<AtomicBool>,
    ) -> Result<Table<TableEvents>, OpenError> {
        let writer = self.log.writer(Box::new(move || woken.store(true, Ordering::Relaxed)))?;
        let statistics = config.stats.is_recorded.then(|| Statistics::new(tally::kinds().len()));
        let (statistics, recorder) = statistics.unzip();
        self.statistics.extend(statistics);
        let counters = Arc::new(Counters::default());
        self.counters.push(counters.clone());
        let setup = TableSetup {
            index,
            current: self.current.clone(),
            writer,
            start_count: self.log.start_count(),
            stop: self.stop.clone(),
            counters,
            sampling: Sampling::new(config),
            transcripts: None,
            marks: None,
            recorder,
            presence: Arc::default(),
            new_segments: NewSegments::default(),
            challenge_seed: index as u64,
            config,
        };
        let events = TableEvents::new(index, self.admission.clone(), self.shared.clone());
        Ok(Table::new(setup, events))
    }

    fn running(&mut self) -> impl Iterator<Item = &mut WorkerByHand> {
        self.workers.iter_mut().flatten()
    }

    /// Returns the indices of the workers that run.
    pub fn running_workers(&self) -> Vec<usize> {
        (0..self.workers.len()).filter(|worker| self.workers[*worker].is_some()).collect()
    }

    /// Connects a client, which is accepted at once. `socket`: the sink's end. Returns its place;
    /// `None`: it was turned away.
    pub fn connect(&mut self, socket: UnixStream, protocol: Protocol) -> Option<WorkerPlace> {
        self.connect_to(socket, (protocol, Beginning::Greeting))
    }

    /// Connects a client that begins with `beginning`, and then speaks SMTP.
    pub fn connect_with(
        &mut self,
        socket: UnixStream,
        beginning: Beginning,
    ) -> Option<WorkerPlace> {
        self.connect_to(socket, (Protocol::Smtp, beginning))
    }

    fn connect_to(
        &mut self,
        socket: UnixStream,
        listener: (Protocol, Beginning),
    ) -> Option<WorkerPlace> {
        self.queue(QueuedClient { number: 0, socket, client: Client::Unix }, listener);
        self.running().for_each(WorkerByHand::accept_all);
        self.take_places().pop().map(|(_, place)| place)
    }

    /// Connects a client to the given listener, where it waits to be accepted.
    pub fn queue(&mut self, client: QueuedClient, listener: (Protocol, Beginning)) {
        let listener = index_of(listener);
        self.queues[listener].push(client);
        self.running().for_each(|worker| worker.report(listener));
    }

    /// Prevents further handshakes from beginning, as if too many were in progress.
    pub fn fill_handshakes(&mut self) {
        self.running().for_each(|worker| worker.table.state.set_handshakes_left(0));
    }

    /// Takes the clients that were accepted since the last call, each with its place.
    pub fn take_places(&mut self) -> Vec<(u64, WorkerPlace)> {
        self.running().flat_map(WorkerByHand::take_placed).collect()
    }

    /// Puts those settings of `config` in force that can change, as `sinkctl reload` does.
    pub fn reload(&mut self, config: &Config) {
        let number = self.current.number() + 1;
        let next = Generation::build(config, &listeners(config), number);
        self.current.publish(Arc::new(next.expect("no files are read")));
        self.admission.set_limits(config);
    }

    /// Sets the number of descriptors left for accepting; `None`: no limit.
    pub fn set_descriptors(&mut self, left: Option<u64>) {
        self.shared.set_left(left);
    }

    /// Begins a round of every worker's loop at `now`.
    pub fn wake(&mut self, now: Duration) {
        (0..self.workers.len()).for_each(|worker| self.wake_worker(worker, now));
    }

    /// Begins a round of a worker's loop at `now`.
    pub fn wake_worker(&mut self, worker: usize, now: Duration) {
        self.now = now;
        if let Some(worker) = &mut self.workers[worker] {
            worker.table.wake(MonotonicNs::START.saturating_add(now));
        }
    }

    /// Reports a readiness event at `place`.
    pub fn ready(&mut self, place: WorkerPlace, event: SocketEvent) {
        if let Some(worker) = &mut self.workers[place.worker] {
            worker.table.ready(place.place, event);
        }
    }

    /// Delivers the wake-ups of the log and of other workers. Returns whether there were any.
    pub fn take_wake(&mut self) -> bool {
        (0..self.workers.len()).fold(false, |any, worker| self.take_wake_of(worker) | any)
    }

    /// Delivers a worker's wake-up by the log or another worker. Returns whether there was one.
    pub fn take_wake_of(&mut self, worker: usize) -> bool {
        self.workers[worker].as_mut().is_some_and(WorkerByHand::take_wake)
    }

    /// Does the rest of the round of every worker.
    pub fn round(&mut self) {
        (0..self.workers.len()).for_each(|worker| self.round_of(worker));
    }

    /// Does the rest of the round of a worker. If its part of the stop is done, it ends.
    pub fn round_of(&mut self, index: usize) {
        let Some(worker) = &mut self.workers[index] else { return };
        worker.round(&self.shared, MonotonicNs::START.saturating_add(self.now));
        if worker.is_done()
            && let Some(worker) = self.workers[index].take()
        {
            worker.close();
        }
        self.shared.count(self.open_connections() as u64);
    }

    /// Returns how long all loops would sleep without an event.
    pub fn wait_ms(&self) -> Option<u64> {
        self.workers.iter().flatten().filter_map(WorkerByHand::wait_ms).min()
    }

    /// Returns whether a connection is open at `place`.
    pub fn is_open(&self, place: WorkerPlace) -> bool {
        let worker = self.workers[place.worker].as_ref();
        worker.is_some_and(|worker| worker.table.is_open(place.place))
    }

    /// Returns whether the connection at `place` waits for room in its socket.
    pub fn watches_writes(&self, place: WorkerPlace) -> bool {
        let worker = self.workers[place.worker].as_ref();
        worker.is_some_and(|worker| worker.watches_writes(place.place))
    }

    /// Takes the places that an edge-triggered kernel would report again.
    pub fn take_reported_again(&mut self) -> Vec<WorkerPlace> {
        self.running().flat_map(WorkerByHand::take_reported_again).collect()
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

    /// Returns whether every worker has stopped: every connection and every commit has ended.
    pub fn is_done(&self) -> bool {
        self.workers.iter().all(Option::is_none)
    }

    /// Returns the sum of a counter over all workers.
    pub fn counted(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.counters.iter().map(|of| counter(of).load(Ordering::Relaxed)).sum()
    }

    /// Calls `see` with the statistics of each second that a worker has handed over. It hands over
    /// a second in the first round of a later one.
    pub fn take_recorded(&self, mut see: impl FnMut(&Interval)) {
        self.statistics.iter().for_each(|statistics| statistics.take(&mut see));
    }

    /// Returns the number of open connections, and of those handed over and not yet taken.
    pub fn open_connections(&self) -> usize {
        self.workers.iter().flatten().map(WorkerByHand::connections).sum()
    }

    /// Checks, while no connection is open, that nothing leaked.
    pub fn check_at_rest(&self) {
        self.workers.iter().flatten().for_each(WorkerByHand::check_at_rest);
        assert!(self.admission.is_at_rest(), "no connection is counted: {:?}", self.admission);
    }

    /// Seals the log after the workers have stopped. Checks that nothing leaked.
    pub fn close(self) {
        self.check_at_rest();
        assert!(self.is_done(), "every worker has stopped");
        self.log.close(self.now);
    }

    /// Ends the process at this point, as SIGKILL does.
    pub fn kill(self) {
        drop(self.workers);
        self.log.crash();
    }
}
