//! A worker's link to the threads that do for it what takes a system call.
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use super::commit::NoRoom;
use crate::log::exchange::{FlushJob, Flushed, Gate, Request};
use crate::log::files::map::Mapping;

/// A worker's link to provisioning and to the flusher.
#[derive(Debug)]
pub(crate) struct Link {
    pub worker: u32,
    gate: Arc<Gate>,
    requests: Sender<Request>,
    /// Requests that found the channel full; sent again at the end of the round.
    outbox: VecDeque<Request>,
    /// Unbounded, but never more than one request for each segment.
    flusher: Sender<FlushJob>,
    flushes: u64,
}

impl Link {
    pub(crate) fn new(
        worker: u32,
        gate: Arc<Gate>,
        requests: Sender<Request>,
        flusher: Sender<FlushJob>,
    ) -> Link {
        Link { worker, gate, requests, outbox: VecDeque::new(), flusher, flushes: 0 }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Asks provisioning to look at this worker, unless it is about to.
    pub(super) fn poke(&mut self) {
        if self.gate.poke() {
            self.send(Request::Attend { worker: self.worker });
        }
    }

    /// Looks once more for what provisioning may have made meanwhile: `found` says whether it is
    /// there. If it is not, the worker is woken when it may be. If it is, the worker may be woken
    /// for nothing: other connections of it may wait, so what they asked for is not taken back.
    pub(super) fn look_again<T>(
        &mut self,
        found: impl FnOnce() -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        self.gate.wait();
        self.poke();
        found()
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

    /// Sends what waits, as far as there is room; returns whether all of it has gone.
    pub(super) fn send_waiting(&mut self) -> bool {
        while let Some(request) = self.outbox.pop_front() {
            if let Err(TrySendError::Full(request)) = self.requests.try_send(request) {
                self.outbox.push_front(request);
                return false;
            }
        }
        true
    }

    /// Asks for a flush of all that was written to `mapping` until now.
    pub(super) fn flush(&mut self, mapping: Arc<Mapping>, flushed: Arc<Flushed>) {
        self.flushes += 1;
        // The thread outlives all writers.
        drop(self.flusher.send(FlushJob::Segment { mapping, flushed, gate: self.gate.clone() }));
    }

    /// Flushes asked for so far.
    pub(super) fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Sends all that waits, and `last`. Blocking is right here: the worker has stopped.
    pub(super) fn close(self, last: Request) {
        let Link { worker, requests, outbox, .. } = self;
        for request in outbox.into_iter().chain([last, Request::Closed { worker }]) {
            // An error means that the log was closed first; recovery seals the segment then.
            if requests.send(request).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_look_that_finds_room_leaves_others_of_its_worker_waiting() {
        let woken = Arc::new(AtomicU32::new(0));
        let counted = woken.clone();
        let wake = Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed));
        let gate = Arc::new(Gate::new(wake));
        let (requests, _asked) = crossbeam_channel::bounded(4);
        let (flusher, _jobs) = crossbeam_channel::unbounded();
        let mut link = Link::new(0, gate.clone(), requests, flusher);
        // One connection waits for a flush; then another one finds room at the second look.
        gate.wait();
        assert_eq!(link.look_again(|| Ok(7)), Ok(7));
        gate.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        // Nothing waits now, so nothing is woken.
        gate.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
