//! The connections of one worker: their places, their turns, their deadlines. Listening and waiting
//! for events are elsewhere.
//!
//! The caller passes the time ([`Table::wake`]) and readiness events ([`Table::ready`]): the
//! worker's loop gets both from the kernel, and the simulation makes them up.
mod arrivals;
mod deadlines;
mod handshakes;
mod stopping;
mod turns;
mod xclient;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::Config;
use crate::log::Writer;
use crate::smtp::sasl::Challenges;
use crate::smtp::session::Farewell;
use crate::smtp::workspace::Workspace;
use crate::stats::Recorder;
use crate::time::{MonotonicMs, MonotonicNs};

use super::connections::Connections;
use super::handshakes::Handshakes;
use super::place::{ConnKey, TablePlace};
use super::stopping::Stopping;
use super::timer::Wheel;
use crate::server::connection::{Flow, SessionIds};
use crate::server::indexing::NewSegments;
use crate::server::listening::{SocketInterest, Stream};
use crate::server::payload::{Sampling, Storage, TransferPool};
use crate::server::recording::{Counters, Doing, Ledger, Measurements, RoundKind};
use crate::server::runs::MarkSender;
use crate::server::settings::applied::AppliedGeneration;
use crate::server::settings::current::CurrentGeneration;
use crate::server::settings::listener_rules::ListenerRules;
use crate::server::shutdown::Stop;
use crate::server::time_spent::Presence;
use crate::server::transcripts::Transcripts;
use crate::server::turn::{SideOutputs, WorkerContext, WorkerState};

/// How long the input of a dismissed client is discarded before its socket is closed.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How often transfers that wait for the log are checked for having waited too long.
const PARKED_CHECK_MS: u64 = 50;

/// The parts from which a table is created.
pub(crate) struct TableSetup<'a> {
    /// The worker's index.
    pub index: usize,
    pub current: Arc<CurrentGeneration>,
    pub writer: Writer,
    pub start_count: u32,
    pub stop: Arc<Stop>,
    pub counters: Arc<Counters>,
    pub sampling: Option<Arc<Sampling>>,
    pub transcripts: Option<Arc<Transcripts>>,
    pub marks: Option<Arc<MarkSender>>,
    pub recorder: Option<Recorder>,
    pub presence: Arc<Presence>,
    pub new_segments: NewSegments,
    /// Seed of the CRAM-MD5 challenges.
    pub challenge_seed: u64,
    pub config: &'a Config,
}

/// Registers connections for events, and counts them for the limits on connections. The worker and
/// the simulation each implement this.
pub(crate) trait Interests {
    /// Registers `socket` for readiness events that carry `place`.
    fn register(&mut self, socket: &mut Stream, place: TablePlace) -> std::io::Result<()>;
    /// Changes the events that are reported for `socket`.
    fn change(
        &mut self,
        socket: &mut Stream,
        place: TablePlace,
        to: SocketInterest,
    ) -> std::io::Result<()>;
    /// Counts an admitted connection toward the limit of `address`, or returns why it must close.
    /// Returns whether it was counted.
    fn count_address(&mut self, address: IpAddr) -> Result<bool, Farewell>;
    /// Removes a connection from the count of `address`.
    fn release_address(&mut self, address: IpAddr);
    /// Removes an admitted connection that has ended. `address`: the one it counted toward, if any.
    fn leave(&mut self, address: Option<IpAddr>);
    /// Returns whether a connection has left since the last call, so that its descriptor is free.
    fn take_freed(&mut self) -> bool;
}

/// What a readiness event says beyond the fact that the socket is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketEvent {
    /// Nothing more: there is input, or room for output.
    Plain,
    /// The peer has shut down its side, or sent urgent data: reads may end early.
    Special,
}

/// The connections of one worker.
pub(crate) struct Table<I> {
    /// What sinkd gets from the kernel, and the simulation makes up.
    pub interests: I,
    settings: AppliedGeneration,
    /// What all connections share; lent to one of them for each turn.
    pub state: WorkerState,
    connections: Connections,
    /// Health checks use ids too.
    session_ids: SessionIds,
    /// Deadlines; entries of closed connections are ignored when they are due.
    wheel: Wheel,
    /// The ready list: connections that yielded, and continue when the list runs next.
    yielded: Vec<ConnKey>,
    /// Connections that wait for the log: for room, or for a commit.
    parked: Vec<ConnKey>,
    stopping: Stopping,
    /// Connections in a TLS handshake, whose steps are limited per round.
    handshakes: Handshakes,
}

impl<I: Interests> Table<I> {
    pub fn new(setup: TableSetup<'_>, interests: I) -> Table<I> {
        let TableSetup { index, config, .. } = setup;
        let measurements = Measurements::new(setup.recorder, setup.presence);
        let (stop, counters) = (setup.stop, setup.counters);
        let ledger = Ledger::new(stop, counters, measurements, setup.new_segments, setup.sampling);
        let pool = TransferPool::new(config.memory.buffer_bytes);
        let storage = Storage { pool, writer: setup.writer };
        let mut workspace = Workspace::new(config.memory.envelope_bytes);
        let settings = AppliedGeneration::new(setup.current);
        workspace.policies = settings.get().policies();
        workspace.challenges = Challenges::new(setup.challenge_seed);
        let outputs = SideOutputs { transcripts: setup.transcripts, marks: setup.marks };
        let acceptors = settings.get().acceptors();
        let worker = WorkerContext::new(workspace, storage, ledger, outputs, acceptors);
        Table {
            interests,
            settings,
            state: WorkerState::new(worker),
            connections: Connections::default(),
            session_ids: SessionIds::new(setup.start_count, index),
            wheel: Wheel::new(),
            yielded: Vec::new(),
            parked: Vec::new(),
            stopping: Stopping::default(),
            handshakes: Handshakes::default(),
        }
    }

    /// Begins a round at `now_ns`.
    pub fn wake(&mut self, now_ns: MonotonicNs) -> RoundKind {
        self.state.tick(now_ns);
        if self.settings.is_outdated() {
            self.follow();
        }
        self.state.begin_round()
    }

    /// Applies the generation that is in force. Its times may be shorter, so every deadline is
    /// checked in this round.
    #[cold]
    fn follow(&mut self) {
        self.settings.renew();
        let generation = self.settings.get();
        self.state.follow(generation.policies(), generation.acceptors());
        self.revoke_xclient();
        self.wheel = Wheel::new();
        let now_ms = self.now_ms();
        for (key, _) in self.connections.iter() {
            self.wheel.insert(key, now_ms);
        }
    }

    fn rules(&self, listener: usize) -> &ListenerRules {
        &self.settings.get().listeners[listener]
    }

    /// Ends a round, before the loop goes to sleep.
    pub fn end_round(&mut self, now_ns: MonotonicNs) {
        self.state.tick(now_ns);
        self.state.end_round();
    }

    /// Does the work of a round, after its events were delivered.
    pub fn round(&mut self) {
        self.run_yielded();
        if !self.handshakes.is_idle() {
            self.serve_handshakes();
        }
        self.state.counters().doing(Doing::Timers);
        self.run_timers();
        if self.state.was_starved() {
            self.close_stalled();
        }
        self.state.counters().doing(Doing::Storage);
        self.serve_storage();
        Counters::add(&self.state.counters().rounds, 1);
    }

    /// Does the log's work at the end of a round: pending commits, moving payloads, flushes.
    fn serve_storage(&mut self) {
        if self.state.has_orphans() {
            self.state.poll_orphans();
        }
        if let Some(pinned) = self.state.writer().pinned_segment() {
            for conn in self.connections.iter_mut() {
                self.state.leave_segment(conn, pinned);
            }
        }
        self.state.writer().round_done();
        let flushes = self.state.writer().flushes();
        self.state.counters().flushes.store(flushes, Ordering::Relaxed);
    }

    pub fn now_ms(&self) -> MonotonicMs {
        self.state.clock().now_ms()
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// Returns the number of places, and how many of them are free.
    #[cfg(feature = "testkit")]
    pub fn places(&self) -> (usize, usize) {
        (self.connections.places().count(), self.connections.free())
    }

    /// Returns whether there is a connection at `place`.
    #[cfg(feature = "testkit")]
    pub fn is_open(&self, place: TablePlace) -> bool {
        self.connections.at(place).is_some()
    }

    /// Returns whether the sink stops, and every connection and every commit has ended.
    pub fn is_done(&self) -> bool {
        self.stopping.has_begun() && self.open() == 0 && !self.state.has_orphans()
    }

    /// Returns how long the loop may sleep; `None`: until an event. Called once a round; without
    /// inlining, it costs 50 more instructions.
    #[inline(always)]
    pub fn wait_ms(&self) -> Option<u64> {
        if !self.yielded.is_empty() || self.handshakes.has_ready() {
            return Some(0);
        }
        let now_ms = self.now_ms();
        let mut wait_ms = self.wheel.wait_ms(now_ms).unwrap_or(u64::MAX);
        if let Some(overdue_ms) = self.handshakes.wait_ms(now_ms) {
            wait_ms = wait_ms.min(overdue_ms);
        }
        if !self.parked.is_empty() || self.state.has_orphans() {
            wait_ms = wait_ms.min(PARKED_CHECK_MS);
        }
        if let Some(grace_ms) = self.stopping.grace_left_ms(now_ms) {
            wait_ms = wait_ms.min(grace_ms);
        }
        if let Some(statistics_ms) = self.state.statistics_wait_ms() {
            wait_ms = wait_ms.min(statistics_ms);
        }
        (wait_ms < u64::MAX).then_some(wait_ms.max(1))
    }

    /// Handles a readiness event of the connection at `place`.
    pub fn ready(&mut self, place: TablePlace, event: SocketEvent) {
        let Some(conn) = self.connections.at_mut(place) else { return };
        // An event for an earlier connection in this place does no harm: the read finds nothing.
        conn.incoming.reads_until_empty |= event == SocketEvent::Special;
        if conn.waits.is_for_socket() {
            match conn.flow {
                Flow::Handshake(_) => self.queue_handshake(place),
                _ => self.run_turn(place),
            }
        }
    }
}
