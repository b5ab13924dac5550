//! The connections of a sending thread, as its scheduler sees them: the messages that wait for
//! each, and the lane that it serves.
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::time::MonotonicNs;

use super::connection_slot::{BySlot, ConnectionSlot};
use crate::sender::source::{DueMessage, LaneKey};

/// If a connection stays open unused for this long before the target closes it, it was closed for
/// being idle.
const STAY: Duration = Duration::from_secs(1);

/// What a connection can do, according to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The session is not open for messages yet.
    Opening,
    /// The connection can begin another message.
    Ready,
    /// Messages are in progress, and the session has no capacity for another one.
    Busy,
    /// The target accepts no more messages on this connection.
    Exhausted,
    /// The connection is ending or has ended.
    Ending,
}

/// Why the connection of a lane ended before the last message of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyEnd {
    /// The target closed it, or accepts no more messages on one connection.
    ByTarget,
    /// We closed it, to make room for another lane.
    Crowded,
}

/// What a connection does after the messages in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterQueue {
    /// It stays open for other messages.
    Stay,
    /// It ends.
    End,
    /// It ends so that another lane can have a connection.
    MakeRoom,
}

/// A connection in the pool.
#[derive(Debug)]
pub struct PooledConnection<M> {
    /// Messages assigned to this connection.
    pub queue: VecDeque<(DueMessage, M)>,
    /// The lane whose messages it carries.
    pub lane: Option<LaneKey>,
    /// What it does after the messages in `queue`.
    pub after_queue: AfterQueue,
    /// The number of messages begun.
    pub started: u64,
    /// When it was requested.
    pub requested_ns: MonotonicNs,
    /// Whether its session was ever open for messages.
    pub is_open: bool,
    /// Since when it has been idle.
    pub idle_ns: Option<MonotonicNs>,
}

impl<M> PooledConnection<M> {
    /// Returns whether the connection was useful: it carried a message, or stayed open for one.
    pub fn is_useful(&self, now_ns: MonotonicNs) -> bool {
        let stayed = now_ns.since(self.requested_ns);
        self.is_open && (self.started > 0 || stayed >= STAY)
    }

    /// Returns whether the connection ends after the messages in its queue.
    #[inline]
    pub fn ends_after_queue(&self) -> bool {
        self.after_queue != AfterQueue::Stay
    }

    /// Ends the connection after the messages in its queue.
    pub fn end_after_queue(&mut self) {
        if self.after_queue == AfterQueue::Stay {
            self.after_queue = AfterQueue::End;
        }
    }
}

/// The connections of a thread, by slot.
#[derive(Debug)]
pub struct ConnectionPool<M> {
    connections: BySlot<PooledConnection<M>>,
    /// The number of slots reserved so far.
    slots: usize,
    free: Vec<ConnectionSlot>,
    /// The number of requested connections that have not ended.
    pub all: usize,
    /// The number of connections whose session is not open for messages yet.
    pub opening: usize,
    /// Idle connections, and some that are no longer idle.
    idle: VecDeque<ConnectionSlot>,
    lanes: HashMap<LaneKey, ConnectionSlot>,
    /// Lanes whose connection ended before their last message, and why.
    early_ends: BTreeMap<LaneKey, EarlyEnd>,
    /// The number of messages assigned to connections but not begun.
    pub queued: usize,
}

impl<M> ConnectionPool<M> {
    /// Returns an empty pool.
    pub fn new() -> ConnectionPool<M> {
        ConnectionPool {
            connections: BySlot::new(),
            slots: 0,
            free: Vec::new(),
            all: 0,
            opening: 0,
            idle: VecDeque::new(),
            lanes: HashMap::new(),
            early_ends: BTreeMap::new(),
            queued: 0,
        }
    }

    /// Reserves a slot for a new connection.
    pub fn reserve(&mut self) -> ConnectionSlot {
        self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            ConnectionSlot::new(self.slots - 1)
        })
    }

    /// Frees the slot of a connection that could not be requested.
    pub fn release(&mut self, slot: ConnectionSlot) {
        self.free.push(slot);
    }

    /// Adds a connection that was requested at `requested_ns`. Returns why the previous connection
    /// of this lane ended early.
    pub fn add(
        &mut self,
        slot: ConnectionSlot,
        lane: Option<LaneKey>,
        requested_ns: MonotonicNs,
    ) -> Option<EarlyEnd> {
        let connection = PooledConnection {
            queue: VecDeque::new(),
            lane,
            after_queue: AfterQueue::Stay,
            started: 0,
            requested_ns,
            is_open: false,
            idle_ns: None,
        };
        self.connections.put(slot, connection);
        self.all += 1;
        self.opening += 1;
        let key = lane?;
        self.lanes.insert(key, slot);
        self.early_ends.remove(&key)
    }

    /// Removes the connection in a slot after it has ended.
    pub fn remove(&mut self, slot: ConnectionSlot) -> Option<PooledConnection<M>> {
        let connection = self.connections.take(slot)?;
        self.free.push(slot);
        self.all -= 1;
        self.opening -= usize::from(!connection.is_open);
        self.queued -= connection.queue.len();
        if let Some(key) = connection.lane {
            self.lanes.remove(&key);
            if !connection.ends_after_queue() && connection.queue.is_empty() {
                self.early_ends.insert(key, EarlyEnd::ByTarget);
            }
        }
        Some(connection)
    }

    /// Returns the connection in a slot.
    #[inline]
    pub fn at(&mut self, slot: ConnectionSlot) -> Option<&mut PooledConnection<M>> {
        self.connections.get_mut(slot)
    }

    /// Returns all connections.
    fn iter(&self) -> impl Iterator<Item = &PooledConnection<M>> {
        self.connections.iter().map(|(_, connection)| connection)
    }

    /// Returns all connections.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut PooledConnection<M>> {
        self.connections.iter_mut().map(|(_, connection)| connection)
    }

    /// Returns whether any connection is useful.
    pub fn is_useful(&self, now_ns: MonotonicNs) -> bool {
        self.iter().any(|connection| connection.is_useful(now_ns))
    }

    /// Returns the slot of a lane's connection.
    pub fn of_lane(&self, key: LaneKey) -> Option<ConnectionSlot> {
        self.lanes.get(&key).copied()
    }

    /// Separates the connection in a slot from its lane. `cut` is the reason if messages of the
    /// lane follow.
    #[cold]
    pub fn leave_lane(&mut self, slot: ConnectionSlot, cut: Option<EarlyEnd>) {
        let lane = self.at(slot).and_then(|connection| connection.lane.take());
        let Some(key) = lane else { return };
        self.lanes.remove(&key);
        self.early_ends.extend(cut.map(|cut| (key, cut)));
    }

    /// Marks the connection in a slot as idle, so it can take any message.
    #[inline]
    pub fn mark_idle(&mut self, slot: ConnectionSlot, now_ns: MonotonicNs) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if connection.idle_ns.is_none() {
            connection.idle_ns = Some(now_ns);
            self.idle.push_back(slot);
        }
    }

    /// Removes and returns the connection that has been idle for longest.
    pub fn take_idle(&mut self) -> Option<(ConnectionSlot, &mut PooledConnection<M>)> {
        while let Some(slot) = self.idle.pop_front() {
            // The slot may belong to another connection by now.
            let idle_ns = self.connections.get_mut(slot).and_then(|it| it.idle_ns.take());
            if idle_ns.is_some() {
                return self.connections.get_mut(slot).map(|connection| (slot, connection));
            }
        }
        None
    }

    /// Selects the connection that has been idle for longest, and ends it to make room; only one at
    /// a time.
    #[cold]
    pub fn make_room(&mut self) -> Option<ConnectionSlot> {
        if self.iter().any(|connection| connection.after_queue == AfterQueue::MakeRoom) {
            return None;
        }
        let idle = self.connections.iter().filter_map(|(slot, connection)| {
            connection
                .idle_ns
                .filter(|_| connection.queue.is_empty())
                .map(|idle_ns| (idle_ns, slot))
        });
        let (_, slot) = idle.min()?;
        let connection = self.connections.get_mut(slot)?;
        connection.after_queue = AfterQueue::MakeRoom;
        self.early_ends.extend(connection.lane.map(|key| (key, EarlyEnd::Crowded)));
        Some(slot)
    }

    /// Moves the messages of a connection that has ended to its replacement in `slot`.
    pub fn move_queue_to(&mut self, slot: ConnectionSlot, ended: PooledConnection<M>) {
        self.queued += ended.queue.len();
        if let Some(connection) = self.at(slot) {
            if ended.ends_after_queue() {
                connection.end_after_queue();
            }
            connection.queue = ended.queue;
        }
    }
}
