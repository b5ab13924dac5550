//! The flusher thread of the durabilities `message` and `interval`, so that no event loop waits for
//! a disk.
//!
//! `message`: at the end of a round, a worker requests one flush of everything it has written to
//! its segment. What it writes during the flush waits for the next one, so the slower the disk, the
//! more messages share a flush. `interval`: the thread checks the live pages on its own.
//!
//! A failed flush is final for its segment: the kernel has dropped what it could not write, and a
//! second flush that succeeds would not change that.
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::log::exchange::{
    DedicatedEvent, DedicatedFlush, DedicatedFlushed, FlushJob, Flushed, Gate, ProvisionRequest,
    SyncJob,
};
use crate::log::files::flush_call::FlushCall;
use crate::log::files::map::Mapping;
use crate::log::format::{COUNTED_WORD, PUBLISHED_WORD, Published};

/// A segment that is flushed at intervals.
struct WatchedSegment {
    number: u32,
    mapping: Arc<Mapping>,
    flushed: Arc<Flushed>,
    /// The words `published` and `counted` at its last successful flush.
    safe: [u64; 2],
}

/// The thread's state.
pub(crate) struct Flusher {
    call: FlushCall,
    /// Time between flushes under `Durability::Interval`; `None` under the other durabilities.
    interval: Option<Duration>,
    /// The sync thread, which marks dedicated segments as flushed.
    sync: Sender<SyncJob>,
    /// Sends provisioning the outcome for each dedicated segment. Provisioning never waits for this
    /// thread.
    requests: Sender<ProvisionRequest>,
    watched: Vec<WatchedSegment>,
}

impl Flusher {
    pub(crate) fn new(
        call: FlushCall,
        interval: Option<Duration>,
        sync: Sender<SyncJob>,
        requests: Sender<ProvisionRequest>,
    ) -> Flusher {
        Flusher { call, interval, sync, requests, watched: Vec::new() }
    }

    /// Serves jobs until `Stop`.
    pub(crate) fn run(mut self, jobs: &Receiver<FlushJob>) {
        let mut due = self.next_due(Instant::now());
        loop {
            let job = match due {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => jobs.recv_deadline(due),
            };
            let now = Instant::now();
            match job {
                Ok(job) => {
                    if self.serve(job, now).is_break() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if due.is_some_and(|due| due <= now) {
                self.flush_changed();
                due = self.next_due(now);
            }
        }
    }

    /// Does one job. Breaks if the job ends the thread.
    pub(crate) fn serve(&mut self, job: FlushJob, now: Instant) -> ControlFlow<()> {
        match job {
            FlushJob::Segment { mapping, flushed, gate } => {
                self.flush_for(&mapping, &flushed, &gate);
            }
            FlushJob::Dedicated(dedicated) => self.flush_dedicated(dedicated, now),
            FlushJob::Watch { number, mapping, flushed } => {
                self.watched.push(WatchedSegment { number, mapping, flushed, safe: [0; 2] });
            }
            FlushJob::Forget { number } => self.watched.retain(|w| w.number != number),
            FlushJob::Stop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// Flushes the changed segments after an interval.
    pub(crate) fn flush_changed(&mut self) {
        self.watched.retain_mut(|watched| flush_watched(&self.call, watched));
    }

    /// Returns when the next interval ends; `None`: never, including an interval that ends beyond
    /// the range of the clock.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        self.interval.and_then(|interval| now.checked_add(interval))
    }

    fn flush_for(&self, mapping: &Mapping, flushed: &Flushed, gate: &Gate) {
        match self.call.flush(mapping.file()) {
            Ok(()) => flushed.succeed(),
            Err(e) => {
                tracing::error!(error = %e, "a flush failed: its messages are refused");
                flushed.fail(0);
            }
        }
        gate.wake();
    }

    fn flush_dedicated(&self, dedicated: DedicatedFlush, now: Instant) {
        let outcome = self
            .call
            .flush(dedicated.mapping.file())
            .and_then(|()| std::fs::rename(&dedicated.part, &dedicated.path))
            .and_then(|()| self.call.flush_name(&dedicated.path));
        let number = dedicated.id.segment;
        let (event, outcome) = match outcome {
            Ok(()) => {
                let path = dedicated.path.clone();
                drop(self.sync.send(SyncJob::Segment { number, path, due: now }));
                (DedicatedEvent::Committed(dedicated.id), DedicatedFlushed::Named)
            }
            Err(e) => {
                tracing::error!(error = %e, "a flush failed: a large message is refused");
                // The file has one of the two names; recovery deletes a `.part` that remains.
                drop(std::fs::remove_file(&dedicated.part));
                drop(std::fs::remove_file(&dedicated.path));
                (DedicatedEvent::Failed, DedicatedFlushed::Gone)
            }
        };
        // An error means that provisioning has ended; the next start then finds the file.
        drop(self.requests.send(ProvisionRequest::DedicatedFlushed { number, outcome }));
        // The channel has room for both events of a dedicated segment.
        drop(dedicated.events.send(event));
        dedicated.gate.wake();
    }
}

/// Flushes a segment if it has changed. Returns false if that failed, which is final.
fn flush_watched(call: &FlushCall, watched: &mut WatchedSegment) -> bool {
    let live = watched.mapping.live();
    // Partner: the release store in `OpenSegment::publish`. Everything published before this load
    // is in the page cache when the flush begins.
    let now = [PUBLISHED_WORD, COUNTED_WORD].map(|word| u64::from_le(live[word].load(Acquire)));
    if now == watched.safe {
        return true;
    }
    if let Err(e) = call.flush(watched.mapping.file()) {
        let segment = watched.number;
        tracing::error!(segment, error = %e, "a flush failed: the segment is suspect");
        watched.flushed.fail(Published::from_word(watched.safe[0]).slots);
        return false;
    }
    watched.safe = now;
    true
}
