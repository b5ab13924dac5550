//! Decides which message goes when and over which connection. The sending loop carries that out.
//!
//! The scheduler is pure: time is an argument, a connection is a slot and what its session can do,
//! and `M` stands for a message. Nothing here reads a clock, a socket or a session.
use super::connection_slot::ConnectionSlot;
use super::decision::{
    Assignment, Closed, Closing, ConnectionStep, Continuation, ExclusiveReason, Meaning,
    NewConnection, OwnerRequest, SilenceLimit, SilentConnection,
};
use super::patience::{FailedConnections, OtherConnections};
use super::pool::{AfterQueue, ConnectionPool, EarlyEnd, PooledConnection, Readiness};
use super::progress::{Progress, TargetAtEnd};
use super::time_limits::TimeLimits;
use super::waiting::{WaitingMessages, WantedMessage};
use crate::sender::settings::{Connections, SendingSettings};
use crate::sender::source::{DueMessage, Lane, LaneKey};

/// Maximum number of messages assigned to connections but not begun.
const QUEUED_MAX: usize = 4096;

/// The scheduler of one sending thread.
#[derive(Debug)]
pub struct Scheduler<M> {
    waiting: WaitingMessages<M>,
    pool: ConnectionPool<M>,
    patience: FailedConnections,
    connections: Connections,
    /// The number of messages after which a connection ends.
    per_connection: Option<u64>,
    opening_max: usize,
    limits: TimeLimits,
    progress: Progress,
}

impl<M> Scheduler<M> {
    /// Starts at time 0.
    pub fn new(settings: &SendingSettings) -> Scheduler<M> {
        Scheduler {
            waiting: WaitingMessages::new(),
            pool: ConnectionPool::new(),
            patience: FailedConnections::new(settings.patience),
            connections: settings.connections,
            per_connection: settings.per_connection,
            opening_max: settings.opening_max,
            limits: TimeLimits::new(settings),
            progress: Progress::Running { deadline_ns: settings.ends.deadline_ns() },
        }
    }

    /// Returns whether the time for beginning messages is over, but [`Scheduler::end`] was not
    /// called yet.
    #[inline]
    pub fn is_due_to_end(&self, now_ns: u64) -> bool {
        self.progress.deadline_ns().is_some_and(|deadline_ns| now_ns >= deadline_ns)
    }

    /// Returns whether sending is over: it has ended, no message waits, and no connection is left.
    pub fn is_done(&self) -> bool {
        self.is_ended() && self.waiting.is_empty() && self.pool.all == 0
    }

    /// Returns whether no connection could be made or was useful when sending ended.
    pub fn is_lost(&self) -> bool {
        self.progress.is_lost()
    }

    /// Returns the number of open connections.
    pub fn open_connections(&self) -> usize {
        self.pool.all - self.pool.opening
    }

    /// Returns when something must be done even without an event, in ns; always after `now_ns`.
    /// `None` if only an event can change anything.
    pub fn next_moment(&self, now_ns: u64) -> Option<u64> {
        let moments =
            [self.waiting.due_ns(), self.patience.retry_ns(), self.progress.deadline_ns()];
        moments.into_iter().flatten().filter(|moment_ns| *moment_ns > now_ns).min()
    }

    /// Returns which message to request from the source.
    #[inline]
    pub fn wanted_message(&self, now_ns: u64) -> WantedMessage {
        if self.is_ended() { WantedMessage::Nothing } else { self.waiting.wanted_message(now_ns) }
    }

    /// Adds a message of the source.
    #[inline]
    pub fn add(&mut self, due: DueMessage, mail: M) {
        self.waiting.add(due, mail);
    }

    /// Returns whether a message is waiting for its time or for a connection.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Assigns the next due message. `readiness` returns the state of the connection in a slot.
    pub fn assign(
        &mut self,
        now_ns: u64,
        readiness: impl Fn(ConnectionSlot) -> Readiness,
    ) -> Assignment<M> {
        let Some(due) = self.waiting.due(now_ns) else { return Assignment::Nothing };
        match (due.lane, self.connections) {
            (Some(lane), Connections::ByLane(connections_max)) => {
                let Some(slot) = self.pool.of_lane(lane.key) else {
                    return self.request_connection(Some(lane.key), connections_max, now_ns);
                };
                let readiness = readiness(slot);
                let is_free = matches!(readiness, Readiness::Opening | Readiness::Ready);
                if due.due_ns.is_some() && !is_free {
                    self.request_connection(None, connections_max, now_ns)
                } else if self.pool.queued >= QUEUED_MAX {
                    Assignment::Nothing
                } else {
                    self.queue_next(slot, after_message_of(lane), now_ns);
                    Assignment::Queued(slot)
                }
            }
            _ => self.assign_to_idle(now_ns, readiness),
        }
    }

    fn assign_to_idle(
        &mut self,
        now_ns: u64,
        readiness: impl Fn(ConnectionSlot) -> Readiness,
    ) -> Assignment<M> {
        while let Some((slot, pooled)) = self.pool.take_idle() {
            if readiness(slot) == Readiness::Ready
                && let Some((due, mail)) = self.waiting.take_due(now_ns)
            {
                pooled.started += 1;
                return Assignment::Start(slot, due, mail);
            }
        }
        Assignment::Nothing
    }

    /// Requests a new connection for the next message, if one is allowed.
    fn request_connection(
        &mut self,
        lane: Option<LaneKey>,
        connections_max: usize,
        now_ns: u64,
    ) -> Assignment<M> {
        if self.pool.all >= connections_max {
            // Every lane that may have a connection has one, and another lane wants one, so the
            // connection that has been idle longest is closed. Its lane gets a new one when it next
            // has a message. Waiting for that message could take forever, because it may come after
            // the one that is waiting now.
            return self.pool.make_room().map_or(Assignment::Nothing, Assignment::MakeRoom);
        }
        if self.may_open(now_ns) { Assignment::Open { lane } } else { Assignment::Nothing }
    }

    /// Assigns the next message to the connection that [`Scheduler::assign`] requested.
    pub fn assign_to_new(
        &mut self,
        slot: ConnectionSlot,
        now_ns: u64,
        readiness: impl Fn(ConnectionSlot) -> Readiness,
    ) -> NewConnection {
        let Some(lane) = self.waiting.due(now_ns).and_then(|due| due.lane) else {
            return NewConnection::Shared;
        };
        // A connection for this message alone is not its lane's connection.
        let busy = self.pool.of_lane(lane.key).filter(|of_lane| *of_lane != slot);
        let follows = if busy.is_some() { AfterQueue::End } else { after_message_of(lane) };
        self.queue_next(slot, follows, now_ns);
        let Some(busy) = busy else { return NewConnection::Shared };
        let reason = match readiness(busy) {
            Readiness::Ending | Readiness::Exhausted => ExclusiveReason::Ended,
            Readiness::Opening | Readiness::Ready | Readiness::Busy => ExclusiveReason::Busy,
        };
        if !lane.is_last {
            return NewConnection::Exclusive(reason);
        }
        if let Some(pooled) = self.pool.at(busy) {
            // The last message of the lane is sent on another connection.
            pooled.end_after_queue();
        }
        NewConnection::ExclusiveLast(reason, busy)
    }

    fn queue_next(&mut self, slot: ConnectionSlot, follows: AfterQueue, now_ns: u64) {
        let Some(pooled) = self.pool.at(slot) else { return };
        let Some(next) = self.waiting.take_due(now_ns) else { return };
        pooled.queue.push_back(next);
        if follows == AfterQueue::End {
            pooled.end_after_queue();
        }
        self.pool.queued += 1;
    }

    /// Returns the next action of the connection in `slot`.
    #[inline(always)]
    pub fn step(
        &mut self,
        slot: ConnectionSlot,
        readiness: Readiness,
        now_ns: u64,
    ) -> ConnectionStep<M> {
        let has_nothing = self.is_ended() && self.waiting.is_empty();
        let Some(pooled) = self.pool.at(slot) else { return ConnectionStep::Nothing };
        match readiness {
            Readiness::Ready => {}
            Readiness::Exhausted => {
                // Its queue moves to another connection after this one has ended.
                if pooled.queue.is_empty() {
                    self.pool.leave_lane(slot, Some(EarlyEnd::ByTarget));
                }
                return ConnectionStep::Quit;
            }
            Readiness::Opening | Readiness::Busy | Readiness::Ending => {
                return ConnectionStep::Nothing;
            }
        }
        if let Some((due, mail)) = pooled.queue.pop_front() {
            pooled.started += 1;
            pooled.idle_ns = None;
            self.pool.queued -= 1;
            return ConnectionStep::Start(due, mail);
        }
        let is_at_limit = self.per_connection.is_some_and(|max| pooled.started >= max);
        if is_at_limit || pooled.ends_after_queue() || has_nothing {
            pooled.idle_ns = None;
            self.pool.leave_lane(slot, None);
            return ConnectionStep::Quit;
        }
        match self.connections {
            Connections::Kept(_) => {
                pooled.started += 1;
                ConnectionStep::Next
            }
            Connections::ByLane(_) => {
                pooled.idle_ns.get_or_insert(now_ns);
                ConnectionStep::Nothing
            }
        }
    }

    /// Follows [`ConnectionStep::Next`]: returns the next due message. If none is due, the
    /// connection becomes idle.
    #[inline(always)]
    pub fn next_for(&mut self, slot: ConnectionSlot, now_ns: u64) -> Option<(DueMessage, M)> {
        let next = self.waiting.take_due(now_ns);
        if next.is_none() {
            self.become_idle(slot, now_ns);
        }
        next
    }

    fn become_idle(&mut self, slot: ConnectionSlot, now_ns: u64) {
        // A message was counted as begun before the source turned out to have none.
        self.pool.at(slot).into_iter().for_each(|pooled| pooled.started -= 1);
        if !self.is_ended() {
            self.pool.mark_idle(slot, now_ns);
        }
    }

    /// Returns whether the source is no longer used, so that a connection without a message ends.
    #[inline]
    pub fn is_ended(&self) -> bool {
        self.progress.is_ended()
    }

    /// Returns whether to open a connection, to keep the wanted number.
    pub fn wants_connection(&self, now_ns: u64) -> bool {
        let Connections::Kept(wanted) = self.connections else { return false };
        !self.is_ended() && self.pool.all < wanted && self.may_open(now_ns)
    }

    fn may_open(&self, now_ns: u64) -> bool {
        self.pool.opening < self.opening_max && self.patience.allows(now_ns)
    }

    /// Reserves a slot for a connection.
    pub fn reserve(&mut self) -> ConnectionSlot {
        self.pool.reserve()
    }

    /// Releases a reserved slot, if its connection could not be requested.
    pub fn release(&mut self, slot: ConnectionSlot) {
        self.pool.release(slot);
    }

    /// Records that the connection in a reserved slot was requested. Returns why the previous
    /// connection of its lane ended early.
    pub fn record_request(
        &mut self,
        slot: ConnectionSlot,
        lane: Option<LaneKey>,
        now_ns: u64,
    ) -> Option<EarlyEnd> {
        self.pool.add(slot, lane, now_ns)
    }

    /// Records that the session of the connection in `slot` is open for messages.
    pub fn record_greeting(&mut self, slot: ConnectionSlot) {
        let Some(pooled) = self.pool.at(slot) else { return };
        if !std::mem::replace(&mut pooled.is_open, true) {
            self.pool.opening -= 1;
        }
    }

    /// Returns whether any connection is useful.
    pub fn has_useful_connection(&self, now_ns: u64) -> bool {
        self.pool.is_useful(now_ns)
    }

    /// Records that another thread had a useful connection until `at_ns`.
    pub fn record_useful_elsewhere(&mut self, at_ns: u64) {
        self.patience.record_useful_elsewhere(at_ns);
    }

    /// Records that a connection requested at `requested_ns` was useless. Returns whether to give
    /// up the target.
    #[cold]
    pub fn back_off(&mut self, requested_ns: u64, now_ns: u64) -> bool {
        let others = if self.has_useful_connection(now_ns) {
            OtherConnections::SomeUseful
        } else {
            OtherConnections::NoneUseful
        };
        self.patience.record_failure(requested_ns, now_ns, others)
    }

    /// Returns whether any connection to the target was ever useful.
    pub fn was_ever_useful(&self, now_ns: u64) -> bool {
        self.patience.was_ever_useful() || self.has_useful_connection(now_ns)
    }

    /// Records that the connection in `slot` has ended.
    pub fn record_end(
        &mut self,
        slot: ConnectionSlot,
        closing: Closing,
        now_ns: u64,
    ) -> Option<Closed<M>> {
        let pooled = self.pool.remove(slot)?;
        let was_useful = pooled.is_useful(now_ns);
        if was_useful {
            self.patience.record_useful(now_ns);
        }
        let meaning = match closing {
            Closing::Failed if was_useful || (pooled.is_open && self.is_ended()) => {
                Meaning::SessionFailed
            }
            Closing::Failed => Meaning::TargetFailed,
            // Otherwise a target that greets and disconnects would be connected to again and again.
            Closing::ByTarget if !was_useful && !self.is_ended() => Meaning::TargetFailed,
            Closing::ByTarget | Closing::ByUs => Meaning::Normal,
        };
        Some(Closed { pooled, was_useful, meaning })
    }

    /// Moves the queue of a connection that has ended to the one in `slot`.
    pub fn move_queue_to(&mut self, slot: ConnectionSlot, ended: PooledConnection<M>) {
        self.pool.move_queue_to(slot, ended);
    }

    /// Begins nothing more, except messages already assigned to connections. Returns the waiting
    /// messages, soonest first.
    pub fn end(&mut self, now_ns: u64) -> Vec<(DueMessage, M)> {
        self.progress.end(self.target(now_ns));
        self.waiting.take_all()
    }

    fn target(&self, now_ns: u64) -> TargetAtEnd {
        match self.patience.is_failing(now_ns) {
            true => TargetAtEnd::Lost,
            false => TargetAtEnd::Reachable,
        }
    }

    /// Returns whether messages are queued for the connection in `slot`.
    pub fn has_queue(&mut self, slot: ConnectionSlot) -> bool {
        self.pool.at(slot).is_some_and(|pooled| !pooled.queue.is_empty())
    }

    /// Begins no queued messages either, and returns them.
    pub fn stop(&mut self, now_ns: u64) -> Vec<(DueMessage, M)> {
        self.progress.stop(now_ns, self.target(now_ns));
        self.pool.queued = 0;
        let mut unsent = Vec::new();
        for pooled in self.pool.iter_mut() {
            pooled.end_after_queue();
            unsent.extend(pooled.queue.drain(..));
        }
        unsent
    }

    /// Returns whether sending continues at `now_ns`. `answered_ns` is when the target last
    /// answered a message, of any thread; `request` is the request of the owner.
    pub fn continuation(
        &self,
        now_ns: u64,
        answered_ns: Option<u64>,
        request: OwnerRequest,
    ) -> Continuation {
        self.limits.continuation(self.progress, now_ns, answered_ns, request)
    }

    /// Returns how long the connection in `slot` may be silent.
    pub fn silence_limit(
        &mut self,
        slot: ConnectionSlot,
        silent: SilentConnection,
    ) -> SilenceLimit {
        let is_ended = self.is_ended();
        let (timeout, last_silence) = (self.limits.timeout, self.limits.last_silence());
        let Some(pooled) = self.pool.at(slot) else {
            return SilenceLimit { max: timeout, then: Closing::ByUs };
        };
        // If no message depends on the connection, the run should not wait minutes for the reply
        // to QUIT.
        let is_unused = silent.in_progress == 0 && pooled.queue.is_empty();
        let is_ending = matches!(silent.readiness, Readiness::Ending | Readiness::Exhausted);
        let is_done = is_unused && (is_ended || is_ending);
        match (is_done, pooled.is_open) {
            (false, _) => SilenceLimit { max: timeout, then: Closing::Failed },
            (true, true) => SilenceLimit { max: last_silence, then: Closing::Failed },
            (true, false) => SilenceLimit { max: last_silence, then: Closing::ByUs },
        }
    }
}

/// Returns what the connection of a lane does after a message of that lane.
fn after_message_of(lane: Lane) -> AfterQueue {
    if lane.is_last { AfterQueue::End } else { AfterQueue::Stay }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
