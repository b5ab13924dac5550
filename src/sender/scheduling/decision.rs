//! What a scheduler is asked, and what it decides.
use std::time::Duration;

use super::connection_slot::ConnectionSlot;
use super::pool::{PooledConnection, Readiness};
use crate::sender::source::{DueMessage, LaneKey};

/// The next action of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectionStep<M> {
    /// Begin this message.
    Start(DueMessage, M),
    /// Begin the next due message, if there is one: `Scheduler::next_for` must follow.
    Next,
    /// Send QUIT.
    Quit,
    /// Do nothing.
    Nothing,
}

/// The assignment of the next due message.
#[derive(Debug, PartialEq, Eq)]
pub enum Assignment<M> {
    /// The connection in this slot begins it.
    Start(ConnectionSlot, DueMessage, M),
    /// The message was queued for the connection in this slot, which needs a turn now.
    Queued(ConnectionSlot),
    /// The message needs a new connection: `Scheduler::assign_to_new`.
    Open {
        /// The lane whose first connection it is; `None` if it is for this message exclusively.
        lane: Option<LaneKey>,
    },
    /// The message and all later ones wait; the connection in this slot must end to make room.
    MakeRoom(ConnectionSlot),
    /// The message waits, or none is due.
    Nothing,
}

/// Why a message got a connection for itself although its lane has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExclusiveReason {
    /// The lane's connection was busy when the message was due.
    Busy,
    /// The lane's connection was ending.
    Ended,
}

/// What a new connection for the next message carries.
#[derive(Debug, PartialEq, Eq)]
pub enum NewConnection {
    /// That message, and others after it.
    Shared,
    /// That message alone. The lane's connection carries the lane's later messages.
    Exclusive(ExclusiveReason),
    /// That message alone, which is the last one of its lane. The lane's connection is in this
    /// slot; it waits for nothing now, and needs a turn.
    ExclusiveLast(ExclusiveReason, ConnectionSlot),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionClosing {
    /// We closed it, or gave it up although the target owed nothing.
    ByUs,
    /// The target closed it and owed nothing.
    ByTarget,
    /// The connection broke, or the target owed a reply.
    Failed,
}

/// What the end of a connection says about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndMeaning {
    /// Nothing: connections end like this in normal operation.
    Normal,
    /// A session was cut short.
    SessionFailed,
    /// The target is unusable for now: `Scheduler::back_off`.
    TargetFailed,
}

/// A connection that has ended.
#[derive(Debug)]
pub struct EndedConnection<M> {
    /// The messages still queued for the connection, and its lane.
    pub pooled: PooledConnection<M>,
    /// Whether it was useful: it carried a message, or stayed open for one.
    pub was_useful: bool,
    /// What its end says about the target.
    pub meaning: EndMeaning,
}

/// Whether sending continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunContinuation {
    /// Nothing changes.
    Continue,
    /// Begin nothing more; messages in progress have the grace period.
    Stop,
    /// Close all connections, because the grace period is over.
    CloseAll,
}

/// The state of a connection that may have been silent for too long.
#[derive(Debug, Clone, Copy)]
pub struct SilentConnection {
    /// The number of messages in progress on it.
    pub in_progress: usize,
    /// What it can do.
    pub readiness: Readiness,
}

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceLimit {
    /// The longest time without an octet in either direction.
    pub max: Duration,
    /// How the connection ends after that.
    pub then: ConnectionClosing,
}

/// A request of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerRequest {
    /// Continue sending.
    Continue,
    /// Begin no further message.
    Stop,
}
