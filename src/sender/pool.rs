//! The connections of a sending thread, as its scheduler knows them: what waits for each, and whose
//! messages it carries.
use std::collections::{BTreeMap, HashMap, VecDeque};

use super::source::DueMessage;

/// A target that keeps a connection for this long, and closes it unused, does so because it is
/// idle.
const STAY_NS: u64 = 1_000_000_000;

/// What a connection can do, as its session knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// The target has not spoken with us yet.
    Opening,
    /// The connection can begin another message.
    Ready,
    /// Messages are under way, and the session has no room for another one.
    Busy,
    /// The target accepts no more messages over it.
    Spent,
    /// The connection is ending or has ended.
    Ending,
}

/// Why the connection of a lane ended before its last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The target ended it, or accepts no more messages over one.
    ByTarget,
    /// We did, to make room for another lane.
    Crowded,
}

/// One connection.
#[derive(Debug)]
pub(super) struct PooledConnection<M> {
    /// Messages that are to go over this connection, and no other.
    pub queue: VecDeque<(DueMessage, M)>,
    /// Whose messages it carries.
    pub lane: Option<u64>,
    /// What stands in `queue` is the last it sends.
    pub is_last: bool,
    /// The connection ends for another lane to have one.
    pub makes_room: bool,
    /// Messages begun.
    pub begun: u64,
    /// When it was asked for, ns.
    pub asked_ns: u64,
    /// The target has spoken with us.
    pub is_open: bool,
    /// Since when it is idle, ns.
    pub idle_ns: Option<u64>,
}

impl<M> PooledConnection<M> {
    /// Returns whether it carried a message, or stayed for one.
    pub fn is_of_use(&self, now_ns: u64) -> bool {
        let stayed_ns = now_ns.saturating_sub(self.asked_ns);
        self.is_open && (self.begun > 0 || stayed_ns >= STAY_NS)
    }
}

/// All connections of a thread, each in a slot.
#[derive(Debug)]
pub(super) struct ConnectionPool<M> {
    places: Vec<Option<PooledConnection<M>>>,
    free: Vec<usize>,
    /// Connections that were asked for and have not ended.
    pub all: usize,
    /// Connections without a greeting so far.
    pub opening: usize,
    /// Idle connections, and some that were idle before.
    idle: VecDeque<usize>,
    lanes: HashMap<u64, usize>,
    /// Lanes whose connection ended before their last message, and why.
    cut: BTreeMap<u64, Cut>,
    /// Messages in the queues of connections.
    pub queued: usize,
}

impl<M> ConnectionPool<M> {
    /// No connections.
    pub fn new() -> ConnectionPool<M> {
        ConnectionPool {
            places: Vec::new(),
            free: Vec::new(),
            all: 0,
            opening: 0,
            idle: VecDeque::new(),
            lanes: HashMap::new(),
            cut: BTreeMap::new(),
            queued: 0,
        }
    }

    /// A slot for a connection that is to be asked for.
    pub fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    /// Frees the slot of a connection that could not even be asked for.
    pub fn release(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// Adds a connection that was asked for at `asked_ns`. Returns why the earlier connection of
    /// this lane ended early.
    pub fn add(&mut self, slot: usize, lane: Option<u64>, asked_ns: u64) -> Option<Cut> {
        self.places[slot] = Some(PooledConnection {
            queue: VecDeque::new(),
            lane,
            is_last: false,
            makes_room: false,
            begun: 0,
            asked_ns,
            is_open: false,
            idle_ns: None,
        });
        self.all += 1;
        self.opening += 1;
        let key = lane?;
        self.lanes.insert(key, slot);
        self.cut.remove(&key)
    }

    /// The connection in this slot has ended.
    pub fn remove(&mut self, slot: usize) -> Option<PooledConnection<M>> {
        let place = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.all -= 1;
        self.opening -= usize::from(!place.is_open);
        self.queued -= place.queue.len();
        if let Some(key) = place.lane {
            self.lanes.remove(&key);
            if !place.is_last && place.queue.is_empty() {
                self.cut.insert(key, Cut::ByTarget);
            }
        }
        Some(place)
    }

    /// The connection in this slot.
    #[inline]
    pub fn at(&mut self, slot: usize) -> Option<&mut PooledConnection<M>> {
        self.places.get_mut(slot)?.as_mut()
    }

    /// All connections.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut PooledConnection<M>> {
        self.places.iter_mut().flatten()
    }

    /// Returns whether a connection is useful.
    pub fn is_of_use(&self, now_ns: u64) -> bool {
        self.places.iter().flatten().any(|place| place.is_of_use(now_ns))
    }

    /// The connection of a lane.
    pub fn of_lane(&self, key: u64) -> Option<usize> {
        self.lanes.get(&key).copied()
    }

    /// The connection in this slot carries no more messages of its lane. `cut`: although some
    /// follow.
    #[cold]
    pub fn leave_lane(&mut self, slot: usize, cut: Option<Cut>) {
        let lane = self.at(slot).and_then(|place| place.lane.take());
        let Some(key) = lane else { return };
        self.lanes.remove(&key);
        self.cut.extend(cut.map(|cut| (key, cut)));
    }

    /// Marks the connection in this slot as idle: it accepts any message.
    #[inline]
    pub fn rest(&mut self, slot: usize, now_ns: u64) {
        let Some(Some(place)) = self.places.get_mut(slot) else { return };
        if place.idle_ns.is_none() {
            place.idle_ns = Some(now_ns);
            self.idle.push_back(slot);
        }
    }

    /// The connection that has had nothing to do for longest.
    pub fn take_idle(&mut self) -> Option<(usize, &mut PooledConnection<M>)> {
        while let Some(slot) = self.idle.pop_front() {
            // Another one may have its slot by now.
            if self.places[slot].as_mut().is_some_and(|place| place.idle_ns.take().is_some()) {
                return self.places[slot].as_mut().map(|place| (slot, place));
            }
        }
        None
    }

    /// Ends the connection of a lane that has been idle for longest: returns it. One at a time.
    #[cold]
    pub fn make_room(&mut self) -> Option<usize> {
        let all = || self.places.iter().enumerate();
        if all().any(|(_, place)| place.as_ref().is_some_and(|place| place.makes_room)) {
            return None;
        }
        let idle = all().filter_map(|(slot, place)| {
            let place = place.as_ref()?;
            place.idle_ns.filter(|_| place.queue.is_empty()).map(|idle_ns| (idle_ns, slot))
        });
        let (_, slot) = idle.min()?;
        let place = self.places[slot].as_mut()?;
        (place.is_last, place.makes_room) = (true, true);
        self.cut.extend(place.lane.map(|key| (key, Cut::Crowded)));
        Some(slot)
    }

    /// What was to go over a connection that has ended goes over the one in `slot`, which was asked
    /// for in its place.
    pub fn move_to(&mut self, slot: usize, ended: PooledConnection<M>) {
        self.queued += ended.queue.len();
        if let Some(place) = self.at(slot) {
            (place.queue, place.is_last) = (ended.queue, ended.is_last);
        }
    }
}
