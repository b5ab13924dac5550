//! The event loop of one worker: events and time from the kernel.
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::smtp::session::Farewell;
use crate::time::{MonotonicMs, ProcessClock};

use super::intake::Intake;
use super::place::TablePlace;
use super::table::{self, Interests, SocketEvent, Table};
use super::watchdog::LONG_ROUND;
use crate::server::listening::{
    Acceptor, Acceptors, Admission, ArrivalSender, Inbox, READING, SocketInterest, Stream, WAKER,
    is_urgent,
};
use crate::server::log_throttle::LogThrottle;
use crate::server::recording::{Counters, Doing, RoundKind};

/// Events received from the kernel per wake-up.
const EVENTS_MAX: usize = 1024;

/// While connections are in use, the loop sleeps at most this long. A longer sleep means that the
/// loop was stopped or had no processor.
const WATCHED_MS: u64 = 100;

/// The parts from which a worker is created.
pub(crate) struct WorkerSetup<'a> {
    pub inbox: Inbox,
    pub peers: Vec<ArrivalSender>,
    pub listeners: Vec<Acceptor>,
    pub admission: Arc<Admission>,
    pub table: table::TableSetup<'a>,
}

/// Registers connections with the kernel, and counts them in the admission.
struct KernelRegistry {
    index: usize,
    registry: Registry,
    admission: Arc<Admission>,
    /// Whether a descriptor has become free since this was last checked.
    has_freed: bool,
}

/// A worker: its event loop, its listeners and its table of connections.
pub(crate) struct Worker {
    index: usize,
    poll: Poll,
    intake: Intake,
    table: Table<KernelRegistry>,
    /// Limits log lines about long rounds.
    long_round_log: LogThrottle,
}

impl Interests for KernelRegistry {
    fn register(&mut self, socket: &mut Stream, place: TablePlace) -> std::io::Result<()> {
        self.registry.register(socket, Token(place.index()), READING)
    }

    #[cold]
    fn change(
        &mut self,
        socket: &mut Stream,
        place: TablePlace,
        to: SocketInterest,
    ) -> std::io::Result<()> {
        let interest = match to {
            SocketInterest::ReadsAndWrites => READING | Interest::WRITABLE,
            SocketInterest::Reads => READING,
        };
        self.registry.reregister(socket, Token(place.index()), interest)
    }

    fn count_address(&mut self, address: IpAddr) -> Result<bool, Farewell> {
        self.admission.identify(address)
    }

    fn release_address(&mut self, address: IpAddr) {
        self.admission.release(address);
    }

    fn leave(&mut self, address: Option<IpAddr>) {
        self.admission.leave(self.index, address);
        self.has_freed = true;
    }

    fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.has_freed)
    }
}

impl Worker {
    pub fn new(setup: WorkerSetup<'_>) -> std::io::Result<Worker> {
        let WorkerSetup { inbox, peers, listeners, admission, table } = setup;
        let registry = inbox.poll.registry();
        let index = table.index;
        let acceptors = Acceptors::new(listeners, registry, table.config.backlog)?;
        let kernel = KernelRegistry {
            index,
            registry: registry.try_clone()?,
            admission: admission.clone(),
            has_freed: false,
        };
        Ok(Worker {
            index,
            poll: inbox.poll,
            intake: Intake::new(index, acceptors, (inbox.arrivals, peers), admission),
            table: Table::new(table, kernel),
            long_round_log: LogThrottle::default(),
        })
    }

    /// Serves until the sink stops; then seals the worker's open segments.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let clock = ProcessClock::get();
        self.table.state.measurements().watch_run_queue();
        // The first round has no events. `wake` has one call, so that it is inlined: as a call of
        // its own it costs 25 instructions a round.
        loop {
            if self.table.wake(clock.now_ns()) == RoundKind::FirstOfSecond {
                let waiting = self.intake.acceptors.queue_length();
                self.table.state.measurements().accept_queue(waiting);
            }
            let wake_ms = self.table.now_ms();
            self.round(&events);
            if self.intake.is_done(&self.table) {
                break;
            }
            self.table.end_round(clock.now_ns());
            self.watch_round(wake_ms);
            let wait_ms = self.wait_ms();
            self.table.state.measurements().sleeps(wait_ms);
            self.table.state.counters().doing(Doing::Nothing);
            let wait = wait_ms.map(Duration::from_millis);
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != ErrorKind::Interrupted
            {
                panic!("the event loop cannot wait for events: {error}");
            }
        }
        self.intake.close(&mut self.table);
        let Worker { table, .. } = self;
        table.state.counters().doing(Doing::Sealing);
        table.state.close();
    }

    fn round(&mut self, events: &Events) {
        for event in events {
            self.serve_event(event);
        }
        self.intake.accept_rest(&mut self.table);
        self.table.round();
        if self.table.state.take_has_input() {
            let unix_ms = self.table.state.clock().unix_ns().get() / 1_000_000;
            let counters = self.table.state.counters();
            counters.last_read_unix_ms.store(unix_ms, Ordering::Relaxed);
        }
        self.intake.end_round(&mut self.table);
    }

    /// Counts and logs the round that began at `wake_ms`, if it took too long.
    fn watch_round(&mut self, wake_ms: MonotonicMs) {
        let now_ms = self.table.now_ms();
        if now_ms.ms_since(wake_ms) > LONG_ROUND.as_millis() as u64 {
            self.report_long_round(wake_ms, now_ms);
        }
    }

    #[cold]
    fn report_long_round(&mut self, wake_ms: MonotonicMs, now_ms: MonotonicMs) {
        Counters::add(&self.table.state.counters().long_rounds, 1);
        self.table.state.measurements().long_round();
        if self.long_round_log.take(now_ms) {
            let (worker, ms, connections) =
                (self.index, now_ms.ms_since(wake_ms), self.table.open());
            tracing::warn!(
                worker,
                ms,
                connections,
                "a round of the event loop took very long, so clients had to wait"
            );
        }
    }

    /// Returns how long the loop may sleep; `None`: until an event.
    fn wait_ms(&mut self) -> Option<u64> {
        let accept_ms = self.intake.acceptors.wait_ms(self.table.now_ms());
        let table_ms = self.table.wait_ms();
        let wait_ms = match (accept_ms, table_ms) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if self.table.state.measurements().has_active_connections() {
            Some(wait_ms.map_or(WATCHED_MS, |wait_ms| wait_ms.min(WATCHED_MS)))
        } else {
            wait_ms
        }
    }

    fn serve_event(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
            self.intake.take_arrivals(&mut self.table);
            self.table.unpark();
        } else if let Some(listener) = Acceptors::index_of_token(token) {
            self.intake.accept(&mut self.table, listener);
        } else {
            let is_special = event.is_read_closed() || is_urgent(event);
            let what = if is_special { SocketEvent::Special } else { SocketEvent::Plain };
            self.table.ready(TablePlace::new(token.0), what);
        }
    }
}
