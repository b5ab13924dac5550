//! A worker without its loop, for simulation: the connections, the log and the time of one worker
//! do what they are told, when they are told.
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::Config;
use crate::log::by_hand::ByHand;
use crate::log::{OpenError, Recovery, Settings};
use crate::smtp::envelope::Client;
use crate::smtp::limits::{Policy, Protocol};
use crate::smtp::tally;
use crate::stats::Interval;
use crate::stats::by_hand::ByHand as Statistics;

use super::counters::Counters;
use super::handover::Arrival;
use super::index::Begun;
use super::sampling::Sampling;
use super::shutdown::{Stage, Stop};
use super::stream::{Stream, Wanted};
use super::table::{Interests, Setup, Table};

pub use super::table::Heard;

/// What the table wants to be told of.
#[derive(Debug, Default)]
struct Told {
    /// By place.
    wanted: Vec<Wanted>,
    /// Places whose interest has changed: an edge-triggered kernel tells of them anew.
    again: Vec<usize>,
    /// The last place that was registered.
    last: Option<usize>,
    left: u64,
}

impl Interests for Told {
    fn register(&mut self, _: &mut Stream, place: usize) -> std::io::Result<()> {
        if self.wanted.len() <= place {
            self.wanted.resize(place + 1, Wanted::Reads);
        }
        self.wanted[place] = Wanted::Reads;
        self.last = Some(place);
        Ok(())
    }

    fn change(&mut self, _: &mut Stream, place: usize, to: Wanted) -> std::io::Result<()> {
        self.wanted[place] = to;
        self.again.push(place);
        Ok(())
    }

    fn left(&mut self, _: Client) {
        self.left += 1;
    }
}

/// One worker of a sink.
pub struct ByHandSink {
    table: Table<Told>,
    log: ByHand,
    /// `None`: the configuration asks for none.
    statistics: Option<Statistics>,
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    /// The log has said that there may be room.
    woken: Arc<AtomicBool>,
    now: Duration,
    arrived: u64,
}

impl ByHandSink {
    /// Opens `folder`. Connections are SMTP or LMTP, as they come.
    pub fn open(
        folder: &Path,
        config: &Config,
        settings: Settings,
    ) -> Result<(ByHandSink, Recovery), OpenError> {
        let (mut log, recovery) = ByHand::open(folder, settings)?;
        let woken = Arc::new(AtomicBool::new(false));
        let waker = woken.clone();
        let writer = log.writer(Box::new(move || waker.store(true, Ordering::Relaxed)))?;
        let (stop, counters) = (Arc::new(Stop::new(None, None)), Arc::new(Counters::default()));
        let policy = |protocol| {
            let limits = config.limits.clone();
            let mut policy = Policy::of(protocol, &config.hostname, "simulated", limits);
            policy.syntax = config.syntax;
            Arc::new(policy)
        };
        let statistics = config.stats.then(|| Statistics::new(tally::sorts().len()));
        let (statistics, recorder) = statistics.unzip();
        let setup = Setup {
            index: 0,
            policies: vec![policy(Protocol::Smtp), policy(Protocol::Lmtp)],
            writer,
            start_count: log.start_count(),
            stop: stop.clone(),
            counters: counters.clone(),
            sampling: Sampling::new(config),
            transcripts: None,
            moments: None,
            recorder,
            begun: Begun::default(),
            config,
        };
        let table = Table::new(setup, Told::default());
        let now = Duration::ZERO;
        let arrived = 0;
        let sink = ByHandSink { table, log, statistics, stop, counters, woken, now, arrived };
        Ok((sink, recovery))
    }

    /// A client has connected; `socket` is our end. Returns its place; `None`: it is gone already.
    pub fn connect(&mut self, socket: UnixStream, protocol: Protocol) -> Option<usize> {
        let socket = Stream::Unix(mio::net::UnixStream::from_std(socket));
        let listener = usize::from(protocol == Protocol::Lmtp);
        self.table.interests.last = None;
        self.arrived += 1;
        self.table.begin(Arrival { socket, client: Client::Unix, listener });
        self.table.interests.last
    }

    /// A round of the loop begins, at `now`.
    pub fn wake(&mut self, now: Duration) {
        self.now = now;
        self.table.wake(now);
    }

    /// There is something to be read at `place`, or there is room.
    pub fn ready(&mut self, place: usize, heard: Heard) {
        self.table.ready(place, heard);
    }

    /// The log's wake-up arrives, if there was one.
    pub fn take_wake(&mut self) -> bool {
        let was_woken = self.woken.swap(false, Ordering::Relaxed);
        if was_woken {
            self.table.unpark();
        }
        was_woken
    }

    /// What remains of the round.
    pub fn round(&mut self) {
        self.table.round();
        self.table.begins_to_stop();
        if self.table.stage() != Stage::Running {
            self.table.go_on_stopping();
        }
        self.table.end_round(self.now);
    }

    /// How long the loop would sleep, if nothing came.
    pub fn wait_ms(&self) -> Option<u64> {
        self.table.wait_ms()
    }

    /// Whether the connection at `place` waits for room in its socket.
    pub fn watches_writes(&self, place: usize) -> bool {
        self.table.interests.wanted[place] == Wanted::ReadsAndWrites
    }

    /// Places that an edge-triggered kernel would tell of anew.
    pub fn told_again(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.table.interests.again)
    }

    /// Whether something waits for provisioning.
    pub fn wants_provisioning(&self) -> bool {
        self.log.requests() > 0
    }

    /// Provisioning serves up to `most` requests.
    pub fn provision(&mut self, most: usize) -> usize {
        self.log.serve(most, self.now)
    }

    /// The flusher does up to `most` jobs.
    pub fn flush(&mut self, most: usize) -> usize {
        self.log.flush(most, self.now)
    }

    /// An interval of durability `interval` has passed.
    pub fn flush_interval(&mut self) {
        self.log.flush_interval();
    }

    /// The sink is told to stop.
    pub fn stop(&mut self, stage: Stage) {
        self.stop.begin(stage);
    }

    /// Whether it has stopped: every connection has ended, with all that it had begun.
    pub fn is_over(&self) -> bool {
        self.table.is_over()
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls `see` with what was recorded in a second that the worker has handed over, if there is
    /// one: it does so in the first round of another second.
    pub fn take_recorded(&self, see: impl FnOnce(&Interval)) {
        if let Some(statistics) = &self.statistics {
            statistics.take(see);
        }
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.table.open()
    }

    /// While no connection is open: checks that nothing leaked.
    pub fn check_at_rest(&self) {
        let (places, free) = self.table.places();
        assert_eq!(places, free, "every place is free again");
        assert_eq!(self.table.interests.left, self.arrived, "every connection has left");
        self.table.resting.check_nothing_is_lent();
    }

    /// Once it is over: seals. Checks that nothing leaked.
    pub fn close(self) {
        self.check_at_rest();
        let now = self.now;
        self.table.resting.close();
        self.log.close(now);
    }

    /// The process ends here, as by SIGKILL.
    pub fn kill(self) {
        drop(self.table);
        self.log.crash();
    }
}
