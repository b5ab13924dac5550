//! A worker's link to the threads that make system calls for it.
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use super::commit::NoRoom;
use crate::log::exchange::{FlushJob, Flushed, Gate, ProvisionRequest, Unannounced};
use crate::log::files::map::Mapping;

/// A worker's link to provisioning and to the flusher.
#[derive(Debug)]
pub(crate) struct Link {
    pub worker: u32,
    gate: Arc<Gate>,
    requests: Sender<ProvisionRequest>,
    /// Requests that did not fit in the channel; sent again at the end of the round.
    outbox: VecDeque<ProvisionRequest>,
    /// Unbounded, but holds at most one request of a worker per segment.
    flusher: Sender<FlushJob>,
    flushes: u64,
}

impl Link {
    pub(crate) fn new(
        worker: u32,
        gate: Arc<Gate>,
        requests: Sender<ProvisionRequest>,
        flusher: Sender<FlushJob>,
    ) -> Link {
        Link { worker, gate, requests, outbox: VecDeque::new(), flusher, flushes: 0 }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Asks provisioning to attend to this worker, unless such a request is already pending.
    pub(super) fn notify(&mut self) {
        if self.gate.notify() {
            self.send(ProvisionRequest::Serve { worker: self.worker });
        }
    }

    /// Announces what was stored in the gate.
    pub(super) fn notify_of(&mut self, stored: Unannounced) {
        if self.gate.notify_of(stored) {
            self.send(ProvisionRequest::Serve { worker: self.worker });
        }
    }

    /// Requests a segment that can hold a record of `bytes` octets, and tries `found` as
    /// [`Link::announce_and_retry`] does.
    pub(super) fn request_segment<T>(
        &mut self,
        bytes: u64,
        found: impl FnOnce() -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        let request = self.gate.request_segment(bytes);
        self.gate.wait();
        self.notify_of(request);
        found()
    }

    /// Tries `found` again after announcing that the worker waits, because provisioning may have
    /// made progress in between. If it fails, the worker is woken when there may be room. If it
    /// succeeds, the worker may be woken needlessly: the announcement is not withdrawn, since other
    /// connections may need it.
    pub(super) fn announce_and_retry<T>(
        &mut self,
        found: impl FnOnce() -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        self.gate.wait();
        self.notify();
        found()
    }

    /// Sends a request without blocking. If the channel is full, the request is sent at the end of
    /// the round.
    pub(super) fn send(&mut self, request: ProvisionRequest) {
        match self.requests.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => self.outbox.push_back(request),
            // The log was closed before its writers; recovery seals this writer's segments.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Sends the waiting requests until the channel is full; returns whether all were sent.
    pub(super) fn send_waiting(&mut self) -> bool {
        while let Some(request) = self.outbox.pop_front() {
            if let Err(TrySendError::Full(request)) = self.requests.try_send(request) {
                self.outbox.push_front(request);
                return false;
            }
        }
        true
    }

    /// Requests a flush of everything written to `mapping` so far.
    pub(super) fn flush(&mut self, mapping: Arc<Mapping>, flushed: Arc<Flushed>) {
        self.flushes += 1;
        // The thread outlives all writers.
        drop(self.flusher.send(FlushJob::Segment { mapping, flushed, gate: self.gate.clone() }));
    }

    /// Number of flushes requested so far.
    pub(super) fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Sends all waiting requests, then `last`. Blocks, which is fine because the worker has
    /// stopped.
    pub(super) fn close(self, last: ProvisionRequest) {
        let Link { worker, requests, outbox, .. } = self;
        for request in outbox.into_iter().chain([last, ProvisionRequest::Closed { worker }]) {
            // An error means that the log was closed first; recovery then seals the segment.
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
    fn finding_room_does_not_cancel_the_wake_of_other_connections() {
        let woken = Arc::new(AtomicU32::new(0));
        let counted = woken.clone();
        let wake = Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed));
        let gate = Arc::new(Gate::new(wake));
        let (requests, _asked) = crossbeam_channel::bounded(4);
        let (flusher, _jobs) = crossbeam_channel::unbounded();
        let mut link = Link::new(0, gate.clone(), requests, flusher);
        // One connection waits for a flush; then another one succeeds at its second try.
        gate.wait();
        assert_eq!(link.announce_and_retry(|| Ok(7)), Ok(7));
        gate.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        // No connection waits now, so none is woken.
        gate.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
