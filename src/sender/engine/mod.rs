//! The event loop of one sending thread: does what its scheduler decides.
//!
//! A round: due messages go to idle connections; then events are handled. An event is a read, which
//! the session answers, perhaps with its next message, and one write. A message with one command
//! per round trip costs four reads and four writes; epoll_wait is shared.
mod checks;
mod closing;
mod conn;
mod connection_end;

use std::time::Duration;

use mio::Events;

use crate::time::MonotonicNs;

use super::network::{KernelNetwork, Network, Pause, TargetEvent};
use super::recording::{ConnectionFailure, FailureExample, FailureKind, SendLedger, SendingError};
use super::scheduling::{
    Assignment, BySlot, ConnectionSlot, ConnectionStep, EarlyEnd, ExclusiveReason, NewConnection,
    NextAttempt, Readiness, Scheduler, WantedMessage,
};
use super::settings::SendingSettings;
use super::shared::SharedRun;
use super::source::{LaneKey, Pulled};
use crate::smtp::client::{ClientSession, OutgoingMail, SessionFault, StartTls};
use conn::{TargetConn, TurnNeeds};

const EVENTS_MAX: usize = 1024;
const SCRATCH_BYTES: usize = 64 << 10;
/// Time between two checks of timeouts, and between two progress reports.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// One sending thread.
pub(super) struct Engine<'a, N> {
    pub network: N,
    settings: SendingSettings,
    shared: &'a SharedRun,
    scheduler: Scheduler<Box<OutgoingMail>>,
    ledger: SendLedger,
    /// Buffer for reads.
    scratch: Vec<u8>,
    /// Connections by slot.
    connections: BySlot<TargetConn>,
    /// Connections that have something to do but may get no event.
    again: Vec<ConnectionSlot>,
    error: Option<SendingError>,
    checked_ns: MonotonicNs,
    /// Number of answered messages when `SharedRun::last_answer` was last set.
    answered: u64,
    /// The progress last reported to the owner.
    reported: ReportedProgress,
}

/// Progress of a thread, as reported to its owner.
#[derive(Debug, Clone, Copy, Default)]
struct ReportedProgress {
    /// Messages with a known outcome.
    done: u64,
    /// Open connections.
    open: u64,
}

/// The end of a thread.
pub(super) struct ThreadEnd {
    pub ledger: SendLedger,
    /// Why the thread ended before its source did.
    pub error: Option<SendingError>,
    /// Whether no connection could be made or was useful at the end.
    pub is_lost: bool,
}

impl Engine<'_, KernelNetwork> {
    /// Sends until the source has no more messages and all outcomes are known.
    pub fn run(mut self) -> ThreadEnd {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.ledger.begin_round();
        while let Some(pause) = self.act() {
            if let Err(e) = self.network.wait(&mut events, pause) {
                self.give_up(SendingError::Events(e.into()));
                break;
            }
            self.ledger.begin_round();
            for (at, (slot, event)) in events.iter().map(TargetEvent::from_event).enumerate() {
                // The first event arrived when the round began.
                if at > 0 {
                    self.ledger.tick();
                }
                self.handle_event(slot, event);
            }
            self.check_periodically();
        }
        self.end_all()
    }
}

impl<'a, N: Network> Engine<'a, N> {
    pub fn new(
        settings: SendingSettings,
        network: N,
        ledger: SendLedger,
        shared: &'a SharedRun,
    ) -> Engine<'a, N> {
        assert!(
            settings.tls.is_some() || settings.session.start_tls == StartTls::Never,
            "a session that asks for TLS has TLS settings"
        );
        Engine {
            network,
            scheduler: Scheduler::new(&settings),
            settings,
            shared,
            ledger,
            scratch: vec![0; SCRATCH_BYTES],
            connections: BySlot::new(),
            again: Vec::new(),
            error: None,
            checked_ns: MonotonicNs::START,
            answered: 0,
            reported: ReportedProgress::default(),
        }
    }

    /// Begins a round, and reads the clock.
    #[cfg(feature = "testkit")]
    pub fn begin_round(&mut self) {
        self.ledger.begin_round();
    }

    /// Ends a round: assigns due messages to connections. Returns how long to wait for events;
    /// `None` if everything is done.
    pub fn act(&mut self) -> Option<Pause> {
        self.top_up();
        self.assign();
        for slot in std::mem::take(&mut self.again) {
            self.drive(slot);
        }
        if self.scheduler.is_done() {
            return None;
        }
        self.ledger.end_round();
        Some(self.pause())
    }

    fn pause(&self) -> Pause {
        let now_ns = self.ledger.now_ns();
        if self.again.is_empty() {
            let due_ns = self.scheduler.next_moment(now_ns);
            Pause { now_ns, due_ns, at_most: CHECK_INTERVAL }
        } else {
            Pause { now_ns, due_ns: None, at_most: Duration::ZERO }
        }
    }

    /// Closes all connections after the last round.
    pub fn end_all(mut self) -> ThreadEnd {
        self.close_all();
        self.report_progress();
        let is_lost = self.scheduler.is_lost();
        ThreadEnd { error: self.error.take(), is_lost, ledger: self.ledger }
    }

    /// Requests a message from the source, if the scheduler wants one.
    #[inline]
    fn pull(&mut self) {
        if self.scheduler.is_due_to_end(self.ledger.now_ns()) {
            self.end();
        }
        let is_wanted = match self.scheduler.wanted_message(self.ledger.now_ns()) {
            WantedMessage::Any => true,
            WantedMessage::Before(due_ns) => self.ledger.supply.source.is_sooner(due_ns),
            WantedMessage::Nothing => false,
        };
        if !is_wanted || self.ledger.supply.is_waiting {
            return;
        }
        match self.ledger.supply.pull() {
            Ok((Pulled::Mail(due), mail)) => self.scheduler.add(due, mail),
            Ok((Pulled::End, mail)) if !self.scheduler.has_waiting() => {
                self.ledger.supply.keep(mail);
                self.end();
            }
            // The source has no message now. It is asked again when another message is done.
            Ok((Pulled::Wait | Pulled::End, mail)) => {
                self.ledger.supply.is_waiting = true;
                self.ledger.supply.keep(mail);
            }
            Err(error) => self.give_up(SendingError::Source(error)),
        }
    }

    /// Begins nothing more; messages in progress are finished.
    fn end(&mut self) {
        let now_ns = self.ledger.now_ns();
        self.observe_others();
        self.ledger.ended_ns.get_or_insert(now_ns);
        for (due, mail) in self.scheduler.end(now_ns) {
            self.ledger.return_unsent(&due, mail);
        }
        for (slot, conn) in self.connections.iter_mut() {
            if !self.scheduler.has_queue(slot) {
                conn.session.quit();
                self.again.push(slot);
            }
        }
    }

    fn give_up(&mut self, error: SendingError) {
        self.error.get_or_insert(error);
        self.ledger.resends.end();
        self.end();
    }

    /// Opens connections up to the wanted number, while there are messages to send.
    fn top_up(&mut self) {
        while self.scheduler.wants_connection(self.ledger.now_ns()) {
            if self.open(None).is_none() {
                return;
            }
        }
    }

    /// Begins to open a connection. `None` if that failed immediately.
    fn open(&mut self, lane: Option<LaneKey>) -> Option<ConnectionSlot> {
        let now_ns = self.ledger.now_ns();
        let slot = self.scheduler.reserve();
        match self.network.connect(slot) {
            Ok(stream) => {
                let now_us = self.ledger.now_us();
                let session = ClientSession::new(self.settings.session.clone(), now_us);
                let conn = TargetConn::new(stream, session, self.settings.tls.clone(), now_us);
                self.connections.put(slot, conn);
                let extra = &mut self.ledger.tally.extra;
                match self.scheduler.record_request(slot, lane, now_ns) {
                    Some(EarlyEnd::ByTarget) => extra.ended += 1,
                    Some(EarlyEnd::Crowded) => extra.crowded += 1,
                    None => {}
                }
                Some(slot)
            }
            Err(error) => {
                self.scheduler.release(slot);
                self.record_failed_connection(error.into(), now_ns);
                None
            }
        }
    }

    /// Records that a connection requested at `requested_ns` failed before it was useful.
    #[cold]
    fn record_failed_connection(&mut self, why: ConnectionFailure, requested_ns: MonotonicNs) {
        self.count_failure(FailureKind::Connection, &why);
        self.back_off(&why, requested_ns);
    }

    fn count_failure(&mut self, kind: FailureKind, why: &ConnectionFailure) {
        let kind = match why {
            ConnectionFailure::Tls(failure) => FailureKind::Tls(*failure),
            _ => kind,
        };
        self.ledger.tally.fail(kind, || FailureExample::Connection(why.clone()));
    }

    /// Schedules a later attempt, after a failure that is already counted.
    fn back_off(&mut self, why: &ConnectionFailure, requested_ns: MonotonicNs) {
        self.notify_others();
        self.observe_others();
        if self.scheduler.back_off(requested_ns, self.ledger.now_ns()) == NextAttempt::Never {
            let address = self.settings.address.clone();
            self.give_up(SendingError::Unreachable { address, source: why.clone() });
        }
    }

    /// Stops trying a target that has never served a connection and will answer the same next time.
    fn give_up_if_permanent(&mut self, why: ConnectionFailure, fault: Option<SessionFault>) {
        let is_permanent = match why {
            ConnectionFailure::Tls(failure) => failure.is_permanent(),
            _ => fault.is_some_and(SessionFault::is_permanent),
        };
        if is_permanent && !self.scheduler.was_ever_useful(self.ledger.now_ns()) {
            let address = self.settings.address.clone();
            self.give_up(SendingError::Refused { address, source: why });
        }
    }

    /// Notifies the other threads if a connection of this engine is useful.
    fn notify_others(&mut self) {
        if self.scheduler.has_useful_connection(self.ledger.now_ns()) {
            self.shared.last_useful.record(self.ledger.now_ns());
        }
    }

    /// Learns from other threads whether the target serves them.
    fn observe_others(&mut self) {
        if let Some(at_ns) = self.shared.last_useful.get() {
            self.scheduler.record_useful_elsewhere(at_ns);
        }
    }

    /// Assigns due messages to connections.
    fn assign(&mut self) {
        loop {
            self.pull();
            let readiness = readiness_in(&self.connections);
            match self.scheduler.assign(self.ledger.now_ns(), readiness) {
                Assignment::Start(slot, due, mail) => {
                    if let Some(conn) = self.connections.get_mut(slot) {
                        conn.start(due, mail, &mut self.ledger);
                    }
                    self.drive(slot);
                }
                Assignment::Queued(slot) => self.drive(slot),
                Assignment::Open { lane } => {
                    let Some(slot) = self.open(lane) else { return };
                    self.begin_with_next(slot);
                }
                Assignment::MakeRoom(slot) => return self.drive(slot),
                Assignment::Nothing => return,
            }
        }
    }

    /// Begins the next message on a new connection.
    fn begin_with_next(&mut self, slot: ConnectionSlot) {
        let readiness = readiness_in(&self.connections);
        let opened = self.scheduler.assign_to_new(slot, self.ledger.now_ns(), readiness);
        self.drive(slot);
        match opened {
            NewConnection::Shared => {}
            NewConnection::Exclusive(reason) => self.count_extra(reason),
            NewConnection::ExclusiveLast(reason, of_lane) => {
                self.count_extra(reason);
                self.drive(of_lane);
            }
        }
    }

    fn count_extra(&mut self, reason: ExclusiveReason) {
        match reason {
            ExclusiveReason::Busy => self.ledger.tally.extra.busy += 1,
            ExclusiveReason::Ended => self.ledger.tally.extra.ended += 1,
        }
    }

    /// Handles an event of the connection in `slot`.
    pub fn handle_event(&mut self, slot: ConnectionSlot, event: TargetEvent) {
        let Some(conn) = self.connections.get_mut(slot) else { return };
        let was_open = conn.has_opened();
        let result = conn.ready(event, &mut self.scratch, &mut self.ledger);
        if !was_open && conn.has_opened() {
            self.scheduler.record_greeting(slot);
        }
        match result {
            Ok(()) => self.drive(slot),
            Err(end) => self.close(slot, end),
        }
    }

    /// Begins the messages that a connection can take, and writes.
    fn drive(&mut self, slot: ConnectionSlot) {
        self.fill(slot);
        let Some(conn) = self.connections.get_mut(slot) else { return };
        match conn.flush(&mut self.ledger) {
            Ok(TurnNeeds::Event) => {}
            Ok(TurnNeeds::Again) => self.again.push(slot),
            Err(end) => self.close(slot, end),
        }
    }

    fn fill(&mut self, slot: ConnectionSlot) {
        loop {
            let Some(conn) = self.connections.get_mut(slot) else { return };
            let readiness = conn.readiness();
            // Most replies change nothing that the scheduler needs to know.
            if !matches!(readiness, Readiness::Ready | Readiness::Exhausted) {
                return;
            }
            match self.scheduler.step(slot, readiness, self.ledger.now_ns()) {
                ConnectionStep::Start(due, mail) => conn.start(due, mail, &mut self.ledger),
                ConnectionStep::Quit => return conn.session.quit(),
                ConnectionStep::Nothing => return,
                ConnectionStep::Next => {
                    self.pull();
                    let Some(conn) = self.connections.get_mut(slot) else { return };
                    match self.scheduler.next_for(slot, self.ledger.now_ns()) {
                        Some((due, mail)) => conn.start(due, mail, &mut self.ledger),
                        None if self.scheduler.is_ended() => return conn.session.quit(),
                        None => return,
                    }
                }
            }
        }
    }
}

/// Returns a function that returns what the connection in a slot can do.
fn readiness_in(connections: &BySlot<TargetConn>) -> impl Fn(ConnectionSlot) -> Readiness {
    |slot| connections.get(slot).map_or(Readiness::Ending, TargetConn::readiness)
}
