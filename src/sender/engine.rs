//! The event loop of one sending thread: gives messages their moment and their connection.
//!
//! A round: what is due goes to connections that have nothing to do; then events, each of which is
//! a read, what the session makes of it, the next message for it, and one write. System calls a
//! message, one command a round trip: four reads and four writes; epoll_wait is shared.
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mio::Events;

use super::clock::nanos;
use super::conn::{Conn, Over, Turn};
use super::hands::Hands;
use super::network::{Heard, Kernel, Network, Pause};
use super::patience::Patience;
use super::source::{End, Lane, Next, Order, Outcome};
use super::stream::Address;
use super::tally::What;
use crate::smtp::client::{Fault, Mail, Options, Phase, Session};

const EVENTS_MAX: usize = 1024;
const SCRATCH_BYTES: usize = 64 << 10;
/// How often time-outs are looked for, and progress is told.
const LOOK_NS: u64 = 100_000_000;
/// Messages that wait for connections of their own.
const QUEUED_MAX: usize = 4096;
/// Messages that others overtook, which became due sooner: more than the 7 pauses between tries
/// that a replay tells apart, as those with the same pause come in their order.
const OVERTAKEN_MAX: usize = 16;

/// Which connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// So many, all the time.
    Kept(usize),
    /// One for each lane, when its first message is due; at most so many. A message that is due
    /// while its lane is busy gets one for itself.
    ByLane(usize),
}

/// When sending ends, if nothing else ends it. Times are since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// When the source has no more messages, and every one has its outcome.
    WithSource,
    /// The same, but no message is begun at this time or later (closed loop).
    At(Duration),
    /// As `WithSource`, however late messages are: a target that stalled gets what was due
    /// meanwhile. The last message is due before this time; if after it the target answers no
    /// message for [`Settings::timeout`], it has stalled for good, and sending ends (open loop).
    Scheduled(Duration),
}

/// How a thread sends.
#[derive(Debug, Clone)]
pub struct Settings {
    #[allow(missing_docs)]
    pub address: Address,
    #[allow(missing_docs)]
    pub session: Options,
    #[allow(missing_docs)]
    pub connections: Connections,
    /// Messages after which a connection ends and another takes its place.
    pub per_connection: Option<u64>,
    /// Connections that may be in the making at once.
    pub opening_max: usize,
    /// A target that is silent for so long, and owes something, is given up.
    pub timeout: Duration,
    /// When no connection was of use for so long, and others failed, sending ends.
    pub patience: Duration,
    /// When sending ends.
    pub ends: Ends,
    /// After being told to stop, what is under way has so long; so has the target to answer QUIT,
    /// or to greet when there is nothing left to send.
    pub grace: Duration,
}

/// What a thread and its owner tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// Begin nothing more. By itself, so that a signal can set it.
    pub stop: Arc<AtomicBool>,
    /// Messages done, and of them taken; a tenth of a second old.
    pub done: AtomicU64,
    #[allow(missing_docs)]
    pub taken: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    /// When a connection of any thread was last of use, ns since the start of sending.
    used_ns: AtomicU64,
    /// When the target last answered a message of any thread, ns since the start of sending; a
    /// tenth of a second old.
    answered_ns: AtomicU64,
}

/// One thread's part.
pub(super) struct Engine<'a, N> {
    pub network: N,
    settings: Settings,
    shared: &'a Shared,
    hands: Hands,
    /// What is read goes through it.
    scratch: Vec<u8>,
    connections: Vec<Option<Conn>>,
    free: Vec<usize>,
    open: usize,
    /// Of them, those the target has not spoken with yet.
    opening: usize,
    idle: VecDeque<usize>,
    lanes: HashMap<u64, usize>,
    /// Lanes whose connection ended before their last message, and why.
    cut: BTreeMap<u64, Cut>,
    /// Messages in the queues of connections.
    queued: usize,
    /// Connections that have more to write, and nobody will remind us.
    again: Vec<usize>,
    /// Wait for their moment, or for a connection, the soonest last: one, and those it overtook.
    waiting: Vec<(Order, Box<Mail>)>,
    /// The source has nothing any more, or is not asked any more.
    is_ended: bool,
    /// When sending ended, no connection could be made, nor was one of use.
    is_lost: bool,
    error: Option<String>,
    patience: Patience,
    /// No message is begun then or later.
    deadline_ns: u64,
    stopped_ns: Option<u64>,
    looked_ns: u64,
    /// What the owner knows of: messages done, taken, connections open.
    told: (u64, u64, u64),
}

/// Why the connection of a lane ended before its last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The target ended it, or accepts no more messages over one.
    ByTarget,
    /// We did, to make room for another lane.
    Crowded,
}

/// How a thread ended.
pub(super) struct Ended {
    pub hands: Hands,
    /// Why it ended before its source did.
    pub error: Option<String>,
    /// When it ended, no connection could be made, nor was one of use.
    pub is_lost: bool,
}

impl Engine<'_, Kernel> {
    /// Sends until the source has nothing any more, and everything is done.
    pub fn run(mut self) -> Ended {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.hands.begin_round();
        while let Some(pause) = self.act() {
            if let Err(e) = self.network.wait(&mut events, pause) {
                self.give_up(e.to_string());
                break;
            }
            self.hands.begin_round();
            for (slot, heard) in events.iter().map(Heard::of) {
                self.hear(slot, heard);
            }
            self.look();
        }
        self.end_all()
    }
}

impl<'a, N: Network> Engine<'a, N> {
    pub fn new(settings: Settings, network: N, hands: Hands, shared: &'a Shared) -> Engine<'a, N> {
        Engine {
            network,
            patience: Patience::new(settings.patience),
            deadline_ns: settings.ends.deadline_ns(),
            settings,
            shared,
            hands,
            scratch: vec![0; SCRATCH_BYTES],
            connections: Vec::new(),
            free: Vec::new(),
            open: 0,
            opening: 0,
            idle: VecDeque::new(),
            lanes: HashMap::new(),
            cut: BTreeMap::new(),
            queued: 0,
            again: Vec::new(),
            waiting: Vec::new(),
            is_ended: false,
            is_lost: false,
            error: None,
            stopped_ns: None,
            looked_ns: 0,
            told: (0, 0, 0),
        }
    }

    /// Begins a round: it is as late as the clock says.
    pub fn begin_round(&mut self) {
        self.hands.begin_round();
    }

    /// Ends a round: what is due goes to connections. Returns how long to wait for events; `None`:
    /// everything is done.
    pub fn act(&mut self) -> Option<Pause> {
        self.top_up();
        self.assign();
        for slot in std::mem::take(&mut self.again) {
            self.go_on(slot);
        }
        if self.is_over() {
            return None;
        }
        self.hands.end_round();
        Some(self.pause())
    }

    fn pause(&self) -> Pause {
        let now_ns = self.hands.now_ns;
        if self.again.is_empty() {
            let at_most = Duration::from_nanos(LOOK_NS);
            Pause { now_ns, due_ns: self.next_moment(), at_most }
        } else {
            Pause { now_ns, due_ns: None, at_most: Duration::ZERO }
        }
    }

    /// After the last round: every connection is closed.
    pub fn end_all(mut self) -> Ended {
        self.close_all();
        self.tell();
        Ended { error: self.error.take(), is_lost: self.is_lost, hands: self.hands }
    }

    fn is_over(&self) -> bool {
        self.is_ended && self.waiting.is_empty() && self.open == 0
    }

    /// When something must be done although nothing happens.
    fn next_moment(&self) -> Option<u64> {
        let now_ns = self.hands.now_ns;
        let due_ns = self.waiting.last().and_then(|(order, _)| order.due_ns);
        let deadline_ns = (self.deadline_ns < u64::MAX).then_some(self.deadline_ns);
        let moments = [due_ns, self.patience.retry_ns(), deadline_ns];
        moments.into_iter().flatten().filter(|ns| *ns > now_ns).min()
    }

    /// Asks the source for a message, unless one waits already that is due first.
    fn pull(&mut self) {
        if self.is_ended || self.hands.is_waiting || !self.is_source_sooner() {
            return;
        }
        match self.hands.pull() {
            // Not always the soonest of all: the source may have found that it can't give that one,
            // and given what follows.
            Ok((Next::Mail(order), mail)) => {
                let at = self.waiting.partition_point(|(other, _)| other.due_ns > order.due_ns);
                self.waiting.insert(at, (order, mail));
            }
            Ok((Next::End, mail)) if self.waiting.is_empty() => {
                self.hands.keep(mail);
                self.end();
            }
            // What it had sooner is no more: it is asked again when another one is done.
            Ok((Next::Wait | Next::End, mail)) => {
                self.hands.is_waiting = true;
                self.hands.keep(mail);
            }
            Err(error) => self.give_up(error.to_string()),
        }
    }

    /// Would a message of the source leave before the one that waits? One that is due waits for a
    /// connection alone.
    fn is_source_sooner(&self) -> bool {
        let Some((order, _)) = self.waiting.last() else { return true };
        let waits_until = order.due_ns.filter(|due_ns| *due_ns > self.hands.now_ns);
        let has_room = self.waiting.len() <= OVERTAKEN_MAX;
        waits_until.is_some_and(|due_ns| has_room && self.hands.source.is_sooner(due_ns))
    }

    /// The next message, if its moment has come.
    fn take_due(&mut self) -> Option<(Order, Box<Mail>)> {
        if self.hands.now_ns >= self.deadline_ns {
            self.end();
            return None;
        }
        self.pull();
        let now_ns = self.hands.now_ns;
        self.waiting.pop_if(|(order, _)| order.due_ns.is_none_or(|due_ns| due_ns <= now_ns))
    }

    /// Nothing more is begun: what is under way is finished.
    fn end(&mut self) {
        if !self.is_ended {
            // Connections that fail later are wanted by no message.
            self.look_at_others();
            self.is_lost = self.patience.is_failing(self.hands.now_ns);
        }
        self.is_ended = true;
        self.deadline_ns = u64::MAX;
        self.hands.ended_ns.get_or_insert(self.hands.now_ns);
        for (order, mail) in self.waiting.drain(..).rev() {
            self.hands.give_back(&order, mail);
        }
        for slot in 0..self.connections.len() {
            if let Some(conn) = &mut self.connections[slot]
                && conn.queue.is_empty()
            {
                conn.session.quit();
                self.again.push(slot);
            }
        }
    }

    fn give_up(&mut self, error: String) {
        self.error.get_or_insert(error);
        self.hands.sends_again = false;
        self.end();
    }

    /// Makes connections that are kept, as long as there is something to send.
    fn top_up(&mut self) {
        let Connections::Kept(wanted) = self.settings.connections else { return };
        while !self.is_ended && self.open < wanted && self.may_open() {
            if self.open(None).is_none() {
                return;
            }
        }
    }

    fn may_open(&self) -> bool {
        self.opening < self.settings.opening_max && self.patience.allows(self.hands.now_ns)
    }

    /// Begins to make a connection. `None`: it failed at once.
    fn open(&mut self, lane: Option<u64>) -> Option<usize> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        match self.network.connect(slot) {
            Ok(stream) => {
                let now_us = self.hands.now_us();
                let session = Session::new(self.settings.session.clone(), now_us);
                let mut conn = Conn::new(stream, session, now_us);
                conn.lane = lane;
                self.connections[slot] = Some(conn);
                let extra = &mut self.hands.tally.extra;
                match lane.and_then(|key| self.cut.remove(&key)) {
                    Some(Cut::ByTarget) => extra.ended += 1,
                    Some(Cut::Crowded) => extra.crowded += 1,
                    None => {}
                }
                self.open += 1;
                self.opening += 1;
                Some(slot)
            }
            Err(error) => {
                self.free.push(slot);
                self.failed(&error.to_string(), self.hands.now_ns);
                None
            }
        }
    }

    /// A connection that was asked for then failed before it was of any use.
    #[cold]
    fn failed(&mut self, why: &str, asked_ns: u64) {
        self.hands.tally.fail(What::Connection, why.as_bytes());
        self.try_later(why, asked_ns);
    }

    /// The same, where what failed is counted already.
    fn try_later(&mut self, why: &str, asked_ns: u64) {
        let is_served = self.is_served();
        self.look_at_others();
        if self.patience.failed(asked_ns, self.hands.now_ns, is_served) {
            self.give_up(format!("no connection to {}: {why}", self.settings.address));
        }
    }

    /// Returns whether one of our connections is of use, and tells the other threads.
    fn is_served(&self) -> bool {
        let now_us = self.hands.now_us();
        let is_served = self.connections.iter().flatten().any(|conn| conn.is_of_use(now_us));
        if is_served {
            self.shared.used_ns.fetch_max(self.hands.now_ns, Ordering::Relaxed);
        }
        is_served
    }

    /// A target that serves another thread is there.
    fn look_at_others(&mut self) {
        // Relaxed: a time, and nothing beside it.
        self.patience.others_used(self.shared.used_ns.load(Ordering::Relaxed));
    }

    /// Gives what is due to connections.
    fn assign(&mut self) {
        while let Some((order, mail)) = self.take_due() {
            let left = match order.lane {
                Some(lane) => self.route(lane, order, mail),
                None => self.hand_out(order, mail),
            };
            if let Some(left) = left {
                self.waiting.push(left);
                // The target was given up over it: nothing waits any more.
                if self.is_ended {
                    self.end();
                }
                return;
            }
        }
    }

    /// Gives it back where no connection has nothing to do.
    fn hand_out(&mut self, order: Order, mail: Box<Mail>) -> Option<(Order, Box<Mail>)> {
        while let Some(slot) = self.idle.pop_front() {
            let Some(conn) = &mut self.connections[slot] else { continue };
            // Another one may have its place by now.
            if !std::mem::take(&mut conn.is_idle) || !conn.session.takes() {
                continue;
            }
            conn.start(order, mail, &mut self.hands);
            self.go_on(slot);
            return None;
        }
        Some((order, mail))
    }

    /// Gives it back where it has to wait.
    fn route(&mut self, lane: Lane, order: Order, mail: Box<Mail>) -> Option<(Order, Box<Mail>)> {
        let Connections::ByLane(connections_max) = self.settings.connections else {
            return self.hand_out(order, mail);
        };
        let known = self.lanes.get(&lane.key).copied();
        let (mut is_own, mut is_quitting) = (false, false);
        if let Some(slot) = known
            && let Some(conn) = &self.connections[slot]
        {
            let is_busy = conn.session.is_open() && !conn.session.takes();
            if order.due_ns.is_none() || !is_busy {
                if self.queued >= QUEUED_MAX {
                    return Some((order, mail));
                }
                self.enqueue(slot, lane.is_last, order, mail);
                return None;
            }
            is_own = true;
            is_quitting = conn.session.is_quitting();
        }
        if self.open >= connections_max {
            self.make_room();
            return Some((order, mail));
        }
        if !self.may_open() {
            return Some((order, mail));
        }
        let Some(slot) = self.open((!is_own).then_some(lane.key)) else {
            return Some((order, mail));
        };
        if !is_own {
            self.lanes.insert(lane.key, slot);
        }
        self.enqueue(slot, lane.is_last || is_own, order, mail);
        let extra = &mut self.hands.tally.extra;
        *(if is_quitting { &mut extra.ended } else { &mut extra.busy }) += u64::from(is_own);
        if is_own
            && lane.is_last
            && let Some(busy) = known
        {
            // What it waits for goes another way.
            self.connections[busy].iter_mut().for_each(|conn| conn.is_last = true);
            self.go_on(busy);
        }
        None
    }

    /// Every lane that may have a connection has one, and another wants one: that which has been
    /// idle for longest ends. What comes for it gets a new one; to wait for it would be to wait
    /// forever, as it may come behind the message that waits now. One at a time.
    #[cold]
    fn make_room(&mut self) {
        let open = || self.connections.iter().enumerate();
        if open().any(|(_, conn)| conn.as_ref().is_some_and(|conn| conn.makes_room)) {
            return;
        }
        let idle = open().filter_map(|(slot, conn)| {
            let conn = conn.as_ref()?;
            let is_idle = conn.session.takes() && conn.queue.is_empty();
            is_idle.then_some((conn.active_us, slot))
        });
        let Some((_, slot)) = idle.min() else { return };
        if let Some(conn) = &mut self.connections[slot] {
            (conn.is_last, conn.makes_room) = (true, true);
            self.cut.extend(conn.lane.map(|key| (key, Cut::Crowded)));
        }
        self.go_on(slot);
    }

    fn enqueue(&mut self, slot: usize, is_last: bool, order: Order, mail: Box<Mail>) {
        let Some(conn) = &mut self.connections[slot] else { return };
        conn.queue.push_back((order, mail));
        conn.is_last |= is_last;
        self.queued += 1;
        self.go_on(slot);
    }

    /// Something was heard of the connection in `slot`.
    pub fn hear(&mut self, slot: usize, heard: Heard) {
        let Some(Some(conn)) = self.connections.get_mut(slot) else { return };
        let was_open = conn.was_open();
        let result = conn.ready(heard, &mut self.scratch, &mut self.hands);
        if !was_open && conn.was_open() {
            self.opening -= 1;
        }
        match result {
            Ok(()) => self.go_on(slot),
            Err(over) => self.close(slot, over),
        }
    }

    /// Gives a connection what it may take, and writes.
    fn go_on(&mut self, slot: usize) {
        self.fill(slot);
        let Some(conn) = &mut self.connections[slot] else { return };
        match conn.flush(&mut self.hands) {
            Ok(Turn::Over) => {}
            Ok(Turn::Again) => self.again.push(slot),
            Err(over) => self.close(slot, over),
        }
    }

    fn fill(&mut self, slot: usize) {
        loop {
            let Some(conn) = &mut self.connections[slot] else { return };
            if conn.session.is_spent() {
                conn.session.quit();
                // What it has queued moves to another one when this one has ended.
                if conn.queue.is_empty()
                    && let Some(key) = conn.lane.take()
                {
                    self.lanes.remove(&key);
                    self.cut.insert(key, Cut::ByTarget);
                }
                return;
            }
            if !conn.session.takes() {
                return;
            }
            if let Some((order, mail)) = conn.queue.pop_front() {
                self.queued -= 1;
                conn.start(order, mail, &mut self.hands);
                continue;
            }
            let is_full = self.settings.per_connection.is_some_and(|max| conn.begun >= max);
            if is_full || conn.is_last || (self.is_ended && self.waiting.is_empty()) {
                conn.session.quit();
                if let Some(key) = conn.lane.take() {
                    self.lanes.remove(&key);
                }
                return;
            }
            // Whoever waits for its moment goes first to those that wait for work.
            if self.settings.connections_are_by_lane() {
                return;
            }
            let Some((order, mail)) = self.take_due() else {
                return self.rest(slot);
            };
            if let Some(conn) = &mut self.connections[slot] {
                conn.start(order, mail, &mut self.hands);
            }
        }
    }

    /// It has nothing to do.
    fn rest(&mut self, slot: usize) {
        let Some(conn) = &mut self.connections[slot] else { return };
        if self.is_ended {
            conn.session.quit();
        } else if !conn.is_idle {
            conn.is_idle = true;
            self.idle.push_back(slot);
        }
    }

    fn close(&mut self, slot: usize, over: Over) {
        let Some(mut conn) = self.connections[slot].take() else { return };
        self.free.push(slot);
        self.open -= 1;
        if let Some(key) = conn.lane {
            self.lanes.remove(&key);
            if !conn.is_last && conn.queue.is_empty() {
                self.cut.insert(key, Cut::ByTarget);
            }
        }
        let (was_open, is_ours) = (conn.was_open(), conn.session.is_closed());
        let is_of_use = conn.is_of_use(self.hands.now_us());
        let asked_ns = conn.asked_us * 1000;
        conn.close(&mut self.hands);
        if is_out_of_step(conn.session.fault()) {
            self.hands.tally.unasked += 1;
        }
        if !was_open {
            self.opening -= 1;
        }
        if is_of_use {
            self.patience.was_of_use(self.hands.now_ns);
            self.shared.used_ns.fetch_max(self.hands.now_ns, Ordering::Relaxed);
        }
        // Counted as a reply already.
        let is_refusal =
            matches!(conn.session.fault(), Some(Fault::Closing | Fault::Refused { .. }));
        match over {
            Over::Failed(why) if is_of_use || (was_open && self.is_ended) => {
                if !is_refusal {
                    self.hands.tally.fail(What::Session, why.as_bytes());
                }
            }
            Over::Failed(why) if is_refusal => self.try_later(&why, asked_ns),
            Over::Failed(why) => self.failed(&why, asked_ns),
            // Else whoever greets and leaves is connected to again and again, in vain.
            Over::Cleanly if !is_of_use && !is_ours && !self.is_ended => {
                self.failed("the target closed it before a message was sent", asked_ns);
            }
            Over::Cleanly => {}
        }
        self.take_turned_away(&mut conn);
        self.move_queue(conn, is_of_use);
    }

    /// What the target turned away goes first over the connection that takes the place of this one:
    /// another that is open may be as near to its limit.
    fn take_turned_away(&mut self, conn: &mut Conn) {
        self.queued += self.hands.turned_away.len();
        for turned_away in self.hands.turned_away.drain(..).rev() {
            conn.queue.push_front(turned_away);
        }
    }

    /// What waited for a connection that is no more goes over another one; where that one was of no
    /// use, it is not sent.
    fn move_queue(&mut self, mut conn: Conn, is_of_use: bool) {
        self.queued -= conn.queue.len();
        if conn.queue.is_empty() {
            return;
        }
        let slot = if is_of_use { self.open(conn.lane) } else { None };
        if let Some(slot) = slot
            && let Some(other) = &mut self.connections[slot]
        {
            self.queued += conn.queue.len();
            self.hands.tally.extra.ended += u64::from(self.settings.connections_are_by_lane());
            (other.queue, other.is_last) = (conn.queue, conn.is_last);
            if let Some(key) = conn.lane {
                self.lanes.insert(key, slot);
            }
            return;
        }
        // A target that refuses to speak with us for now defers what it was to get.
        let code = conn.session.refusal().filter(|code| code / 100 == 4);
        let (end, code) = code.map_or((End::NotSent, 0), |code| (End::Answered, code));
        for (order, mail) in conn.queue.drain(..) {
            let codes = vec![code; mail.recipients().len()];
            let outcome = Outcome { end, codes: &codes, at_ns: self.hands.now_ns };
            self.hands.begun(&order);
            self.hands.end(order, mail.octets(), &outcome);
            self.hands.keep(mail);
        }
    }

    /// Now and then: what nothing reminds us of.
    pub fn look(&mut self) {
        let now_ns = self.hands.now_ns;
        if now_ns.saturating_sub(self.looked_ns) < LOOK_NS {
            return;
        }
        self.looked_ns = now_ns;
        self.tell();
        self.is_served();
        // Relaxed: a flag, and nothing beside it.
        let is_stopped = self.shared.stop.load(Ordering::Relaxed);
        if (is_stopped || self.is_stalled_for_good()) && self.stopped_ns.is_none() {
            self.stop();
        }
        let grace_ns = nanos(self.settings.grace);
        if self.stopped_ns.is_some_and(|at| now_ns.saturating_sub(at) > grace_ns) {
            self.close_all();
        }
        self.close_stalled();
    }

    /// Nothing more is begun, and what is under way has the grace.
    #[cold]
    fn stop(&mut self) {
        self.end();
        self.stopped_ns = Some(self.hands.now_ns);
        self.hands.sends_again = false;
        // Those that wait for a connection are not begun any more.
        for conn in self.connections.iter_mut().flatten() {
            self.queued -= conn.queue.len();
            conn.is_last = true;
            for (order, mail) in conn.queue.drain(..) {
                self.hands.give_back(&order, mail);
            }
        }
        self.again.extend(0..self.connections.len());
    }

    /// Returns whether the target has answered no message for as long as it may be silent, since
    /// the schedule has ended.
    fn is_stalled_for_good(&self) -> bool {
        let Ends::Scheduled(end) = self.settings.ends else { return false };
        // Relaxed: a time, and nothing beside it.
        let answered_ns = self.shared.answered_ns.load(Ordering::Relaxed);
        let silent_ns = self.hands.now_ns.saturating_sub(answered_ns.max(nanos(end)));
        silent_ns >= nanos(self.settings.timeout)
    }

    fn close_stalled(&mut self) {
        let now_us = self.hands.now_us();
        let (timeout, grace) = (self.settings.timeout, self.settings.grace);
        for slot in 0..self.connections.len() {
            let Some(conn) = &self.connections[slot] else { continue };
            // Nothing depends on it any more: nobody should wait minutes for a QUIT to be answered.
            let is_idle = conn.session.under_way() == 0 && conn.queue.is_empty();
            let is_over = is_idle && (self.is_ended || conn.session.is_quitting());
            let allowed = if is_over { timeout.min(grace) } else { timeout };
            if !conn.is_stalled(now_us, nanos(allowed) / 1000) {
                continue;
            }
            let is_wanted = !is_over || conn.was_open();
            let why = is_wanted.then(|| format!("the target was silent for {allowed:?}"));
            self.close(slot, why.map_or(Over::Cleanly, Over::Failed));
        }
    }

    fn close_all(&mut self) {
        for slot in 0..self.connections.len() {
            if self.connections[slot].is_some() {
                self.close(slot, Over::Cleanly);
            }
        }
    }

    /// Tells the owner how far it is.
    fn tell(&mut self) {
        let tally = &self.hands.tally;
        let now = (tally.ended(), tally.taken(), (self.open - self.opening) as u64);
        self.shared.done.fetch_add(now.0 - self.told.0, Ordering::Relaxed);
        self.shared.taken.fetch_add(now.1 - self.told.1, Ordering::Relaxed);
        self.shared.answered_ns.fetch_max(self.hands.answered_ns, Ordering::Relaxed);
        // Wraps where there are fewer than before: others add up to what there is.
        self.shared.open.fetch_add(now.2.wrapping_sub(self.told.2), Ordering::Relaxed);
        self.told = now;
    }
}

/// Returns whether the target answered what nothing had asked: client and server no longer agree on
/// what is a command.
fn is_out_of_step(fault: Option<Fault>) -> bool {
    match fault {
        // It refused a message before it had all of it, which is its right.
        Some(Fault::Early { phase: Phase::Payload, code }) => code < 400,
        Some(Fault::Unasked { .. } | Fault::Early { .. } | Fault::Unexpected { .. }) => true,
        _ => false,
    }
}

impl Ends {
    /// No message is begun then or later.
    fn deadline_ns(self) -> u64 {
        match self {
            Ends::At(time) => nanos(time),
            Ends::WithSource | Ends::Scheduled(_) => u64::MAX,
        }
    }
}

impl Settings {
    fn connections_are_by_lane(&self) -> bool {
        matches!(self.connections, Connections::ByLane(_))
    }
}
