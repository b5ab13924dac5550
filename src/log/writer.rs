//! A worker's door to its segments.
//!
//! The *whole* way (`receive_here`, `commit_received`) costs per message: the copy of the envelope,
//! one CRC over the record, 64 octets of slot with their own CRC, and three stores. Everything that
//! takes a system call is asked of the provisioning thread.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::flush::FlushJob;
use super::format::{Facts, Kind, crc};
use super::id::MessageId;
use super::provision::Request;
use super::reservation::{Commit, PendingCommit};
use super::segment::{Fit, OpenSegment, Record};
use super::settings::{Durability, Settings};
use super::window::Gate;

/// Proof of a commit; only the log makes one.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    id: MessageId,
}

impl Committed {
    /// The message's id.
    pub fn id(&self) -> MessageId {
        self.id
    }
}

/// Proof that a message was counted and nothing of it stored; only the log makes one.
#[derive(Debug, Clone, Copy)]
pub struct Counted(());

/// Why a writer has no room. None of them is a mistake, and none loses anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Provisioning is behind: park; the writer's `wake` is called when there may be room.
    Wait,
    /// A budget of this worker (regions, own segments) is used up: 452, or stage.
    Budget,
    /// The disk is full or failing: 452 until a probe succeeds.
    Full,
}

/// A worker's door to its segments. No call blocks, allocates (in the steady state) or makes a
/// system call, except a channel send when the window must move.
#[derive(Debug)]
pub struct Writer {
    pub(super) worker: u32,
    pub(super) settings: Settings,
    pub(super) gate: Arc<Gate>,
    pub(super) requests: Sender<Request>,
    /// To the flusher; unbounded, but never more than one request for each segment.
    flusher: Sender<FlushJob>,
    flushes: u64,
    /// Prepared segments: one at most is on its way.
    pub(super) next: Receiver<OpenSegment>,
    pub(super) current: OpenSegment,
    /// Segments left while something was open in them; few.
    pub(super) left: Vec<OpenSegment>,
    /// The segment left last.
    pub(super) last_left: Option<u32>,
    /// Requests that found the channel full; sent again at the end of the round.
    pub(super) outbox: VecDeque<Request>,
    /// Octets of open regions.
    pub(super) region_bytes: u64,
    /// Own segments open or being committed.
    pub(super) own_open: usize,
    pub(super) own_keys: u64,
    /// What `receive_here` gave: offset, envelope octets, payload octets.
    pub(super) received: Option<(u64, u32, usize)>,
}

impl Writer {
    pub(super) fn new(
        worker: u32,
        settings: Settings,
        gate: Arc<Gate>,
        requests: Sender<Request>,
        flusher: Sender<FlushJob>,
        next: Receiver<OpenSegment>,
        current: OpenSegment,
    ) -> Writer {
        Writer {
            worker,
            settings,
            gate,
            requests,
            flusher,
            flushes: 0,
            next,
            current,
            left: Vec::new(),
            last_left: None,
            outbox: VecDeque::new(),
            region_bytes: 0,
            own_open: 0,
            own_keys: 0,
            received: None,
        }
    }

    /// Receive here (the *whole* way): puts `envelope` at the tail and gives the free space behind
    /// it: exactly `payload_bytes` octets (callers ask for at most 256 KiB). Nothing is held: any
    /// other call on the writer takes the space back.
    ///
    /// Costs the copy of the envelope. Errors: `Wait`, `Full`.
    #[inline]
    pub fn receive_here(
        &mut self,
        envelope: &[u8],
        payload_bytes: usize,
    ) -> Result<&mut [u8], NoRoom> {
        let bytes = envelope.len() + payload_bytes;
        if self.current.fit(bytes as u64) != Fit::Yes {
            self.make_room(bytes as u64)?;
        }
        let start = self.current.start();
        self.received = Some((start, octets(envelope.len()), payload_bytes));
        let (head, space) = self.current.door.write(start, bytes).split_at_mut(envelope.len());
        head.copy_from_slice(envelope);
        Ok(space)
    }

    /// Commits the first `payload_bytes` octets of what the `receive_here` just before gave.
    ///
    /// Costs one CRC over the record, one over the slot.
    #[inline]
    pub fn commit_received(&mut self, payload_bytes: usize, facts: &Facts) -> Commit {
        let (offset, envelope_bytes, given) =
            self.received.take().expect("receive_here was the call just before");
        assert!(payload_bytes <= given, "no more than receive_here gave");
        let bytes = envelope_bytes as usize + payload_bytes;
        let crc = crc(self.current.door.read(offset, bytes));
        let record = Record { offset, envelope_bytes, payload_bytes: octets(payload_bytes), crc };
        let id = self.current.commit_tail(record, facts);
        self.poke_if_low();
        Self::committed_in(&mut self.current, id, facts)
    }

    /// Is it committed, or must it wait for a flush? Nobody waits for a note.
    #[inline]
    pub(super) fn committed_in(home: &mut OpenSegment, id: MessageId, facts: &Facts) -> Commit {
        if facts.kind != Kind::Note && home.waits() {
            return Commit::Later(PendingCommit::Flush(id));
        }
        Commit::Done(Committed { id })
    }

    /// Appends these slices as one payload (staging, bytes behind a BDAT line). At most 4 MiB in
    /// all.
    ///
    /// Costs the copy and one CRC over the record. Errors: `Wait`, `Full`.
    pub fn append(
        &mut self,
        envelope: &[u8],
        payload: &[&[u8]],
        facts: &Facts,
    ) -> Result<Commit, NoRoom> {
        let payload_bytes: usize = payload.iter().map(|part| part.len()).sum();
        let mut space = self.receive_here(envelope, payload_bytes)?;
        for part in payload {
            let (head, rest) = space.split_at_mut(part.len());
            head.copy_from_slice(part);
            space = rest;
        }
        Ok(self.commit_received(payload_bytes, facts))
    }

    /// Accepts a message of which nothing is stored: it is counted on the live page of the segment
    /// that is open. The count survives the process, as commits do.
    ///
    /// Costs one store; there is always room.
    #[inline]
    pub fn count_only(&mut self) -> Counted {
        self.current.count_only();
        Counted(())
    }

    /// At the end of a loop round, and when the worker goes idle: publishes front positions to
    /// provisioning if it must move the window, asks for a flush where commits wait for one. Cheap
    /// when there is nothing to do.
    pub fn round_done(&mut self) {
        self.flush_what_waits();
        if !self.left.is_empty() {
            self.seal_left();
        }
        while let Some(request) = self.outbox.pop_front() {
            if let Err(TrySendError::Full(request)) = self.requests.try_send(request) {
                self.outbox.push_front(request);
                return;
            }
        }
        self.poke_if_low();
    }

    /// Asks the flusher for whatever a commit waits for: one flush for all of a round.
    fn flush_what_waits(&mut self) {
        if self.settings.durability == Durability::Process {
            return;
        }
        for segment in self.left.iter_mut().chain([&mut self.current]) {
            segment.settle();
            if let Some(flushed) = segment.begin_flush() {
                let (mapping, gate) = (segment.door.mapping(), self.gate.clone());
                self.flushes += 1;
                // The thread outlives all writers.
                drop(self.flusher.send(FlushJob::Segment { mapping, flushed, gate }));
            }
        }
    }

    /// Flushes asked for so far (durability `message`).
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Seals what this worker has open. All reservations must be gone, and no commit may wait.
    pub fn close(mut self) {
        self.received = None;
        assert_eq!((self.region_bytes, self.own_open), (0, 0), "reservations are gone");
        let flush = self.settings.flush.clone();
        for segment in self.left.iter_mut().chain([&mut self.current]) {
            // Only notes can be left. Blocking is right here: the worker has stopped.
            segment.flush_rest(&flush);
            assert!(segment.is_done(), "reservations are gone, and no commit waits");
        }
        self.seal_left();
        let Writer { worker, requests, current, outbox, .. } = self;
        let last = [Request::Seal(Box::new(current.leave())), Request::Closed { worker }];
        for request in outbox.into_iter().chain(last) {
            // Blocking is right here: the worker has stopped. An error means that the log was
            // closed first; recovery seals the segment then.
            if requests.send(request).is_err() {
                return;
            }
        }
    }

    /// Makes `bytes` octets fit at the tail. Cold: the caller found that they don't.
    #[cold]
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<(), NoRoom> {
        loop {
            match self.current.fit(bytes) {
                Fit::Yes => return Ok(()),
                Fit::NotYet => return self.wait_for_window(bytes),
                Fit::Never => self.roll(bytes)?,
            }
        }
    }

    fn wait_for_window(&mut self, bytes: u64) -> Result<(), NoRoom> {
        self.current.demand(bytes);
        self.gate.wait();
        self.poke();
        if self.current.fit(bytes) == Fit::Yes {
            self.gate.go_on();
            return Ok(());
        }
        Err(self.no_room(self.current.window.marks.full.load(Relaxed)))
    }

    /// Goes on in the next segment, which should hold `bytes`.
    fn roll(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let next = match self.next.try_recv() {
            Ok(next) => next,
            Err(_) => {
                self.gate.need.store(bytes, Relaxed);
                self.gate.wait();
                self.poke();
                let Ok(next) = self.next.try_recv() else {
                    return Err(self.no_room(self.gate.full.load(Acquire)));
                };
                self.gate.go_on();
                next
            }
        };
        // Partner: provisioning loads both after the fence in `Gate::attend`.
        self.gate.need.store(0, Relaxed);
        self.gate.taken.fetch_add(1, Relaxed);
        let old = std::mem::replace(&mut self.current, next);
        if old.is_done() {
            self.send(Request::Seal(Box::new(old.leave())));
        } else {
            self.last_left = Some(old.number);
            self.left.push(old);
        }
        self.poke();
        Ok(())
    }

    /// Seals those segments in which nothing is open any more.
    pub(super) fn seal_left(&mut self) {
        while let Some(i) = self.left.iter().position(OpenSegment::is_done) {
            let left = self.left.swap_remove(i).leave();
            self.send(Request::Seal(Box::new(left)));
        }
    }

    fn no_room(&self, full: bool) -> NoRoom {
        if full { NoRoom::Full } else { NoRoom::Wait }
    }

    #[inline]
    pub(super) fn poke_if_low(&mut self) {
        if self.current.window_is_low() {
            self.poke();
        }
    }

    /// Asks provisioning to look at this worker, unless it is about to.
    pub(super) fn poke(&mut self) {
        if self.gate.poke() {
            self.send(Request::Attend { worker: self.worker });
        }
    }

    /// Never blocks: what the channel has no room for goes with the end of the round.
    pub(super) fn send(&mut self, request: Request) {
        match self.requests.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => self.outbox.push_back(request),
            // The log was closed before its writers; recovery seals what this one leaves.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    pub(super) fn committed(id: MessageId) -> Committed {
        Committed { id }
    }
}

/// Lengths in a slot are 32 bits; callers stay below by their limits.
pub(super) fn octets(len: usize) -> u32 {
    u32::try_from(len).expect("lengths in a slot are below 4 GiB")
}
