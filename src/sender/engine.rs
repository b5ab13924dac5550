//! The event loop of one sending thread: does what its scheduler decides.
//!
//! A round: due messages go to idle connections; then events, each of which is
//! a read, what the session makes of it, the next message for it, and one write. Per message, with
//! one command per round trip: four reads and four writes; epoll_wait is shared.
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Events;

use super::conn::{ConnectionEnd, TargetConn, TurnNeeds};
use super::decision::{
    Assignment, Closed, Closing, ConnectionStep, Continuation, ExclusiveReason, Meaning,
    NewConnection, OwnerRequest, SilentConnection,
};
use super::failure::{ConnectionFailure, SendingError};
use super::ledger::SendLedger;
use super::network::{KernelNetwork, Network, Pause, TargetEvent};
use super::pool::{EarlyEnd, PooledConnection, Readiness};
use super::scheduler::Scheduler;
use super::settings::{Connections, SendingSettings};
use super::shared::SharedRun;
use super::slot::{BySlot, ConnectionSlot};
use super::source::{LaneKey, Next, Outcome, SessionEnd};
use super::tally::{FailureExample, FailureKind};
use super::waiting::WantedMessage;
use crate::smtp::client::{ClientSession, OutgoingMail, Phase, ReplyCode, SessionFault, StartTls};
use crate::tls::Failure;

const EVENTS_MAX: usize = 1024;
const SCRATCH_BYTES: usize = 64 << 10;
/// Time between two checks of timeouts, and between two progress reports.
const CHECK_INTERVAL_NS: u64 = 100_000_000;

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
    /// Connections that have more to write but will get no event.
    again: Vec<ConnectionSlot>,
    error: Option<SendingError>,
    checked_ns: u64,
    /// Number of answered messages when the scheduler was last notified.
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
            checked_ns: 0,
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
        let now_ns = self.ledger.now_ns;
        if self.again.is_empty() {
            let at_most = Duration::from_nanos(CHECK_INTERVAL_NS);
            Pause { now_ns, due_ns: self.scheduler.next_moment(now_ns), at_most }
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
        if self.scheduler.is_due_to_end(self.ledger.now_ns) {
            self.end();
        }
        let is_wanted = match self.scheduler.wanted_message(self.ledger.now_ns) {
            WantedMessage::Any => true,
            WantedMessage::Before(due_ns) => self.ledger.source.is_sooner(due_ns),
            WantedMessage::Nothing => false,
        };
        if !is_wanted || self.ledger.is_waiting {
            return;
        }
        match self.ledger.pull() {
            Ok((Next::Mail(due), mail)) => self.scheduler.add(due, mail),
            Ok((Next::End, mail)) if !self.scheduler.has_waiting() => {
                self.ledger.keep(mail);
                self.end();
            }
            // The source has no message now. It is asked again when another message is done.
            Ok((Next::Wait | Next::End, mail)) => {
                self.ledger.is_waiting = true;
                self.ledger.keep(mail);
            }
            Err(error) => self.give_up(SendingError::Source(error)),
        }
    }

    /// Begins nothing more; messages in progress are finished.
    fn end(&mut self) {
        let now_ns = self.ledger.now_ns;
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
        while self.scheduler.wants_connection(self.ledger.now_ns) {
            if self.open(None).is_none() {
                return;
            }
        }
    }

    /// Begins to open a connection. `None` if that failed immediately.
    fn open(&mut self, lane: Option<LaneKey>) -> Option<ConnectionSlot> {
        let now_ns = self.ledger.now_ns;
        let slot = self.scheduler.reserve();
        match self.network.connect(slot) {
            Ok(stream) => {
                let now_us = self.ledger.now_us();
                let session = ClientSession::new(self.settings.session.clone(), now_us);
                let conn = TargetConn::new(stream, session, self.settings.tls.clone(), now_us);
                self.connections.put(slot, conn);
                let extra = &mut self.ledger.tally.extra;
                match self.scheduler.opening(slot, lane, now_ns) {
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
    fn record_failed_connection(&mut self, why: ConnectionFailure, requested_ns: u64) {
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
    fn back_off(&mut self, why: &ConnectionFailure, requested_ns: u64) {
        self.notify_others();
        self.observe_others();
        if self.scheduler.back_off(requested_ns, self.ledger.now_ns) {
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
        if is_permanent && !self.scheduler.was_ever_served(self.ledger.now_ns) {
            let address = self.settings.address.clone();
            self.give_up(SendingError::Refused { address, source: why });
        }
    }

    /// Notifies the other threads if a connection of this engine is useful.
    fn notify_others(&mut self) {
        if self.scheduler.is_served(self.ledger.now_ns) {
            self.shared.last_useful.record(self.ledger.now_ns);
        }
    }

    /// Learns from other threads whether the target serves them.
    fn observe_others(&mut self) {
        if let Some(at_ns) = self.shared.last_useful.ns() {
            self.scheduler.record_useful_elsewhere(at_ns);
        }
    }

    /// Assigns due messages to connections.
    fn assign(&mut self) {
        loop {
            self.pull();
            let readiness = readiness_in(&self.connections);
            match self.scheduler.assign(self.ledger.now_ns, readiness) {
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
        let opened = self.scheduler.opened_for_next(slot, self.ledger.now_ns, readiness);
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
            self.scheduler.opened(slot);
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
            match self.scheduler.step(slot, readiness, self.ledger.now_ns) {
                ConnectionStep::Start(due, mail) => conn.start(due, mail, &mut self.ledger),
                ConnectionStep::Quit => return conn.session.quit(),
                ConnectionStep::Nothing => return,
                ConnectionStep::Next => {
                    self.pull();
                    let Some(conn) = self.connections.get_mut(slot) else { return };
                    match self.scheduler.next_for(slot, self.ledger.now_ns) {
                        Some((due, mail)) => conn.start(due, mail, &mut self.ledger),
                        None if self.scheduler.is_ended() => return conn.session.quit(),
                        None => return,
                    }
                }
            }
        }
    }

    fn close(&mut self, slot: ConnectionSlot, end: ConnectionEnd) {
        let Some(mut conn) = self.connections.take(slot) else { return };
        let closing = match end {
            ConnectionEnd::Failed(_) => Closing::Failed,
            ConnectionEnd::Clean if conn.session.is_closed() => Closing::ByUs,
            ConnectionEnd::Clean => Closing::ByTarget,
        };
        let now_ns = self.ledger.now_ns;
        let Some(closed) = self.scheduler.closed(slot, closing, now_ns) else { return };
        let Closed { mut pooled, was_useful, meaning } = closed;
        conn.close(pooled.started, &mut self.ledger);
        if let ConnectionEnd::Failed(ConnectionFailure::Tls(failure)) = &end {
            self.ledger.tls_failed(*failure);
        }
        let fault = conn.session.fault();
        if is_out_of_step(fault) {
            self.ledger.tally.unsolicited += 1;
        }
        if was_useful {
            self.shared.last_useful.record(now_ns);
        }
        self.count_failed_end(meaning, end, fault, pooled.requested_ns);
        // Messages that the target turned away are sent first on the replacement of this
        // connection, because other open connections may be as close to their limit.
        for turned_away in self.ledger.turned_away.drain(..).rev() {
            pooled.queue.push_front(turned_away);
        }
        if !pooled.queue.is_empty() {
            let refusal = conn.session.refusal();
            self.move_queue(
                pooled,
                if was_useful { TargetState::Serves } else { TargetState::Refuses(refusal) },
            );
        }
    }

    /// Counts the end of a connection as a failure, if it was one.
    fn count_failed_end(
        &mut self,
        meaning: Meaning,
        end: ConnectionEnd,
        fault: Option<SessionFault>,
        requested_ns: u64,
    ) {
        // The failure was already counted as a reply.
        let is_counted =
            matches!(fault, Some(SessionFault::Closing | SessionFault::Refused { .. }));
        let why = match end {
            ConnectionEnd::Failed(why) => why,
            ConnectionEnd::Clean => ConnectionFailure::ClosedUnused,
        };
        match meaning {
            Meaning::Normal => {}
            Meaning::SessionFailed if is_counted => {}
            Meaning::SessionFailed => self.count_failure(FailureKind::Session, &why),
            Meaning::TargetFailed => {
                if !is_counted {
                    self.count_failure(FailureKind::Connection, &why);
                }
                self.back_off(&why, requested_ns);
                self.give_up_if_permanent(why, fault);
            }
        }
    }

    /// Moves messages that wait for a closed connection to another one. If the connection was
    /// useless, they are not sent.
    fn move_queue(&mut self, pooled: PooledConnection<Box<OutgoingMail>>, target: TargetState) {
        let slot = if target == TargetState::Serves { self.open(pooled.lane) } else { None };
        if let Some(slot) = slot {
            let is_by_lane = matches!(self.settings.connections, Connections::ByLane(_));
            self.ledger.tally.extra.ended += u64::from(is_by_lane);
            return self.scheduler.move_to(slot, pooled);
        }
        // A target that refuses service for now defers the messages meant for it.
        let (end, code) = match target {
            TargetState::Refuses(Some(code)) if code.is_transient() => {
                (SessionEnd::Answered, Some(code))
            }
            _ => (SessionEnd::NotSent, None),
        };
        for (due, mail) in pooled.queue {
            let codes = vec![code; mail.recipients().len()];
            let outcome = Outcome { end, codes: &codes, at_ns: self.ledger.now_ns };
            self.ledger.record_start(&due);
            self.ledger.end(due, mail.octets(), &outcome);
            self.ledger.keep(mail);
        }
    }

    /// Does periodic checks that no event triggers.
    pub fn check_periodically(&mut self) {
        let now_ns = self.ledger.now_ns;
        if now_ns.saturating_sub(self.checked_ns) < CHECK_INTERVAL_NS {
            return;
        }
        self.checked_ns = now_ns;
        self.report_progress();
        self.notify_others();
        // Relaxed, because only the flag itself is shared.
        let is_stopped = self.shared.stop.load(Ordering::Relaxed);
        let answered_ns = self.shared.last_answer.ns();
        let request = if is_stopped { OwnerRequest::Stop } else { OwnerRequest::Continue };
        match self.scheduler.continuation(now_ns, answered_ns, request) {
            Continuation::Continue => {}
            Continuation::Stop => self.stop(),
            Continuation::CloseAll => self.close_all(),
        }
        self.close_silent();
    }

    /// Begins nothing more, and gives messages in progress the grace period.
    #[cold]
    fn stop(&mut self) {
        self.end();
        self.ledger.resends.end();
        for (due, mail) in self.scheduler.stop(self.ledger.now_ns) {
            self.ledger.return_unsent(&due, mail);
        }
        self.again.extend(self.connections.slots());
    }

    fn close_silent(&mut self) {
        let now_us = self.ledger.now_us();
        for slot in self.connections.slots() {
            let Some(conn) = self.connections.get(slot) else { continue };
            let (in_progress, readiness) = (conn.session.in_progress(), conn.readiness());
            let is_handshaking = conn.is_handshaking();
            let (max_ns, closing) =
                self.scheduler.silence_max(slot, SilentConnection { in_progress, readiness });
            if conn.is_stalled(now_us, max_ns / 1000) {
                let silent = Duration::from_nanos(max_ns);
                self.close(
                    slot,
                    match closing {
                        Closing::Failed if is_handshaking => Failure::TimedOut.into(),
                        Closing::Failed => ConnectionEnd::Failed(ConnectionFailure::Silent(silent)),
                        Closing::ByUs | Closing::ByTarget => ConnectionEnd::Clean,
                    },
                );
            }
        }
    }

    fn close_all(&mut self) {
        for slot in self.connections.slots() {
            self.close(slot, ConnectionEnd::Clean);
        }
    }

    /// Reports progress to the owner.
    fn report_progress(&mut self) {
        let tally = &self.ledger.tally;
        let now = ReportedProgress { done: tally.finished(), open: self.scheduler.open() as u64 };
        self.shared.done.fetch_add(now.done - self.reported.done, Ordering::Relaxed);
        if tally.answered() > self.answered {
            self.answered = tally.answered();
            self.shared.last_answer.record(self.ledger.now_ns);
        }
        // Wraps if there are fewer than before; the sum over all threads is right.
        self.shared.open.fetch_add(now.open.wrapping_sub(self.reported.open), Ordering::Relaxed);
        self.reported = now;
    }
}

/// What the end of a connection shows about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetState {
    /// The target serves us: the connection was useful.
    Serves,
    /// The target does not serve us: the connection was useless. The reply code of its refusal, if
    /// any.
    Refuses(Option<ReplyCode>),
}

/// Returns a function for what the connection in a slot can do.
fn readiness_in(connections: &BySlot<TargetConn>) -> impl Fn(ConnectionSlot) -> Readiness {
    |slot| connections.get(slot).map_or(Readiness::Ending, TargetConn::readiness)
}

/// Returns whether the target sent a reply that nothing had asked for, so client and server no
/// longer agree on what is a command.
fn is_out_of_step(fault: Option<SessionFault>) -> bool {
    match fault {
        // The target may refuse a message before it has received all of it.
        Some(SessionFault::Early { phase: Phase::Payload, code }) => !code.is_refusal(),
        Some(
            SessionFault::Unsolicited { .. }
            | SessionFault::Early { .. }
            | SessionFault::Unexpected { .. },
        ) => true,
        _ => false,
    }
}
