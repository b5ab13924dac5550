//! One event loop: its listeners, its connections, its writer.
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::config::{self, Config};
use crate::log::Writer;
use crate::smtp::envelope::Client;
use crate::smtp::limits::Policy;
use crate::smtp::session::{Desk, Farewell, Session};
use crate::stats::Recorder;

use super::admission::Admission;
use super::bench::Bench;
use super::commit::{give_up_waiting, see_orphans_through};
use super::conn::{Conn, Flow};
use super::index::Begun;
use super::moments::Moments;
use super::pool::Pool;
use super::record::Recording;
use super::shutdown::{Stage, Stop};
use super::storage::Storage;
use super::stream::{Acceptor, Stream};
use super::sys;
use super::timer::{Key, Wheel};
use super::transcript::{Transcripts, Who};
use super::turn::{self, Turn};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// Connections accepted from one listener before the others have their turn.
const ACCEPTS_PER_ROUND: usize = 64;
/// Sockets handed over and not yet taken; when full, a worker keeps what it accepted.
const HANDOVER_MAX: usize = 1024;
/// How long a dismissed client may go on talking before its socket is closed under it.
const LINGER_MS: u64 = 2000;
/// While a transfer waits for the log, its patience is looked at this often.
const PARKED_CHECK_MS: u64 = 50;
/// A transfer silent for this long may be closed when others need its buffer.
const STALLED_MS: u64 = 1000;
/// At most this many of them at a time.
const STALLED_CLOSED_MAX: usize = 64;

const WAKER: Token = Token(usize::MAX);
/// Listener `n` has the token `WAKER - 1 - n`.
const LISTENERS_MAX: usize = 1024;
const _: () = assert!(config::LISTENERS_MAX < LISTENERS_MAX, "each listener has its token");

/// What a worker counts; written by it alone, read by anyone (relaxed: nothing depends on them).
#[derive(Debug, Default)]
pub struct Counters {
    pub messages: AtomicU64,
    pub message_bytes: AtomicU64,
    pub refused: AtomicU64,
    pub sessions: AtomicU64,
    pub sessions_ended: AtomicU64,
    pub parked: AtomicU64,
    pub rounds: AtomicU64,
    /// Flushes asked for (durability `message`).
    pub flushes: AtomicU64,
    /// Unix time, ms, at which something was last heard.
    pub heard_unix_ms: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, n: u64) {
        // One writer: a load and a store do, without a locked instruction.
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(super) fn message(&self, bytes: u64) {
        Self::add(&self.messages, 1);
        Self::add(&self.message_bytes, bytes);
    }

    pub(super) fn refused(&self) {
        Self::add(&self.refused, 1);
    }
}

/// A connection on its way from the worker that accepted it to the one that serves it.
pub struct Arrival {
    socket: Stream,
    client: Client,
    listener: usize,
}

/// The channels between workers.
pub struct Handover {
    pub seats: Vec<Seat>,
    pub doors: Vec<Door>,
    pub wakers: Vec<Arc<Waker>>,
}

/// The receiving end of a worker.
pub struct Seat {
    poll: Poll,
    arrivals: Receiver<Arrival>,
}

/// The sending end towards a worker.
#[derive(Clone)]
pub struct Door {
    arrivals: Sender<Arrival>,
    waker: Arc<Waker>,
}

impl Handover {
    pub fn new(workers: usize) -> std::io::Result<Handover> {
        let mut handover = Handover { seats: Vec::new(), doors: Vec::new(), wakers: Vec::new() };
        for _ in 0..workers {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let (sender, receiver) = crossbeam_channel::bounded(HANDOVER_MAX);
            handover.seats.push(Seat { poll, arrivals: receiver });
            handover.doors.push(Door { arrivals: sender, waker: waker.clone() });
            handover.wakers.push(waker);
        }
        Ok(handover)
    }
}

/// All that a worker is made of.
pub struct Setup<'a> {
    pub index: usize,
    pub seat: Seat,
    pub peers: Vec<Door>,
    pub listeners: Vec<Acceptor>,
    pub policies: Vec<Arc<Policy>>,
    pub writer: Writer,
    pub start_count: u32,
    pub admission: Arc<Admission>,
    pub stop: Arc<Stop>,
    pub counters: Arc<Counters>,
    pub storage: Option<Arc<Storage>>,
    pub transcripts: Option<Arc<Transcripts>>,
    pub moments: Option<Arc<Moments>>,
    pub recorder: Option<Recorder>,
    pub begun: Begun,
    pub config: &'a Config,
}

/// Limits and times of the configuration, as the loop uses them.
struct Patience {
    command_ms: u64,
    data_ms: u64,
    storage_ms: u64,
    grace_ms: u64,
}

pub struct Worker {
    index: usize,
    poll: Poll,
    arrivals: Receiver<Arrival>,
    peers: Vec<Door>,
    listeners: Vec<Acceptor>,
    policies: Vec<Arc<Policy>>,
    admission: Arc<Admission>,
    patience: Patience,
    bench: Bench,
    conns: Vec<Option<Conn>>,
    free_places: Vec<usize>,
    open: usize,
    serial: u32,
    session_base: u64,
    wheel: Wheel,
    /// Connections that gave way in this round and go on in the next.
    ready: Vec<Key>,
    /// Listeners that had more to accept, or none to accept with.
    accept_again: Vec<usize>,
    accept_paused_until_ms: Option<u64>,
    parked: Vec<Key>,
    stage: Stage,
    grace_ends_ms: Option<u64>,
}

impl Worker {
    pub fn new(setup: Setup<'_>) -> std::io::Result<Worker> {
        let Setup { index, seat, mut listeners, config, .. } = setup;
        assert!(listeners.len() < LISTENERS_MAX, "the configuration bounds them");
        for (n, listener) in listeners.iter_mut().enumerate() {
            let token = Token(WAKER.0 - 1 - n);
            seat.poll.registry().register(listener, token, Interest::READABLE)?;
        }
        let mut bench = Bench::new(
            Desk::new(config.envelope_memory_bytes),
            setup.writer,
            Pool::new(config.buffer_memory_bytes),
            setup.stop,
            setup.counters,
            config.limits.message_bytes_max,
        );
        bench.storage = setup.storage;
        bench.transcripts = setup.transcripts;
        bench.moments = setup.moments;
        bench.recording = Recording::new(setup.recorder);
        bench.begun = setup.begun;
        // Bounded, so that no deadline overflows.
        let ms = |d: Duration| d.min(config::TIME_MAX).as_millis() as u64;
        Ok(Worker {
            index,
            poll: seat.poll,
            arrivals: seat.arrivals,
            peers: setup.peers,
            listeners,
            policies: setup.policies,
            admission: setup.admission,
            patience: Patience {
                command_ms: ms(config.command_timeout),
                data_ms: ms(config.data_timeout),
                storage_ms: ms(config.storage_wait),
                grace_ms: ms(config.stop_grace),
            },
            bench,
            conns: Vec::new(),
            free_places: Vec::new(),
            open: 0,
            serial: 0,
            session_base: u64::from(setup.start_count) << 48 | (index as u64) << 40,
            wheel: Wheel::new(),
            ready: Vec::new(),
            accept_again: Vec::new(),
            accept_paused_until_ms: None,
            parked: Vec::new(),
            stage: Stage::Running,
            grace_ends_ms: None,
        })
    }

    /// Serves until the sink stops; then seals what this worker has open.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        // What the start took belongs to this second, and to no round of 1970.
        self.bench.clock.tick();
        self.bench.begin_round();
        loop {
            self.bench.clock.tick();
            self.bench.end_round();
            let wait = self.wait();
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != ErrorKind::Interrupted
            {
                panic!("the event loop can't wait for events: {error}");
            }
            self.bench.clock.tick();
            if self.bench.begin_round() {
                let waiting = self.listeners.iter().map(Acceptor::queue_length).sum();
                self.bench.recording.accept_queue(waiting);
            }
            self.round(&events);
            let is_empty = self.open == 0 && self.arrivals.is_empty();
            if self.stage != Stage::Running && is_empty && self.bench.orphans.is_empty() {
                break;
            }
        }
        self.bench.end_round();
        self.bench.writer.close();
        self.bench.recording.close(&mut self.bench.desk.tally);
    }

    fn round(&mut self, events: &Events) {
        let heard = !events.is_empty();
        for event in events {
            self.serve_event(event);
        }
        self.accept_rest();
        self.run_ready();
        self.run_timers();
        if self.bench.starved {
            self.close_stalled();
        }
        if !self.bench.orphans.is_empty() {
            see_orphans_through(&mut self.bench);
        }
        self.bench.writer.round_done();
        let flushes = self.bench.writer.flushes();
        self.bench.counters.flushes.store(flushes, Ordering::Relaxed);
        Counters::add(&self.bench.counters.rounds, 1);
        if heard {
            let unix_ms = self.bench.clock.unix_ns() / 1_000_000;
            self.bench.counters.heard_unix_ms.store(unix_ms, Ordering::Relaxed);
        }
        self.follow_stop();
    }

    /// How long the kernel may let us sleep.
    fn wait(&self) -> Option<Duration> {
        if !self.ready.is_empty() || (!self.accept_again.is_empty() && !self.is_accept_paused()) {
            return Some(Duration::ZERO);
        }
        let now_ms = self.bench.clock.now_ms();
        let until = |ms: u64| ms.saturating_sub(now_ms);
        [
            self.wheel.wait_ms(now_ms),
            (!self.parked.is_empty() || !self.bench.orphans.is_empty()).then_some(PARKED_CHECK_MS),
            self.accept_paused_until_ms.map(until),
            self.grace_ends_ms.map(until),
            self.bench.statistics_due_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|ms| Duration::from_millis(ms.max(1)))
    }

    fn serve_event(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
            self.take_arrivals();
            self.unpark();
        } else if token.0 >= WAKER.0 - LISTENERS_MAX {
            self.accept(WAKER.0 - 1 - token.0);
        } else if let Some(conn) = self.conns.get_mut(token.0).and_then(Option::as_mut) {
            // An event for an earlier connection in this place does no harm: reads come up empty.
            conn.read_closed |= event.is_read_closed();
            if conn.waiting_ms.is_none() || matches!(conn.flow, Flow::Lingering) {
                self.run_turn(token.0);
            }
        }
    }

    // ------------------------------------------------------------ accepting

    fn is_accept_paused(&self) -> bool {
        self.accept_paused_until_ms.is_some_and(|until| self.bench.clock.now_ms() < until)
    }

    fn accept_rest(&mut self) {
        if self.accept_again.is_empty() || self.is_accept_paused() {
            return;
        }
        self.accept_paused_until_ms = None;
        for listener in std::mem::take(&mut self.accept_again) {
            self.accept(listener);
        }
    }

    fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTS_PER_ROUND {
            let Some(socket) = self.listeners.get(listener) else { return };
            match socket.accept() {
                Ok((socket, client)) => self.admit(Arrival { socket, client, listener }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if sys::is_out_of_descriptors(&error) => {
                    self.pause_accepting(listener, &error);
                    return;
                }
                // The client has gone before it was accepted, or a signal came: the next, please.
                Err(error) => tracing::debug!(%error, "accept"),
            }
        }
        self.accept_again.push(listener);
    }

    #[cold]
    fn pause_accepting(&mut self, listener: usize, error: &std::io::Error) {
        tracing::warn!(%error, "no descriptors left: accepting pauses");
        let pause = sys::ACCEPT_PAUSE.as_millis() as u64;
        self.accept_paused_until_ms = Some(self.bench.clock.now_ms() + pause);
        self.accept_again.push(listener);
    }

    fn admit(&mut self, arrival: Arrival) {
        let refusal = match self.stage {
            Stage::Running => self.admission.enter(arrival.client).err(),
            Stage::Graceful | Stage::AtOnce => Some(Farewell::Stopping),
        };
        if let Some(why) = refusal {
            return self.turn_away(arrival, why);
        }
        let chosen = self.admission.claim(self.index);
        if chosen == self.index {
            return self.seat(arrival);
        }
        let door = &self.peers[chosen];
        match door.arrivals.try_send(arrival) {
            Ok(()) => {
                if let Err(error) = door.waker.wake() {
                    tracing::error!(%error, "a worker could not be woken");
                }
            }
            // Its queue is full: served here.
            Err(error) => {
                self.admission.move_claim(chosen, self.index);
                self.seat(error.into_inner());
            }
        }
    }

    /// Greets with 421 and closes; nothing is unread yet, so nothing is reset.
    #[cold]
    fn turn_away(&mut self, arrival: Arrival, why: Farewell) {
        let policy = self.policies[arrival.listener].clone();
        let mut session = Session::new(arrival.client, policy);
        session.farewell(why, &mut self.bench.desk);
        let mut socket = arrival.socket;
        // A socket that can't take the first line at once is not worth waiting for.
        let _ = std::io::Write::write(&mut socket, &self.bench.desk.replies);
        self.bench.desk.replies.clear();
    }

    fn take_arrivals(&mut self) {
        while let Ok(arrival) = self.arrivals.try_recv() {
            self.seat(arrival);
        }
    }

    /// Gives a connection its place and greets it.
    fn seat(&mut self, arrival: Arrival) {
        let Arrival { mut socket, client, listener } = arrival;
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        if let Err(error) =
            self.poll.registry().register(&mut socket, Token(place), Interest::READABLE)
        {
            tracing::warn!(%error, %client, "the connection could not be registered");
            self.free_places.push(place);
            self.admission.leave(self.index, client);
            return;
        }
        self.serial = self.serial.wrapping_add(1);
        let session = Session::new(client, self.policies[listener].clone());
        let session_id = self.session_base | self.bench.counters.sessions.load(Ordering::Relaxed);
        let mut conn = Conn::new(socket, session, self.serial, client, session_id);
        conn.heard_ms = self.bench.clock.now_ms();
        conn.opened_us = self.bench.clock.now_us();
        if let Some(transcripts) = &self.bench.transcripts {
            conn.transcript = transcripts.begin(&Who {
                session: session_id,
                client,
                listener: &self.policies[listener].listener,
                started_unix_ns: self.bench.clock.unix_ns(),
                now_ms: conn.heard_ms,
            });
        }
        let turn = turn::greet(&mut conn, &mut self.bench);
        let key = Key { place, serial: conn.serial };
        self.wheel.insert(key, conn.heard_ms + self.patience.command_ms);
        self.conns[place] = Some(conn);
        self.open += 1;
        Counters::add(&self.bench.counters.sessions, 1);
        self.after_turn(place, turn);
    }

    // ------------------------------------------------------------ turns

    fn run_turn(&mut self, place: usize) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        let turn = turn::turn(conn, &mut self.bench);
        self.after_turn(place, turn);
    }

    fn after_turn(&mut self, place: usize, turn: Turn) {
        if turn == Turn::Closed {
            return self.close(place);
        }
        let Some(conn) = self.conns[place].as_mut() else { return };
        let key = Key { place, serial: conn.serial };
        if matches!(conn.flow, Flow::Lingering) && conn.waiting_ms.is_none() {
            conn.waiting_ms = Some(self.bench.clock.now_ms());
        }
        match turn {
            Turn::Again if !conn.queued => {
                conn.queued = true;
                self.ready.push(key);
                if let (Flow::Lingering, Some(since)) = (&conn.flow, conn.waiting_ms) {
                    self.wheel.insert(key, since + LINGER_MS);
                }
            }
            Turn::Parked if !conn.parked => {
                conn.parked = true;
                self.parked.push(key);
                // Waiting for a flush is what was asked for, not a lack of room.
                if !matches!(conn.flow, Flow::Committing(_)) {
                    Counters::add(&self.bench.counters.parked, 1);
                    self.bench.recording.parked(conn);
                }
            }
            _ => {}
        }
        let blocked = turn == Turn::Blocked;
        if blocked != conn.watching_writes {
            self.watch_writes(place, blocked);
        }
    }

    #[cold]
    fn watch_writes(&mut self, place: usize, watching: bool) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        let interest = match watching {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        conn.watching_writes = watching;
        let registry = self.poll.registry();
        if let Err(error) = registry.reregister(&mut conn.socket, Token(place), interest) {
            tracing::warn!(%error, client = %conn.client, "the connection was lost to the loop");
            self.close(place);
        }
    }

    fn run_ready(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        for key in ready.drain(..) {
            if let Some(conn) = self.conn_of(key) {
                conn.queued = false;
                self.run_turn(key.place);
            }
        }
        // Whoever gave way again in the meantime stands in the new list.
        ready.append(&mut self.ready);
        self.ready = ready;
    }

    /// There may be room in the log: everybody who waits for it tries again.
    fn unpark(&mut self) {
        for key in std::mem::take(&mut self.parked) {
            let place = self.conns[key.place].as_mut();
            if let Some(conn) = place.filter(|conn| conn.serial == key.serial) {
                conn.parked = false;
                self.bench.recording.unparked(conn);
                self.ready.push(key);
            }
        }
    }

    fn conn_of(&mut self, key: Key) -> Option<&mut Conn> {
        self.conns[key.place].as_mut().filter(|conn| conn.serial == key.serial)
    }

    fn close(&mut self, place: usize) {
        let Some(mut conn) = self.conns[place].take() else { return };
        self.bench.recording.closed(&conn);
        turn::drop_everything(&mut conn, &mut self.bench);
        self.admission.leave(self.index, conn.client);
        self.free_places.push(place);
        self.open -= 1;
        Counters::add(&self.bench.counters.sessions_ended, 1);
        self.bench.stop.session_ended();
        // A descriptor is free again.
        self.accept_paused_until_ms = None;
    }

    // ------------------------------------------------------------ time

    fn run_timers(&mut self) {
        let now_ms = self.bench.clock.now_ms();
        let mut due = Vec::new();
        self.wheel.turn(now_ms, &mut due);
        for key in due {
            self.look_at_deadline(key, now_ms);
        }
        if !self.parked.is_empty() {
            self.lose_patience(now_ms);
        }
    }

    fn look_at_deadline(&mut self, key: Key, now_ms: u64) {
        let (command_ms, data_ms) = (self.patience.command_ms, self.patience.data_ms);
        let Some(conn) = self.conn_of(key) else { return };
        let deadline_ms = match conn.flow {
            Flow::Lingering => conn.waiting_ms.unwrap_or(0) + LINGER_MS,
            _ if conn.is_transferring() => conn.heard_ms + data_ms,
            _ => conn.heard_ms + command_ms,
        };
        if now_ms < deadline_ms {
            return self.wheel.insert(key, deadline_ms);
        }
        if matches!(conn.flow, Flow::Lingering | Flow::Closing) {
            return self.close(key.place);
        }
        self.dismiss(key.place, Farewell::Timeout);
        self.wheel.insert(key, now_ms + LINGER_MS);
    }

    fn dismiss(&mut self, place: usize, why: Farewell) {
        let Some(conn) = self.conns[place].as_mut() else { return };
        let turn = turn::dismiss(conn, &mut self.bench, why);
        self.after_turn(place, turn);
    }

    /// Transfers that waited too long for the log are refused; the rest of them is thrown away.
    fn lose_patience(&mut self, now_ms: u64) {
        let storage_ms = self.patience.storage_ms;
        for key in std::mem::take(&mut self.parked) {
            let Some(conn) = self.conn_of(key) else { continue };
            let since = conn.waiting_ms.unwrap_or(now_ms).max(conn.heard_ms);
            // What is being renamed into place ends one way or the other.
            if now_ms < since + storage_ms || matches!(conn.flow, Flow::Committing(_)) {
                self.parked.push(key);
                continue;
            }
            if let Some(conn) = self.conns[key.place].as_mut() {
                conn.parked = false;
                give_up_waiting(conn, &mut self.bench);
                self.ready.push(key);
            }
        }
    }

    /// The budget for buffers is used up: the transfers that stalled longest give theirs back.
    #[cold]
    fn close_stalled(&mut self) {
        self.bench.starved = false;
        let now_ms = self.bench.clock.now_ms();
        let mut stalled: Vec<(u64, usize)> = self
            .conns
            .iter()
            .enumerate()
            .filter_map(|(place, conn)| {
                let conn = conn.as_ref()?;
                let holds = conn.held.is_some()
                    || (conn.transfer.is_some() && !matches!(conn.flow, Flow::Committing(_)));
                (holds && conn.heard_ms + STALLED_MS <= now_ms).then_some((conn.heard_ms, place))
            })
            .collect();
        stalled.sort_unstable();
        for (_, place) in stalled.into_iter().take(STALLED_CLOSED_MAX) {
            self.dismiss(place, Farewell::OutOfBuffers);
        }
    }

    // ------------------------------------------------------------ stopping

    fn follow_stop(&mut self) {
        let wanted = self.bench.stop.stage();
        if wanted > self.stage {
            let before = std::mem::replace(&mut self.stage, wanted);
            if before == Stage::Running {
                self.close_listeners();
                self.grace_ends_ms = Some(self.bench.clock.now_ms() + self.patience.grace_ms);
                self.dismiss_all(Whom::Idle);
            }
        }
        if self.stage == Stage::Running {
            return;
        }
        // What another worker had accepted before it knew.
        self.take_arrivals();
        let now_ms = self.bench.clock.now_ms();
        if self.stage == Stage::AtOnce {
            self.close_all();
        } else if self.grace_ends_ms.is_some_and(|end| now_ms >= end) {
            self.dismiss_all(Whom::All);
            self.close_all();
        }
    }

    /// Whoever waits in the queues gets 421: closing a listener resets what is queued.
    fn close_listeners(&mut self) {
        for listener in 0..self.listeners.len() {
            self.accept_again.clear();
            loop {
                self.accept(listener);
                if self.accept_again.is_empty() || self.is_accept_paused() {
                    break;
                }
                self.accept_again.clear();
            }
        }
        self.accept_again.clear();
        self.accept_paused_until_ms = None;
        self.listeners.clear();
    }

    fn dismiss_all(&mut self, whom: Whom) {
        for place in 0..self.conns.len() {
            let Some(conn) = self.conns[place].as_ref() else { continue };
            let idle = matches!(conn.flow, Flow::Command) && !conn.session.in_transaction();
            if whom == Whom::All || idle {
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
