//! The provisioning thread: creates, allocates, maps, populates, seals and unmaps segments, where
//! no event loop waits.
//!
//! It sleeps in its request channel. A worker sends `Attend` when less than half of its window is
//! left or when it was told to wait; everything else it needs to know stands in the atomics of
//! [`Window`] and [`Gate`]. While storage refuses, it tries again every [`RETRY`].
//!
//! It reads no clock: [`Provision::run`] passes the time, [`super::by_hand`] one that is made up.
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::ahead::{Prepared, Rate};
use super::disk;
use super::events_file::EventsFile;
use super::flush::FlushJob;
use super::format::{
    BootId, COUNTED_WORD, LIVE_WORDS, LiveWords, PAGE_BYTES, RECORDS_AT, SLOT_BYTES, STATE_WORD,
    SYNCED_WORD, State,
};
use super::layout;
use super::map::Door;
use super::owed::Owed;
use super::own::{OwnCommit, OwnEvent};
use super::own_build::{OwnWork, Reach};
use super::prune::sealed;
use super::recycle::KeptMaps;
use super::retention::{Sealed, Shelf};
use super::segment::{Left, OpenSegment};
use super::settings::{Durability, Settings};
use super::store::Store;
use super::sync::{SYNC_AFTER, SyncJob};
use super::window::{Gate, Window};

/// How often a refused allocation is tried again while somebody needs it: often enough that mail
/// flows again a moment after space was made, rarely enough to cost nothing.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// Requests that may wait. A worker sends few per segment; what finds no room waits with it.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// What is asked of the thread.
#[derive(Debug)]
pub(crate) enum Request {
    /// A new worker; the answer is its first segment.
    Open {
        worker: u32,
        gate: Arc<Gate>,
        next: Sender<OpenSegment>,
        answer: Sender<Opened>,
    },
    /// Look at this worker's words.
    Attend {
        worker: u32,
    },
    /// The worker has left this segment.
    Seal(Box<Left>),
    OwnOpen {
        worker: u32,
        key: u64,
        window: Arc<Window>,
        events: Sender<OwnEvent>,
        envelope_bytes: u64,
    },
    /// `unopened`: the envelope, where the worker had not yet written it.
    OwnCommit {
        worker: u32,
        commit: OwnCommit,
        unopened: Vec<u8>,
    },
    OwnDrop {
        worker: u32,
        key: u64,
        door: Option<Door>,
    },
    /// An own segment has its name now and may be dropped some time; `None`: its flush failed, and
    /// it is gone.
    OwnNamed {
        number: u32,
        sealed: Option<Box<Sealed>>,
    },
    /// The worker has stopped.
    Closed {
        worker: u32,
    },
    /// The log is being closed.
    Stop,
}

/// The answer to `Open`.
pub(crate) type Opened = std::io::Result<Box<OpenSegment>>;

/// What the thread knows of a worker.
struct Worker {
    gate: Arc<Gate>,
    next: Sender<OpenSegment>,
    /// The segment it writes.
    current: Prepared,
    /// The one that waits for it.
    prepared: Option<Prepared>,
    /// Prepared segments it has taken so far.
    taken: u32,
    /// Length of the segment to prepare next, if space allows.
    next_bytes: u64,
    rate: Rate,
    owns: Vec<OwnWork>,
    /// Storage refused a further segment; it is not asked again before this.
    refused_until: Option<Instant>,
}

/// The thread's state.
pub(crate) struct Provision {
    pub folder: PathBuf,
    pub settings: Settings,
    pub store: Store,
    pub boot: BootId,
    pub sync: Sender<SyncJob>,
    pub flusher: Sender<FlushJob>,
    pub shelf: Shelf,
    pub kept: KeptMaps,
    /// Segments that are not sealed yet, large messages' among them, and the disk they take.
    pub open: HashMap<u32, u64>,
    pub events: Arc<EventsFile>,
    pub owed: Owed,
    /// When what is being served came.
    pub now: Instant,
    /// When ages are looked at next.
    age_at: Option<Instant>,
    /// When to look at the folder of segments next, and when it had changed at the last look.
    look_at: Option<Instant>,
    pub folder_changed: Option<SystemTime>,
    workers: HashMap<u32, Worker>,
    worker_count: u64,
    /// When to try again what storage refused.
    retry_at: Option<Instant>,
    /// Workers whose large messages want more than one step; fewer than there are workers.
    unfinished: VecDeque<u32>,
}

/// What the thread works on.
pub(crate) struct Setup {
    pub folder: PathBuf,
    pub settings: Settings,
    pub store: Store,
    pub boot: BootId,
    pub sync: Sender<SyncJob>,
    pub flusher: Sender<FlushJob>,
    pub shelf: Shelf,
    pub events: Arc<EventsFile>,
}

impl Provision {
    pub(crate) fn new(setup: Setup, now: Instant) -> Provision {
        let owed = Owed::load(&setup.folder);
        Provision {
            folder: setup.folder,
            settings: setup.settings,
            store: setup.store,
            boot: setup.boot,
            sync: setup.sync,
            flusher: setup.flusher,
            shelf: setup.shelf,
            kept: KeptMaps::new(disk::descriptors_max()),
            open: HashMap::new(),
            events: setup.events,
            owed,
            now,
            age_at: None,
            look_at: None,
            folder_changed: None,
            workers: HashMap::new(),
            worker_count: 0,
            retry_at: None,
            unfinished: VecDeque::new(),
        }
    }

    /// Serves until `Stop`.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        self.begin();
        loop {
            let request = match self.next_look() {
                _ if !self.unfinished.is_empty() => requests.recv_timeout(Duration::ZERO),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => requests.recv_deadline(at),
            };
            self.now = Instant::now();
            match request {
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
        }
        self.end();
    }

    /// The thread begins.
    pub(crate) fn begin(&mut self) {
        self.settle_rest();
        self.age_at = self.enforce_age();
        self.look_at = self.look_if_changed();
    }

    /// The thread ends. Workers that did not close may still take what was prepared for them: it
    /// stays, and recovery removes it if it is empty.
    pub(crate) fn end(&mut self) {
        self.settle_rest();
    }

    /// When something is to be looked at without a request.
    fn next_look(&self) -> Option<Instant> {
        let times = [self.retry_at, self.age_at, self.look_at, self.owed_at()];
        times.into_iter().flatten().min()
    }

    /// Does what is due, and one step of what is unfinished.
    pub(crate) fn look(&mut self) {
        self.retry_if_due();
        if self.age_at.is_some_and(|at| at <= self.now) {
            self.age_at = self.enforce_age();
        }
        if self.look_at.is_some_and(|at| at <= self.now) {
            self.look_at = self.look_if_changed();
        }
        self.settle_if_due();
        if let Some(worker) = self.unfinished.pop_front() {
            self.attend(worker);
        }
    }

    fn retry_if_due(&mut self) {
        if self.retry_at.is_none_or(|at| self.now < at) {
            return;
        }
        self.retry_at = None;
        let workers: Vec<u32> = self.workers.keys().copied().collect();
        for worker in workers {
            self.attend(worker);
        }
    }

    pub(crate) fn serve(&mut self, request: Request) {
        match request {
            Request::Open { worker, gate, next, answer } => self.open(worker, gate, next, &answer),
            Request::Attend { worker } => self.attend(worker),
            Request::Seal(left) => self.seal(*left),
            Request::OwnOpen { worker, key, window, events, envelope_bytes } => {
                let work = OwnWork::new(key, window, events, envelope_bytes);
                self.own_open(worker, work);
            }
            Request::OwnCommit { worker, commit, unopened } => {
                self.own_commit(worker, commit, &unopened);
            }
            Request::OwnDrop { worker, key, door } => {
                drop(door);
                if let Some(own) = self.take_own(worker, key) {
                    self.abandon_own(own);
                }
            }
            Request::OwnNamed { number, sealed } => match sealed {
                Some(sealed) => self.shelve(number, *sealed),
                None => drop(self.open.remove(&number)),
            },
            Request::Closed { worker } => self.closed(worker),
            Request::Stop => unreachable!("the thread ends with it"),
        }
    }

    fn open(
        &mut self,
        worker: u32,
        gate: Arc<Gate>,
        next: Sender<OpenSegment>,
        answer: &Sender<Opened>,
    ) {
        let first = self.settings.segment_bytes_first;
        self.worker_count += 1;
        let rate = Rate::new(self.now);
        let opened = self.prepare(worker, first, first, &rate).map(|(current, segment)| {
            let next_bytes = self.doubled(first);
            let entry = Worker {
                gate,
                next,
                current,
                prepared: None,
                taken: 0,
                next_bytes,
                rate,
                owns: Vec::new(),
                refused_until: None,
            };
            self.workers.insert(worker, entry);
            Box::new(segment)
        });
        if opened.is_err() {
            self.worker_count -= 1;
        }
        // The asker waits in `Log::writer`; if it is gone there is nobody to tell.
        drop(answer.send(opened));
        self.attend(worker);
    }

    fn doubled(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(2).min(self.segment_bytes_max()).max(self.settings.segment_bytes_first)
    }

    /// Workers that have not closed, at least 1.
    pub(crate) fn workers_open(&self) -> u64 {
        self.worker_count.max(1)
    }

    /// Segments that are not sealed yet, and their lengths in all.
    pub(crate) fn open_segments(&self) -> (u64, u64) {
        let bytes = self.open.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        (self.open.len() as u64, bytes)
    }

    /// Looks at all that a worker may want, and wakes it when something has come.
    fn attend(&mut self, id: u32) {
        let Some(mut worker) = self.workers.remove(&id) else {
            return;
        };
        worker.gate.attend();
        worker.follow();
        if worker.move_window(self.now).is_err() {
            self.refused();
        }
        let need = worker.gate.need.load(Relaxed);
        if worker.prepared.is_none() && (need > 0 || worker.current_is_populated()) {
            self.prepare_next(id, &mut worker, need);
        }
        for own in &mut worker.owns {
            match self.grow_own(id, own) {
                Ok(Reach::Full) => {}
                Ok(Reach::Short) => self.go_on_with(id),
                Err(_) => self.refused(),
            }
            worker.gate.wake();
        }
        self.workers.insert(id, worker);
    }

    /// This worker is attended to again when the others had their turn.
    fn go_on_with(&mut self, worker: u32) {
        if !self.unfinished.contains(&worker) {
            self.unfinished.push_back(worker);
        }
    }

    fn refused(&mut self) {
        self.retry_at.get_or_insert(self.now + RETRY);
    }

    fn prepare_next(&mut self, id: u32, worker: &mut Worker, need: u64) {
        if let Some(at) = worker.refused_until.filter(|at| self.now < *at) {
            // Asked again between two tries.
            self.retry_at = Some(self.retry_at.map_or(at, |known| known.min(at)));
            return;
        }
        let was_full = worker.refused_until.take().is_some();
        let least = self.settings.segment_bytes_first.max(file_bytes(need));
        match self.prepare(id, least, worker.next_bytes.max(least), &worker.rate) {
            Ok((prepared, segment)) => {
                worker.next_bytes = self.doubled(worker.next_bytes);
                worker.prepared = Some(prepared);
                // Room for one is there: the last one was taken. An error: the worker is gone.
                drop(worker.next.try_send(segment));
                worker.gate.full.store(false, Release);
                if was_full {
                    tracing::info!(worker = id, "the disk has room again");
                }
            }
            Err(e) => {
                worker.gate.full.store(true, Release);
                worker.refused_until = Some(self.now + RETRY);
                self.refused();
                if !was_full {
                    tracing::warn!(worker = id, error = %e, "no room for a further segment");
                }
            }
        }
        worker.gate.wake();
    }

    /// Totals and state to the live page, unused space back to the disk, the map away.
    fn seal(&mut self, left: Left) {
        if matches!(self.settings.durability, Durability::Interval(_)) {
            drop(self.flusher.send(FlushJob::Forget { number: left.number }));
        }
        if left.slots == 0 && left.counted == 0 {
            let number = left.number;
            drop(left);
            return self.forget(number);
        }
        let live = left.door.live();
        let mut words = LiveWords(std::array::from_fn(|i| u64::from_le(live[i].load(Relaxed))));
        words.seal(&left.seed, &left.totals, left.state);
        words.0[SYNCED_WORD] = 0;
        for i in (0..LIVE_WORDS).filter(|i| *i != STATE_WORD) {
            live[i].store(words.0[i].to_le(), Relaxed);
        }
        // Publishes the totals. Partner: the acquire fence behind the load in reader.rs.
        live[STATE_WORD].store(words.0[STATE_WORD].to_le(), Release);
        for hole in left.holes {
            disk::punch(left.door.file(), hole);
        }
        if left.state == State::Sealed {
            self.sync_later(left.number);
        }
        let messages = u64::from(words.published().messages);
        let sealed = sealed(left.door.file(), messages, words.0[COUNTED_WORD], &left.totals);
        let bytes = self.open.remove(&left.number).unwrap_or(0);
        // Only a ring uses files again: with a bound on age alone, kept maps would serve nothing.
        if self.settings.retention.is_ring() {
            self.kept.put(left.number, left.door, bytes);
        }
        self.shelve(left.number, sealed);
    }

    pub(crate) fn sync_later(&self, number: u32) {
        let path = layout::segment_path(&self.folder, number);
        let wait = match self.settings.durability {
            Durability::Process => SYNC_AFTER,
            Durability::Interval(_) | Durability::Message => Duration::ZERO,
        };
        // The thread outlives this one; without it, recovery queues the segment again.
        drop(self.sync.send(SyncJob::Segment { number, path, due: self.now + wait }));
    }

    fn closed(&mut self, worker: u32) {
        let Some(mut worker) = self.workers.remove(&worker) else {
            return;
        };
        self.worker_count -= 1;
        worker.follow();
        for own in worker.owns {
            self.abandon_own(own);
        }
        if let Some(prepared) = worker.prepared {
            self.forget(prepared.number);
        }
    }

    pub(crate) fn own_open(&mut self, id: u32, mut own: OwnWork) {
        let outcome = self.grow_own(id, &mut own);
        let reach = match (outcome, self.workers.get_mut(&id)) {
            (Ok(reach), Some(worker)) => {
                worker.owns.push(own);
                reach
            }
            (Ok(_), None) => return self.abandon_own(own),
            (Err(e), _) => {
                self.fail_own(own, &e);
                Reach::Full
            }
        };
        if let Some(worker) = self.workers.get(&id) {
            worker.gate.wake();
        }
        if reach == Reach::Short {
            self.go_on_with(id);
        }
    }

    fn take_own(&mut self, id: u32, key: u64) -> Option<OwnWork> {
        let worker = self.workers.get_mut(&id)?;
        let at = worker.owns.iter().position(|own| own.key == key)?;
        Some(worker.owns.swap_remove(at))
    }

    fn own_commit(&mut self, id: u32, commit: OwnCommit, unopened: &[u8]) {
        let Some(own) = self.take_own(id, commit.key) else {
            return;
        };
        let Some(gate) = self.workers.get(&id).map(|worker| worker.gate.clone()) else {
            return self.abandon_own(own);
        };
        self.finish_own(id, own, commit, unopened, &gate);
        gate.wake();
    }
}

impl Worker {
    /// Notices that the worker has taken the prepared segment.
    fn follow(&mut self) {
        let taken = self.gate.taken.load(Relaxed);
        if taken != self.taken
            && let Some(prepared) = self.prepared.take()
        {
            self.taken = taken;
            self.rate.rolled(&self.current, &prepared);
            self.current = prepared;
        }
    }

    fn current_is_populated(&self) -> bool {
        self.current.window.marks.populated.load(Relaxed) >= self.current.bytes
    }

    fn move_window(&mut self, now: Instant) -> std::io::Result<()> {
        let fronts = &self.current.window.fronts;
        let end = fronts.end.load(Relaxed);
        let slots = fronts.slots.load(Relaxed);
        self.rate.measure(end, slots, now);
        let wanted = (end + self.rate.window_bytes).max(fronts.demand.load(Relaxed));
        let wanted_slots = slots.saturating_sub(self.rate.slots_window_bytes);
        let gate = &self.gate;
        let outcome = self.current.populate(wanted, wanted_slots, &self.rate, || gate.wake());
        let was_full = self.current.window.marks.full.swap(outcome.is_err(), Relaxed);
        if let Err(e) = &outcome {
            if !was_full {
                tracing::warn!(segment = self.current.number, error = %e, "cannot populate");
            }
            gate.wake();
        }
        outcome
    }
}

/// The length of a segment that holds a record of `bytes` octets.
fn file_bytes(record: u64) -> u64 {
    (RECORDS_AT + record + 8 + SLOT_BYTES).next_multiple_of(PAGE_BYTES)
}
