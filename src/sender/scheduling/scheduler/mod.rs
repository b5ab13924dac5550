//! Decides which message goes when and over which connection. The sending loop carries that out.
//!
//! The scheduler is pure: time is an argument, a connection is a slot and what its session can do,
//! and `M` stands for a message. Nothing here reads a clock, a socket or a session.
mod assignment;
#[cfg(test)]
mod tests;

use crate::time::MonotonicNs;

use super::connection_slot::ConnectionSlot;
use super::decision::{
    ConnectionClosing, ConnectionStep, EndMeaning, EndedConnection, OwnerRequest, RunContinuation,
    SilenceLimit, SilentConnection,
};
use super::patience::{FailedConnections, NextAttempt, OtherConnections};
use super::pool::{ConnectionPool, EarlyEnd, PooledConnection, Readiness};
use super::progress::{Progress, TargetAtEnd};
use super::time_limits::TimeLimits;
use super::waiting::{WaitingMessages, WantedMessage};
use crate::sender::settings::{Connections, SendingSettings};
use crate::sender::source::{DueMessage, LaneKey};

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
    /// Begins at the start of the clock.
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
    pub fn is_due_to_end(&self, now_ns: MonotonicNs) -> bool {
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

    /// Returns when something must be done even without an event; always after `now_ns`.
    /// `None` if only an event can change anything.
    pub fn next_moment(&self, now_ns: MonotonicNs) -> Option<MonotonicNs> {
        let moments =
            [self.waiting.due_ns(), self.patience.retry_ns(), self.progress.deadline_ns()];
        moments.into_iter().flatten().filter(|moment_ns| *moment_ns > now_ns).min()
    }

    /// Returns which message to request from the source.
    #[inline]
    pub fn wanted_message(&self, now_ns: MonotonicNs) -> WantedMessage {
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

    /// Returns the next action of the connection in `slot`.
    #[inline(always)]
    pub fn step(
        &mut self,
        slot: ConnectionSlot,
        readiness: Readiness,
        now_ns: MonotonicNs,
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
    pub fn next_for(
        &mut self,
        slot: ConnectionSlot,
        now_ns: MonotonicNs,
    ) -> Option<(DueMessage, M)> {
        let next = self.waiting.take_due(now_ns);
        if next.is_none() {
            self.become_idle(slot, now_ns);
        }
        next
    }

    fn become_idle(&mut self, slot: ConnectionSlot, now_ns: MonotonicNs) {
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

    /// Returns whether another connection must be opened to reach the wanted number.
    pub fn wants_connection(&self, now_ns: MonotonicNs) -> bool {
        let Connections::Kept(wanted) = self.connections else { return false };
        !self.is_ended() && self.pool.all < wanted && self.may_open(now_ns)
    }

    fn may_open(&self, now_ns: MonotonicNs) -> bool {
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
        now_ns: MonotonicNs,
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
    pub fn has_useful_connection(&self, now_ns: MonotonicNs) -> bool {
        self.pool.is_useful(now_ns)
    }

    /// Records that another thread had a useful connection until `at_ns`.
    pub fn record_useful_elsewhere(&mut self, at_ns: MonotonicNs) {
        self.patience.record_useful_elsewhere(at_ns);
    }

    /// Records that a connection requested at `requested_ns` was useless.
    #[cold]
    pub fn back_off(&mut self, requested_ns: MonotonicNs, now_ns: MonotonicNs) -> NextAttempt {
        let others = if self.has_useful_connection(now_ns) {
            OtherConnections::SomeUseful
        } else {
            OtherConnections::NoneUseful
        };
        self.patience.record_failure(requested_ns, now_ns, others)
    }

    /// Returns whether any connection to the target was ever useful.
    pub fn was_ever_useful(&self, now_ns: MonotonicNs) -> bool {
        self.patience.was_ever_useful() || self.has_useful_connection(now_ns)
    }

    /// Records that the connection in `slot` has ended.
    pub fn record_end(
        &mut self,
        slot: ConnectionSlot,
        closing: ConnectionClosing,
        now_ns: MonotonicNs,
    ) -> Option<EndedConnection<M>> {
        let pooled = self.pool.remove(slot)?;
        let was_useful = pooled.is_useful(now_ns);
        if was_useful {
            self.patience.record_useful(now_ns);
        }
        let meaning = match closing {
            ConnectionClosing::Failed if was_useful || (pooled.is_open && self.is_ended()) => {
                EndMeaning::SessionFailed
            }
            ConnectionClosing::Failed => EndMeaning::TargetFailed,
            // Otherwise a target that greets and disconnects would be connected to again and again.
            ConnectionClosing::ByTarget if !was_useful && !self.is_ended() => {
                EndMeaning::TargetFailed
            }
            ConnectionClosing::ByTarget | ConnectionClosing::ByUs => EndMeaning::Normal,
        };
        Some(EndedConnection { pooled, was_useful, meaning })
    }

    /// Moves the queue of a connection that has ended to the one in `slot`.
    pub fn move_queue_to(&mut self, slot: ConnectionSlot, ended: PooledConnection<M>) {
        self.pool.move_queue_to(slot, ended);
    }

    /// Begins nothing more, except messages already assigned to connections. Returns the waiting
    /// messages, soonest first.
    pub fn end(&mut self, now_ns: MonotonicNs) -> Vec<(DueMessage, M)> {
        self.progress.end(self.target(now_ns));
        self.waiting.take_all()
    }

    fn target(&self, now_ns: MonotonicNs) -> TargetAtEnd {
        if self.patience.is_failing(now_ns) { TargetAtEnd::Lost } else { TargetAtEnd::Reachable }
    }

    /// Returns whether messages are queued for the connection in `slot`.
    pub fn has_queue(&mut self, slot: ConnectionSlot) -> bool {
        self.pool.at(slot).is_some_and(|pooled| !pooled.queue.is_empty())
    }

    /// Begins no queued messages either, and returns them.
    pub fn stop(&mut self, now_ns: MonotonicNs) -> Vec<(DueMessage, M)> {
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
        now_ns: MonotonicNs,
        answered_ns: Option<MonotonicNs>,
        request: OwnerRequest,
    ) -> RunContinuation {
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
            return SilenceLimit { max: timeout, then: ConnectionClosing::ByUs };
        };
        // If no message depends on the connection, the run should not wait minutes for the reply
        // to QUIT.
        let is_unused = silent.in_progress == 0 && pooled.queue.is_empty();
        let is_ending = matches!(silent.readiness, Readiness::Ending | Readiness::Exhausted);
        let is_done = is_unused && (is_ended || is_ending);
        match (is_done, pooled.is_open) {
            (false, _) => SilenceLimit { max: timeout, then: ConnectionClosing::Failed },
            (true, true) => SilenceLimit { max: last_silence, then: ConnectionClosing::Failed },
            (true, false) => SilenceLimit { max: last_silence, then: ConnectionClosing::ByUs },
        }
    }
}
