//! The connections of one worker: their places, their turns, their deadlines; without sockets that
//! listen, and without waiting for events.
//!
//! Time comes from outside ([`Table::wake`]), readiness too ([`Table::ready`]): the worker's loop
//! has both from the kernel, a simulation makes both up.
mod handshakes;
mod xclient;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::{Config, Denied};
use crate::log::Writer;
use crate::smtp::policy::TlsUse;
use crate::smtp::sasl::Challenges;
use crate::smtp::session::{Farewell, Session};
use crate::smtp::workspace::Workspace;
use crate::stats::Recorder;

use super::handshakes::Handshakes;
use super::timer::{TimerKey, Wheel};
use crate::server::connection::{Conn, Flow, TurnEnd, Waits};
use crate::server::in_force::current::InForce;
use crate::server::in_force::generation::Generation;
use crate::server::in_force::listener_rules::ListenerRules;
use crate::server::in_force::times::Times;
use crate::server::indexing::Begun;
use crate::server::listening::{Arrival, SocketInterest, Stream};
use crate::server::payload::{Sampling, Storage, TransferPool};
use crate::server::recording::{Counters, Doing, Ledger, Recording};
use crate::server::runs::MomentSender;
use crate::server::shutdown::{Stop, StopStage};
use crate::server::time_spent::Presence;
use crate::server::transcripts::{SessionIdentity, Transcripts};
use crate::server::turn::{PREAMBLE_MS, WorkerShared, WorkerState, is_trusted};

/// How long a dismissed client may continue to send before its socket is closed.
const LINGER_MS: u64 = 2000;
/// While a transfer waits for the log, its patience is looked at this often.
const PARKED_CHECK_MS: u64 = 50;
/// A transfer silent for this long may be closed when others need its buffer.
const STALLED_MS: u64 = 1000;
/// How many stalled transfers are closed at a time, at most.
const STALLED_CLOSED_MAX: usize = 64;

/// What a table is made of.
pub(crate) struct TableSetup<'a> {
    /// The worker's index.
    pub index: usize,
    pub in_force: Arc<InForce>,
    pub writer: Writer,
    pub start_count: u32,
    pub stop: Arc<Stop>,
    pub counters: Arc<Counters>,
    pub sampling: Option<Arc<Sampling>>,
    pub transcripts: Option<Arc<Transcripts>>,
    pub moments: Option<Arc<MomentSender>>,
    pub recorder: Option<Recorder>,
    pub presence: Arc<Presence>,
    pub begun: Begun,
    /// What the challenges of CRAM-MD5 come from.
    pub challenge_seed: u64,
    pub config: &'a Config,
}

/// Where connections are registered for what the kernel tells of them.
pub(crate) trait Interests {
    /// Registers `socket` for readiness events, which name `place`.
    fn register(&mut self, socket: &mut Stream, place: usize) -> std::io::Result<()>;
    /// Changes the events that are reported for `socket`.
    fn change(
        &mut self,
        socket: &mut Stream,
        place: usize,
        to: SocketInterest,
    ) -> std::io::Result<()>;
    /// A connection that was admitted is of `address`, or must go. Returns whether it counts among
    /// the connections of that address.
    fn identified(&mut self, address: IpAddr) -> Result<bool, Farewell>;
    /// A connection that counted among those of `address` no longer does.
    fn renamed(&mut self, address: IpAddr);
    /// A connection has ended that was admitted; it counted among those of `address`.
    fn left(&mut self, address: Option<IpAddr>);
}

/// What was heard of a connection beside the fact that there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketEvent {
    /// Octets, or room.
    Plain,
    /// The peer has shut its side, or sent urgent data: reads may end early.
    Special,
}

/// The connections of one worker.
pub(crate) struct Table<I> {
    pub interests: I,
    in_force: Arc<InForce>,
    /// What this worker goes by: what was in force when its last round began.
    generation: Arc<Generation>,
    pub state: WorkerState,
    conns: Vec<Option<Conn>>,
    free_places: Vec<usize>,
    open: usize,
    serial: u32,
    session_base: u64,
    /// Sessions so far, those that do not count included.
    sessions: u64,
    wheel: Wheel,
    /// Connections that yielded: they continue when this list runs next.
    yielded: Vec<TimerKey>,
    parked: Vec<TimerKey>,
    stage: StopStage,
    grace_ends_ms: Option<u64>,
    handshakes: Handshakes,
}

impl<I: Interests> Table<I> {
    pub fn new(setup: TableSetup<'_>, interests: I) -> Table<I> {
        let TableSetup { index, config, .. } = setup;
        let recording = Recording::new(setup.recorder, setup.presence);
        let mut ledger = Ledger::new(setup.stop, setup.counters, recording);
        (ledger.begun, ledger.sampling) = (setup.begun, setup.sampling);
        let pool = TransferPool::new(config.buffer_memory_bytes);
        let storage = Storage { pool, writer: setup.writer };
        let mut workspace = Workspace::new(config.envelope_memory_bytes);
        let generation = setup.in_force.current();
        workspace.in_force = generation.policies();
        workspace.challenges = Challenges::new(setup.challenge_seed);
        let mut shared = WorkerShared::new(workspace, storage, ledger);
        (shared.transcripts, shared.moments) = (setup.transcripts, setup.moments);
        shared.acceptors = generation.acceptors();
        Table {
            interests,
            in_force: setup.in_force,
            generation,
            state: WorkerState::new(shared),
            conns: Vec::new(),
            free_places: Vec::new(),
            open: 0,
            serial: 0,
            session_base: u64::from(setup.start_count) << 48 | (index as u64) << 40,
            sessions: 0,
            wheel: Wheel::new(),
            yielded: Vec::new(),
            parked: Vec::new(),
            stage: StopStage::Running,
            grace_ends_ms: None,
            handshakes: Handshakes::default(),
        }
    }

    /// The loop has woken, at `now_ns` on the clock of the process. True once a second: queues
    /// should be looked at, for statistics.
    pub fn wake(&mut self, now_ns: u64) -> bool {
        self.state.tick(now_ns);
        if self.in_force.number() != self.generation.number {
            self.follow();
        }
        self.state.begin_round()
    }

    /// Goes over to the generation that is in force. Its times may be shorter, so every deadline is
    /// looked at anew.
    #[cold]
    fn follow(&mut self) {
        self.generation = self.in_force.current();
        self.state.follow(self.generation.policies(), self.generation.acceptors());
        self.take_back_xclient();
        self.wheel = Wheel::new();
        let now_ms = self.now_ms();
        for (place, conn) in self.conns.iter().enumerate() {
            let Some(Conn { serial, .. }) = conn else { continue };
            self.wheel.insert(TimerKey { place, serial: *serial }, now_ms);
        }
    }

    fn rules(&self, listener: usize) -> &ListenerRules {
        &self.generation.listeners[listener]
    }

    /// The loop goes to sleep.
    pub fn end_round(&mut self, now_ns: u64) {
        self.state.tick(now_ns);
        self.state.end_round();
    }

    /// Does the work of each round, after the events of the round were delivered.
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

    /// What the log wants of a worker at the end of a round.
    fn serve_storage(&mut self) {
        if self.state.has_orphans() {
            self.state.see_orphans_through();
        }
        if let Some(pinned) = self.state.writer().pinned_segment() {
            for conn in self.conns.iter_mut().flatten() {
                self.state.leave_segment(conn, pinned);
            }
        }
        self.state.writer().round_done();
        let flushes = self.state.writer().flushes();
        self.state.counters().flushes.store(flushes, Ordering::Relaxed);
    }

    pub fn now_ms(&self) -> u64 {
        self.state.clock().now_ms()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Places that were ever made, and of them, those that are free.
    pub fn places(&self) -> (usize, usize) {
        (self.conns.len(), self.free_places.len())
    }

    /// Whether every connection has ended, with all that it had begun.
    pub fn is_over(&self) -> bool {
        self.stage != StopStage::Running && self.open == 0 && !self.state.has_orphans()
    }

    /// How long the loop may sleep because of these connections.
    pub fn wait_ms(&self) -> Option<u64> {
        if !self.yielded.is_empty() || self.handshakes.wants_turn() {
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
        if let Some(until_ms) = self.grace_ends_ms {
            wait_ms = wait_ms.min(until_ms.saturating_sub(now_ms));
        }
        if let Some(due_ms) = self.state.statistics_due_ms() {
            wait_ms = wait_ms.min(due_ms);
        }
        (wait_ms < u64::MAX).then_some(wait_ms.max(1))
    }

    /// Something was heard of the connection at `place`.
    pub fn ready(&mut self, place: usize, heard: SocketEvent) {
        let Some(conn) = self.conns.get_mut(place).and_then(Option::as_mut) else { return };
        // An event for an earlier connection in this place does no harm: reads come up empty.
        conn.reads_until_empty |= heard == SocketEvent::Special;
        if conn.waits.is_for_socket() {
            match conn.flow {
                Flow::Handshake => self.queue_handshake(place),
                _ => self.run_turn(place),
            }
        }
    }

    // ------------------------------------------------------------ arriving

    /// Greets with 421 and closes; where a PROXY header or TLS would come first, only closes.
    #[cold]
    pub fn turn_away(&mut self, mut arrival: Arrival, why: Farewell) {
        let policy = self.rules(arrival.listener).policy.clone();
        if policy.is_proxied || policy.tls == TlsUse::Implicit {
            return self.state.recording().turned_away();
        }
        let mut session = Session::new(arrival.client, policy);
        self.state.turn_away(&mut arrival.socket, &mut session, why);
    }

    /// The client's address, if it is known at accept; `None` on a PROXY listener, where the header
    /// has yet to arrive.
    pub fn known_by(&self, arrival: &Arrival) -> Option<IpAddr> {
        let is_proxied = self.rules(arrival.listener).policy.is_proxied;
        arrival.client.ip().filter(|_| !is_proxied)
    }

    /// Whether a connection may be served at all: it is not one to a proxied listener from a
    /// network that is not trusted, which would be believed whatever it says.
    pub fn is_wanted(&mut self, arrival: &Arrival) -> bool {
        let is_proxied = self.rules(arrival.listener).policy.is_proxied;
        if is_proxied && !is_trusted(arrival.client, &self.generation.trusted) {
            let why = "it is not in a network of --proxy-trusted";
            self.state.refuse_as_proxy(arrival.client, why);
            return false;
        }
        true
    }

    /// Whether the lists of its listener let a connection in. If not, it is answered as they say.
    /// Of a proxy the client is asked about later.
    pub fn is_served(&mut self, arrival: &mut Arrival) -> bool {
        let rules = self.rules(arrival.listener);
        if rules.policy.is_proxied || rules.serves(arrival.client) {
            return true;
        }
        let (denied, policy) = (rules.denied, rules.policy.clone());
        self.state.recording().denied(arrival.listener);
        if denied == Denied::Reply && policy.tls != TlsUse::Implicit {
            let mut session = Session::new(arrival.client, policy);
            self.state.turn_away(&mut arrival.socket, &mut session, Farewell::Denied);
        }
        false
    }

    /// Assigns a connection its place, and greets it, unless a PROXY header comes first.
    pub fn begin(&mut self, arrival: Arrival) {
        let counted_by = arrival.counted_by();
        let Arrival { mut socket, client, listener, is_counted } = arrival;
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        if let Err(error) = self.interests.register(&mut socket, place) {
            tracing::warn!(%error, %client, "the connection could not be registered");
            self.free_places.push(place);
            self.interests.left(counted_by);
            return;
        }
        self.serial = self.serial.wrapping_add(1);
        let policy = self.rules(listener).policy.clone();
        let is_proxied = policy.is_proxied;
        let session = Session::new(client, policy);
        let session_id = self.session_base | self.sessions;
        self.sessions += 1;
        let mut conn = Conn::new(socket, session, self.serial, client, session_id);
        conn.is_counted = is_counted;
        conn.heard_ms = self.now_ms();
        conn.opened_us = self.state.clock().now_us();
        let key = TimerKey { place, serial: conn.serial };
        let Times { command_ms, data_ms, .. } = self.generation.times;
        let mut wait_ms = command_ms.min(data_ms);
        self.open += 1;
        if is_proxied {
            wait_ms = wait_ms.min(PREAMBLE_MS);
            conn.flow = Flow::Preamble;
            conn.is_session = false;
        }
        self.wheel.insert(key, conn.heard_ms + wait_ms);
        let turn = match is_proxied {
            true => TurnEnd::Idle,
            false => self.greet(&mut conn),
        };
        self.conns[place] = Some(conn);
        // The kernel tells when the hello has come.
        let turn = if turn == TurnEnd::Secures { self.handshake_begins(place) } else { turn };
        self.after_turn(place, turn);
    }

    /// Begins the session of a connection.
    fn greet(&mut self, conn: &mut Conn) -> TurnEnd {
        self.look_whether_xclient_is_allowed(conn);
        if let Some(transcripts) = self.state.transcripts().filter(|_| conn.is_session) {
            conn.transcript = transcripts.begin(&SessionIdentity {
                session: conn.session_id,
                client: conn.client,
                peer: conn.session.peer(),
                listener: conn.session.listener(),
                started_unix_ns: self.state.clock().unix_ns(),
                now_ms: self.state.clock().now_ms(),
            });
        }
        if conn.is_session {
            Counters::add(&self.state.counters().sessions, 1);
        }
        match conn.session.begins_with_tls() {
            true => self.state.begin_with_tls(conn),
            false => self.state.greet(conn),
        }
    }

    /// PROXY or XCLIENT has named the client of the connection at `place`.
    #[cold]
    fn identified(&mut self, place: usize) {
        let Some(mut conn) = self.conns[place].take() else { return };
        if matches!(conn.flow, Flow::Undecided) {
            return self.named(place, conn);
        }
        let rules = self.rules(conn.session.listener_index());
        if conn.is_session && !rules.serves(conn.client) {
            let denied = rules.denied;
            return self.deny(place, conn, denied);
        }
        let counted = match conn.client.ip().filter(|_| conn.is_session) {
            Some(address) => self.interests.identified(address),
            None => Ok(false),
        };
        let turn = match counted {
            Ok(is_counted) => {
                conn.is_counted = is_counted;
                self.state.recording().identified(&conn);
                self.greet(&mut conn)
            }
            Err(why) => {
                conn.is_session = false;
                self.refuse(&mut conn, why)
            }
        };
        self.conns[place] = Some(conn);
        // What follows the header may be here already.
        let turn = if turn == TurnEnd::Idle { TurnEnd::Again } else { turn };
        self.after_turn(place, turn);
    }

    /// The client that a PROXY header has named is not served.
    #[cold]
    fn deny(&mut self, place: usize, mut conn: Conn, denied: Denied) {
        self.state.recording().denied(conn.session.listener_index());
        conn.is_session = false;
        let turn = match denied {
            Denied::Reply => self.refuse(&mut conn, Farewell::Denied),
            Denied::Close => TurnEnd::Closed,
        };
        self.conns[place] = Some(conn);
        self.after_turn(place, turn);
    }

    /// Ends a connection that was identified, with a reply where a greeting would be in plain text.
    #[cold]
    fn refuse(&mut self, conn: &mut Conn, why: Farewell) -> TurnEnd {
        match conn.session.begins_with_tls() {
            true => TurnEnd::Closed,
            false => self.state.refuse(conn, why),
        }
    }

    // ------------------------------------------------------------ turns

    fn run_turn(&mut self, place: usize) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        self.state.counters().serving(conn.session_id);
        let turn = self.state.turn(conn);
        self.after_turn(place, turn);
    }

    fn after_turn(&mut self, place: usize, turn: TurnEnd) {
        match turn {
            TurnEnd::Closed => return self.close(place),
            TurnEnd::Identified => return self.identified(place),
            TurnEnd::Secures => return self.secures(place),
            _ => {}
        }
        let Some(conn) = self.conns[place].as_mut() else { return };
        let key = TimerKey { place, serial: conn.serial };
        let waits = conn.waits.after(turn, self.state.clock().now_ms());
        let before = std::mem::replace(&mut conn.waits, waits);
        if waits.is_for_turn() && !before.is_for_turn() {
            match conn.flow {
                Flow::Handshake => self.handshakes.is_ready(key),
                _ => self.yielded.push(key),
            }
            if let Flow::Lingering { since_ms } = conn.flow {
                self.wheel.insert(key, since_ms + LINGER_MS);
            }
        }
        if waits.is_for_log() && !before.is_for_log() {
            self.parked.push(key);
        }
        // Waiting for a commit is what was asked for, not a lack of room.
        if turn == TurnEnd::Parked && !conn.is_committing() {
            Counters::add(&self.state.counters().parked, 1);
            self.state.recording().parked(conn);
        }
        let wanted = if waits.is_for_replies() {
            SocketInterest::ReadsAndWrites
        } else {
            SocketInterest::Reads
        };
        if wanted != conn.wanted {
            self.change_wanted(place, wanted);
        }
        if self.handshakes.is_any_under_way() {
            self.follow_handshake(place);
        }
    }

    #[cold]
    fn change_wanted(&mut self, place: usize, wanted: SocketInterest) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        conn.wanted = wanted;
        if let Err(error) = self.interests.change(&mut conn.socket, place, wanted) {
            tracing::warn!(%error, client = %conn.client, "the connection was lost to the loop");
            self.close(place);
        }
    }

    fn run_yielded(&mut self) {
        let mut yielded = std::mem::take(&mut self.yielded);
        for key in yielded.drain(..) {
            // One that was dismissed meanwhile may wait for something else.
            let Some(conn) = self.conn_of(key).filter(|conn| conn.waits.is_for_turn()) else {
                continue;
            };
            conn.waits = conn.waits.turn_begins();
            self.run_turn(key.place);
        }
        // Connections that gave way again in the meantime stand in the new list.
        yielded.append(&mut self.yielded);
        self.yielded = yielded;
    }

    /// There may be room in the log: every connection that waits for it tries again.
    pub fn unpark(&mut self) {
        for key in std::mem::take(&mut self.parked) {
            self.go_on(key);
        }
    }

    /// Continues the connection of `key`, if it still waits for the log.
    fn go_on(&mut self, key: TimerKey) {
        let Some(conn) = self.conns[key.place].as_mut() else { return };
        if conn.serial != key.serial || !conn.waits.is_for_log() {
            return;
        }
        conn.waits = conn.waits.log_may_have_room();
        self.state.recording().unparked(conn);
        self.yielded.push(key);
    }

    fn conn_of(&mut self, key: TimerKey) -> Option<&mut Conn> {
        self.conns[key.place].as_mut().filter(|conn| conn.serial == key.serial)
    }

    fn close(&mut self, place: usize) {
        let Some(mut conn) = self.conns[place].take() else { return };
        self.state.end(&mut conn);
        if conn.tls.as_ref().is_some_and(|tls| tls.is_in_flight) {
            self.handshake_ended();
        }
        self.interests.left(conn.counted_by());
        self.free_places.push(place);
        self.open -= 1;
        if conn.is_session {
            Counters::add(&self.state.counters().sessions_ended, 1);
            self.state.stop().session_ended();
        }
    }

    // ------------------------------------------------------------ time

    fn run_timers(&mut self) {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        self.wheel.turn(now_ms, &mut due);
        for key in due {
            self.look_at_deadline(key, now_ms);
        }
        if !self.parked.is_empty() {
            self.lose_patience(now_ms);
        }
    }

    fn look_at_deadline(&mut self, key: TimerKey, now_ms: u64) {
        let Times { command_ms, data_ms, .. } = self.generation.times;
        let Some(conn) = self.conn_of(key) else { return };
        let deadline_ms = match conn.flow {
            Flow::Lingering { since_ms } => since_ms + LINGER_MS,
            Flow::Preamble => conn.opened_us / 1000 + PREAMBLE_MS,
            _ if conn.is_transferring() => conn.heard_ms + data_ms,
            _ => conn.heard_ms + command_ms,
        };
        if now_ms < deadline_ms {
            // Looked at again before any deadline that may begin meanwhile has passed.
            return self.wheel.insert(key, deadline_ms.min(now_ms + command_ms.min(data_ms)));
        }
        if matches!(conn.flow, Flow::Lingering { .. } | Flow::Closing) {
            return self.close(key.place);
        }
        if matches!(conn.flow, Flow::Preamble) {
            let peer = conn.client;
            self.state.refuse_as_proxy(peer, "no header came within 5 s");
            return self.close(key.place);
        }
        self.dismiss(key.place, Farewell::Timeout);
        self.wheel.insert(key, now_ms + LINGER_MS);
    }

    fn dismiss(&mut self, place: usize, why: Farewell) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        let turn = self.state.dismiss(conn, why);
        self.after_turn(place, turn);
    }

    /// Transfers that waited too long for the log are refused; the rest of them is thrown away.
    fn lose_patience(&mut self, now_ms: u64) {
        let storage_ms = self.generation.times.storage_ms;
        for key in std::mem::take(&mut self.parked) {
            let Some(conn) = self.conn_of(key).filter(|conn| conn.waits.is_for_log()) else {
                continue;
            };
            let since_ms = conn.waits.log_since_ms().unwrap_or(now_ms).max(conn.heard_ms);
            // What is being renamed into place ends one way or the other.
            if now_ms < since_ms + storage_ms || conn.is_committing() {
                self.parked.push(key);
                continue;
            }
            self.go_on(key);
            if let Some(conn) = self.conns[key.place].as_mut() {
                self.state.lose_patience(conn);
            }
        }
    }

    /// The budget for buffers is used up: closes the transfers that stalled longest, which frees
    /// theirs.
    #[cold]
    fn close_stalled(&mut self) {
        let now_ms = self.now_ms();
        let mut stalled: Vec<(u64, usize)> = self
            .conns
            .iter()
            .enumerate()
            .filter_map(|(place, conn)| {
                let conn = conn.as_ref()?;
                // Those that wait for storage, or for their turn, wait for us.
                let waits_for_us = conn.waits.is_for_log() || conn.waits.is_for_turn();
                (conn.holds_buffers() && !waits_for_us && conn.heard_ms + STALLED_MS <= now_ms)
                    .then_some((conn.heard_ms, place))
            })
            .collect();
        stalled.sort_unstable();
        for (_, place) in stalled.into_iter().take(STALLED_CLOSED_MAX) {
            self.dismiss(place, Farewell::OutOfBuffers);
        }
    }

    // ------------------------------------------------------------ stopping

    /// How far the stop of these connections has come.
    pub fn stage(&self) -> StopStage {
        self.stage
    }

    /// Follows the sink. True where it begins to stop: idle clients have been dismissed.
    pub fn begins_to_stop(&mut self) -> bool {
        let wanted = self.state.stop().stage();
        if wanted <= self.stage {
            return false;
        }
        let before = std::mem::replace(&mut self.stage, wanted);
        if before != StopStage::Running {
            return false;
        }
        self.state.counters().doing(Doing::Stopping);
        self.grace_ends_ms = Some(self.now_ms() + self.generation.times.grace_ms);
        self.dismiss_all(Whom::Idle);
        true
    }

    /// Closes what has had its time.
    pub fn go_on_stopping(&mut self) {
        let now_ms = self.now_ms();
        if self.stage == StopStage::AtOnce {
            self.close_all();
        } else if self.grace_ends_ms.is_some_and(|end| now_ms >= end) {
            self.dismiss_all(Whom::All);
            self.close_all();
        }
    }

    fn dismiss_all(&mut self, whom: Whom) {
        for place in 0..self.conns.len() {
            let Some(conn) = self.conns[place].as_ref() else { continue };
            let has_not_begun = matches!(conn.flow, Flow::Preamble | Flow::Handshake);
            if whom == Whom::All || conn.is_idle() || has_not_begun {
                self.dismiss(place, Farewell::Stopping);
            }
        }
    }

    fn close_all(&mut self) {
        for place in 0..self.conns.len() {
            self.close(place);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Whom {
    Idle,
    All,
}
