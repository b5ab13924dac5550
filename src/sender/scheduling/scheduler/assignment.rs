//! Assigns due messages to connections.
use crate::time::MonotonicNs;

use super::Scheduler;
use crate::sender::scheduling::connection_slot::ConnectionSlot;
use crate::sender::scheduling::decision::{Assignment, ExclusiveReason, NewConnection};
use crate::sender::scheduling::pool::{AfterQueue, Readiness};
use crate::sender::settings::Connections;
use crate::sender::source::{Lane, LaneKey};

/// Maximum number of messages assigned to connections but not begun.
const QUEUED_MAX: usize = 4096;

impl<M> Scheduler<M> {
    /// Assigns the next due message. `readiness` returns the state of the connection in a slot.
    pub fn assign(
        &mut self,
        now_ns: MonotonicNs,
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
        now_ns: MonotonicNs,
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
        now_ns: MonotonicNs,
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
        now_ns: MonotonicNs,
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

    fn queue_next(&mut self, slot: ConnectionSlot, follows: AfterQueue, now_ns: MonotonicNs) {
        let Some(pooled) = self.pool.at(slot) else { return };
        let Some(next) = self.waiting.take_due(now_ns) else { return };
        pooled.queue.push_back(next);
        if follows == AfterQueue::End {
            pooled.end_after_queue();
        }
        self.pool.queued += 1;
    }
}

/// Returns what the connection of a lane does after a message of that lane.
fn after_message_of(lane: Lane) -> AfterQueue {
    if lane.is_last { AfterQueue::End } else { AfterQueue::Stay }
}
