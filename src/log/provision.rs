//! The provisioning thread: creates, allocates, maps, populates, seals and unmaps segments, where
//! no event loop waits.
//!
//! It sleeps in its request channel. A worker sends `Attend` when less than half of its window is
//! left or when it was told to wait; everything else it needs to know stands in the atomics of
//! [`Window`] and [`Gate`]. While storage refuses, it tries again every [`RETRY`].
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::disk;
use super::flags;
use super::flush::{FlushJob, Flushed};
use super::format::{
    BootId, COUNTED_WORD, Identity, LIVE_WORDS, LiveWords, PAGE_BYTES, RECORDS_AT, SLOT_BYTES,
    STATE_WORD, SYNCED_WORD, Seed, SegmentKind, State,
};
use super::map::{Door, Mapping};
use super::own::{OwnCommit, OwnEvent};
use super::own_build::{OwnWork, Reach};
use super::recycle::{self, KeptMaps};
use super::retention::Shelf;
use super::segment::{Held, Left, OpenSegment, Publishing};
use super::settings::{Durability, Settings};
use super::store::Store;
use super::sync::{SYNC_AFTER, SyncJob};
use super::window::{Gate, Window};

/// How often a refused allocation is tried again while somebody needs it: often enough that mail
/// flows again a moment after space was made, rarely enough to cost nothing.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// A worker's window is what it writes in this time...
const WINDOW_TIME: Duration = Duration::from_millis(10);
/// ...but no less: 0.2 ms of populating, four times what a connection may take in a round.
const WINDOW_BYTES_MIN: u64 = 1 << 20;
/// ...and no more: pages populated long before their use are written out and protected again.
const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// The same for slots: 1024 of them.
const SLOTS_WINDOW_BYTES_MIN: u64 = 64 << 10;
/// The mark moves in steps, so that a worker that waits goes on before the window is complete.
const POPULATE_STEP_BYTES: u64 = 1 << 20;
/// A rate is measured over at least this time.
const RATE_TIME_MIN: Duration = Duration::from_millis(2);
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

/// A segment's file, mapped.
type Made = (Prepared, Door, Seed);

/// The thread's half of a segment.
struct Prepared {
    bytes: u64,
    mapping: Arc<Mapping>,
    window: Arc<Window>,
    number: u32,
}

/// How fast a worker writes.
struct Rate {
    since: Instant,
    /// Fronts at `since`, or where the segment began.
    end: u64,
    slots: u64,
    /// Written since then to segments left in between.
    carried: u64,
    carried_slots: u64,
    window_bytes: u64,
    slots_window_bytes: u64,
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
    /// Segments that are not sealed yet, and their lengths.
    open: HashMap<u32, u64>,
    /// When ages are looked at next.
    age_at: Option<Instant>,
    workers: HashMap<u32, Worker>,
    worker_count: u64,
    /// When to try again what storage refused.
    retry_at: Option<Instant>,
    /// Workers whose large messages want more than one step; fewer than there are workers.
    unfinished: VecDeque<u32>,
}

impl Provision {
    pub(crate) fn new(
        folder: PathBuf,
        settings: Settings,
        store: Store,
        boot: BootId,
        sync: Sender<SyncJob>,
        flusher: Sender<FlushJob>,
        shelf: Shelf,
    ) -> Provision {
        Provision {
            folder,
            settings,
            store,
            boot,
            sync,
            flusher,
            shelf,
            kept: KeptMaps::default(),
            open: HashMap::new(),
            age_at: None,
            workers: HashMap::new(),
            worker_count: 0,
            retry_at: None,
            unfinished: VecDeque::new(),
        }
    }

    /// Serves until `Stop`.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        self.age_at = self.enforce_age();
        loop {
            let request = match self.retry_at.into_iter().chain(self.age_at).min() {
                _ if !self.unfinished.is_empty() => requests.recv_timeout(Duration::ZERO),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => requests.recv_deadline(at),
            };
            match request {
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.retry_if_due();
            if self.age_at.is_some_and(|at| at <= Instant::now()) {
                self.age_at = self.enforce_age();
            }
            if let Some(worker) = self.unfinished.pop_front() {
                self.attend(worker);
            }
        }
        // Workers that did not close may still take what was prepared for them: it stays, and
        // recovery removes it if it is empty.
    }

    fn retry_if_due(&mut self) {
        if self.retry_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        let workers: Vec<u32> = self.workers.keys().copied().collect();
        for worker in workers {
            self.attend(worker);
        }
    }

    fn serve(&mut self, request: Request) {
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
                    own.abandon(&self.folder);
                }
            }
            Request::Closed { worker } => self.closed(worker),
            Request::Stop => unreachable!("`run` ends with it"),
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
        let rate = Rate::new();
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
        (2 * bytes).min(self.segment_bytes_max()).max(self.settings.segment_bytes_first)
    }

    /// Workers that have not closed, at least 1.
    pub(crate) fn workers_open(&self) -> u64 {
        self.worker_count.max(1)
    }

    /// Segments that are not sealed yet, and their lengths in all.
    pub(crate) fn open_segments(&self) -> (u64, u64) {
        (self.open.len() as u64, self.open.values().sum())
    }

    /// Looks at all that a worker may want, and wakes it when something has come.
    fn attend(&mut self, id: u32) {
        let Some(mut worker) = self.workers.remove(&id) else {
            return;
        };
        worker.gate.attend();
        worker.follow();
        if worker.move_window().is_err() {
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
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }

    fn prepare_next(&mut self, id: u32, worker: &mut Worker, need: u64) {
        if let Some(at) = worker.refused_until.filter(|at| Instant::now() < *at) {
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
                worker.refused_until = Some(Instant::now() + RETRY);
                self.refused();
                if !was_full {
                    tracing::warn!(worker = id, error = %e, "no room for a further segment");
                }
            }
        }
        worker.gate.wake();
    }

    /// Creates, allocates, maps and populates a segment of `wanted` octets, or of less, down to
    /// `least`, where the disk is nearly full.
    fn prepare(
        &mut self,
        worker: u32,
        least: u64,
        wanted: u64,
        rate: &Rate,
    ) -> std::io::Result<(Prepared, OpenSegment)> {
        let mut bytes = wanted.next_multiple_of(PAGE_BYTES);
        let least = least.next_multiple_of(PAGE_BYTES);
        loop {
            let made = self.segment_file(worker, bytes);
            match made {
                Err(e) if super::error::is_no_space(&e) && self.drop_one() => {}
                Err(e) if super::error::is_no_space(&e) && bytes > least => {
                    bytes = (bytes / 2).next_multiple_of(PAGE_BYTES).max(least);
                }
                Err(e) => return Err(e),
                Ok((prepared, door, seed)) => {
                    if let Err(e) = self.make_ready(&prepared, rate) {
                        self.forget(prepared.number);
                        return Err(e);
                    }
                    let (number, window) = (prepared.number, prepared.window.clone());
                    let publishing = self.publishing(&prepared);
                    let segment = OpenSegment::new(number, bytes, door, window, seed, publishing);
                    return Ok((prepared, segment));
                }
            }
        }
    }

    /// Populates the first window. Where each message is flushed nothing is populated: pages made
    /// ready ahead of the writer would be written out by every flush (zeros, time and again).
    fn make_ready(&self, prepared: &Prepared, rate: &Rate) -> std::io::Result<()> {
        if self.settings.durability != Durability::Message {
            return prepared.populate_first(rate);
        }
        let marks = &prepared.window.marks;
        marks.slots_populated.store(0, Release);
        marks.populated.store(prepared.bytes, Release);
        Ok(())
    }

    /// When slots of this segment are published, and who hears of flushes.
    fn publishing(&self, prepared: &Prepared) -> Publishing {
        match self.settings.durability {
            Durability::Process => Publishing::Now,
            Durability::Message => Publishing::Held(Held::default()),
            Durability::Interval(_) => {
                let flushed = Arc::new(Flushed::default());
                let (number, mapping) = (prepared.number, prepared.mapping.clone());
                // The thread outlives this one.
                let watch = FlushJob::Watch { number, mapping, flushed: flushed.clone() };
                drop(self.flusher.send(watch));
                Publishing::Watched(flushed)
            }
        }
    }

    /// `space_min`: beside these `bytes`, two segments per worker stay free, for others and for
    /// what copy-on-write file systems need when a page is rewritten. `segment_bytes`: of how large
    /// ones.
    pub(crate) fn has_space(&self, bytes: u64, segment_bytes: u64) -> std::io::Result<()> {
        let reserve = 2 * segment_bytes * self.worker_count.max(1);
        if disk::space_left(&self.folder)? < bytes + reserve {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// The file of a dropped segment, or a new one.
    fn segment_file(&mut self, worker: u32, bytes: u64) -> std::io::Result<Made> {
        let made = match self.room_for(bytes) {
            Some(old) => self.use_again(worker, bytes, old),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        let made = match made {
            Ok(made) => made,
            Err(_) => {
                self.has_space(bytes, bytes)?;
                self.create(worker, bytes)?
            }
        };
        self.open.insert(made.0.number, bytes);
        Ok(made)
    }

    /// Makes the file of segment `old` that of a new one; if that can't be done it is gone.
    fn use_again(&mut self, worker: u32, bytes: u64, old: u32) -> std::io::Result<Made> {
        let number = self.store.take_number()?;
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        let from = disk::segment_path(&self.folder, old);
        let path = disk::segment_path(&self.folder, number);
        let kept = self.kept.take(old).map_or_else(|| recycle::map_again(&self.folder, old), Ok);
        let made = kept.and_then(|door| {
            recycle::renew(door.file(), &identity)?;
            self.name_safely(door.file(), &from, &path)?;
            door.file().unlock()?;
            flags::forget(&self.folder, old);
            Ok(door)
        });
        let door = made.inspect_err(|e| {
            tracing::debug!(segment = old, error = %e, "its file is not used again");
            self.unlink_segment(old);
            drop(std::fs::remove_file(&path));
        })?;
        let window = Arc::new(Window::default());
        let prepared = Prepared { bytes, mapping: door.mapping(), window, number };
        Ok((prepared, door, identity.seed()))
    }

    /// A segment that nobody has ever committed to.
    fn forget(&mut self, number: u32) {
        self.open.remove(&number);
        if let Err(e) = std::fs::remove_file(disk::segment_path(&self.folder, number)) {
            tracing::warn!(segment = number, error = %e, "cannot remove an unused segment");
        }
    }

    fn create(&mut self, worker: u32, bytes: u64) -> std::io::Result<Made> {
        use std::os::unix::fs::FileExt;
        let number = self.store.take_number()?;
        // Lost syncs are made good by the next; only a power loss asks for it.
        drop(self.sync.send(SyncJob::Store));
        let identity = self.identity(number, worker, bytes, SegmentKind::Shared);
        // No reader ever sees it without its identity page.
        let part = disk::part_path(&self.folder, number);
        let file = disk::create(&part)?;
        let path = disk::segment_path(&self.folder, number);
        let made = disk::allocate(&file, 0, bytes)
            .and_then(|()| self.write_out(&file, bytes))
            .and_then(|()| file.write_all_at(&identity.encode(), 0))
            .and_then(|()| self.name_safely(&file, &part, &path))
            .and_then(|()| Mapping::new(file, bytes));
        match made {
            Ok((mapping, door)) => {
                let window = Arc::new(Window::default());
                let prepared = Prepared { bytes, mapping, window, number };
                Ok((prepared, door, identity.seed()))
            }
            Err(e) => {
                // One of the two is there; recovery removes what stays.
                drop(std::fs::remove_file(&part));
                drop(std::fs::remove_file(&path));
                Err(e)
            }
        }
    }

    /// Where each message is flushed, the file's blocks are written once before use: a flush then
    /// writes data alone, and nothing about the file.
    fn write_out(&self, file: &std::fs::File, bytes: u64) -> std::io::Result<()> {
        match self.settings.durability {
            Durability::Message => disk::write_zeros(file, 0, bytes),
            Durability::Process | Durability::Interval(_) => Ok(()),
        }
    }

    /// Gives a new segment its name, so that it survives a power loss where messages must.
    fn name_safely(
        &self,
        file: &std::fs::File,
        part: &std::path::Path,
        path: &std::path::Path,
    ) -> std::io::Result<()> {
        if self.settings.durability == Durability::Process {
            return std::fs::rename(part, path);
        }
        self.settings.flush.flush(file)?;
        std::fs::rename(part, path)?;
        disk::sync_parent(path)
    }

    pub(crate) fn identity(
        &self,
        number: u32,
        worker: u32,
        segment_bytes: u64,
        kind: SegmentKind,
    ) -> Identity {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Identity {
            number,
            store: self.store.state.id,
            segment_bytes,
            worker,
            start_count: self.store.state.starts,
            boot: self.boot,
            created_at_ns: now.map(|t| t.as_nanos() as u64).unwrap_or(0),
            kind,
        }
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
        let file = left.door.file();
        for hole in left.holes {
            disk::punch(file, hole);
        }
        if left.state == State::Sealed {
            self.sync_later(left.number);
        }
        let bytes = self.open.remove(&left.number).unwrap_or(0);
        if self.settings.retention.is_on() {
            self.kept.put(left.number, left.door, bytes);
        }
        let messages = u64::from(words.published().messages);
        self.shelve(left.number, messages, words.0[COUNTED_WORD], &left.totals);
    }

    pub(crate) fn sync_later(&self, number: u32) {
        let path = disk::segment_path(&self.folder, number);
        let wait = match self.settings.durability {
            Durability::Process => SYNC_AFTER,
            Durability::Interval(_) | Durability::Message => Duration::ZERO,
        };
        // The thread outlives this one; without it, recovery queues the segment again.
        drop(self.sync.send(SyncJob::Segment { number, path, due: Instant::now() + wait }));
    }

    fn closed(&mut self, worker: u32) {
        let Some(mut worker) = self.workers.remove(&worker) else {
            return;
        };
        self.worker_count -= 1;
        worker.follow();
        for own in worker.owns {
            own.abandon(&self.folder);
        }
        if let Some(prepared) = worker.prepared {
            self.forget(prepared.number);
        }
    }

    pub(crate) fn own_open(&mut self, id: u32, mut own: OwnWork) {
        let outcome = self.grow_own(id, &mut own);
        let Some(worker) = self.workers.get_mut(&id) else {
            return own.abandon(&self.folder);
        };
        let reach = match outcome {
            Ok(reach) => {
                worker.owns.push(own);
                reach
            }
            Err(e) => {
                own.fail(&self.folder, &e);
                Reach::Full
            }
        };
        worker.gate.wake();
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
            return own.abandon(&self.folder);
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

    fn move_window(&mut self) -> std::io::Result<()> {
        let fronts = &self.current.window.fronts;
        let end = fronts.end.load(Relaxed);
        let slots = fronts.slots.load(Relaxed);
        self.rate.measure(end, slots);
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

impl Prepared {
    fn populate_first(&self, rate: &Rate) -> std::io::Result<()> {
        let marks = &self.window.marks;
        marks.populated.store(RECORDS_AT, Relaxed);
        marks.slots_populated.store(self.bytes, Relaxed);
        self.mapping.populate(0..RECORDS_AT)?;
        let slots = self.bytes.saturating_sub(rate.slots_window_bytes);
        self.populate(RECORDS_AT + rate.window_bytes, slots, rate, || ())
    }

    /// Moves the marks up to `wanted` and down to `wanted_slots`; `moved` is called at each step.
    fn populate(
        &self,
        wanted: u64,
        wanted_slots: u64,
        rate: &Rate,
        moved: impl Fn(),
    ) -> std::io::Result<()> {
        let marks = &self.window.marks;
        let (mut front, mut slots) =
            (marks.populated.load(Relaxed), marks.slots_populated.load(Relaxed));
        if front >= self.bytes {
            return Ok(());
        }
        marks.window_bytes.store(rate.window_bytes, Relaxed);
        marks.slots_window_bytes.store(rate.slots_window_bytes, Relaxed);
        let wanted_slots = wanted_slots / PAGE_BYTES * PAGE_BYTES;
        if wanted_slots < slots {
            let to = wanted_slots.max(front);
            self.mapping.populate(to..slots)?;
            slots = to;
            // Partner: the acquire load in segment.rs.
            marks.slots_populated.store(slots, Release);
            moved();
        }
        while front < wanted.min(slots) {
            let to = (front + POPULATE_STEP_BYTES).min(slots).min(wanted);
            let to = to.next_multiple_of(PAGE_BYTES);
            self.mapping.populate(front..to)?;
            front = to;
            marks.populated.store(front, Release);
            moved();
        }
        if front >= slots {
            // The two windows have met: all of the file is populated.
            marks.slots_populated.store(0, Release);
            marks.populated.store(self.bytes, Release);
            moved();
        }
        Ok(())
    }
}

impl Rate {
    fn new() -> Rate {
        Rate {
            since: Instant::now(),
            end: RECORDS_AT,
            slots: 0,
            carried: 0,
            carried_slots: 0,
            window_bytes: WINDOW_BYTES_MIN,
            slots_window_bytes: SLOTS_WINDOW_BYTES_MIN,
        }
    }

    /// Sets the windows from how far the fronts moved since the last measurement.
    fn measure(&mut self, end: u64, slots: u64) {
        let elapsed = self.since.elapsed();
        if elapsed < RATE_TIME_MIN {
            return;
        }
        let window = |bytes: u64, least: u64| {
            let bytes = u128::from(bytes) * WINDOW_TIME.as_nanos() / elapsed.as_nanos();
            (bytes as u64).clamp(least, WINDOW_BYTES_MAX)
        };
        let written = self.carried + end.saturating_sub(self.end);
        let slots_written = self.carried_slots + self.slots.saturating_sub(slots);
        self.window_bytes = window(written, WINDOW_BYTES_MIN);
        self.slots_window_bytes = window(slots_written, SLOTS_WINDOW_BYTES_MIN);
        (self.since, self.end, self.slots) = (Instant::now(), end, slots);
        (self.carried, self.carried_slots) = (0, 0);
    }

    /// The fronts start anew in another segment: what was written to the old one still counts.
    fn rolled(&mut self, old: &Prepared, new: &Prepared) {
        let fronts = &old.window.fronts;
        self.carried += fronts.end.load(Relaxed).saturating_sub(self.end);
        self.carried_slots += self.slots.saturating_sub(fronts.slots.load(Relaxed));
        (self.end, self.slots) = (RECORDS_AT, new.bytes);
    }
}

/// The length of a segment that holds a record of `bytes` octets.
fn file_bytes(record: u64) -> u64 {
    (RECORDS_AT + record + 8 + SLOT_BYTES).next_multiple_of(PAGE_BYTES)
}
