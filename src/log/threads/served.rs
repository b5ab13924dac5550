//! Provisioning's view of a worker: its segments, its dedicated segments, and how fast it writes.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::ahead::{SegmentAhead, WriteRate};
use super::dedicated_file::{DedicatedFile, Provisioned};
use super::maker::Maker;
use crate::log::exchange::{Asked, Gate, NewWorker, OpenedSegment, PreparedSegment};
use crate::log::format::{PAGE_BYTES, RECORDS_AT, SLOT_BYTES};

/// How often a refused allocation is retried while a worker needs it: often enough that mail flows
/// again soon after space was made, rarely enough to cost nothing.
pub(super) const RETRY: Duration = Duration::from_millis(500);

/// Provisioning's view of a worker.
pub(super) struct ServedWorker {
    id: u32,
    pub gate: Arc<Gate>,
    next: Sender<PreparedSegment>,
    /// The segment that the worker writes to.
    current: SegmentAhead,
    /// The next segment.
    prepared: Option<SegmentAhead>,
    /// Number of prepared segments that the worker has taken.
    taken: u32,
    /// Length of the next segment, if space allows.
    next_bytes: u64,
    rate: WriteRate,
    dedicated: Vec<DedicatedFile>,
    /// Storage refused another segment; it is not asked again before this time.
    refused_until: Option<Instant>,
}

/// Work that remains after attending to a worker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PendingWork {
    /// When to retry what storage refused.
    pub retry_at: Option<Instant>,
    /// Whether large messages of this worker need further steps.
    pub is_unfinished: bool,
}

impl PendingWork {
    fn refused(&mut self, at: Instant) {
        self.retry_at = Some(self.retry_at.map_or(at, |known| known.min(at)));
    }
}

impl ServedWorker {
    /// Creates the first segment, and sends it as the answer.
    pub(super) fn open(new: NewWorker, maker: &mut Maker) -> Option<ServedWorker> {
        let NewWorker { worker, gate, next, answer } = new;
        let first = maker.settings.segment_bytes_first;
        maker.workers += 1;
        let rate = WriteRate::new(maker.now());
        let (opened, served): (OpenedSegment, _) = match maker.prepare(worker, first, first, &rate)
        {
            Ok((current, parts)) => {
                let served = ServedWorker {
                    id: worker,
                    gate,
                    next,
                    current,
                    prepared: None,
                    taken: 0,
                    next_bytes: maker.doubled(first),
                    rate,
                    dedicated: Vec::new(),
                    refused_until: None,
                };
                (Ok(Box::new(parts)), Some(served))
            }
            Err(e) => {
                maker.workers -= 1;
                (Err(e), None)
            }
        };
        // The caller waits in `Log::writer`; if it is gone, the answer is lost.
        drop(answer.send(opened));
        served
    }

    /// Serves everything that the worker may need, and wakes it if there is something new.
    pub(super) fn serve(&mut self, maker: &mut Maker) -> PendingWork {
        let mut rest = PendingWork::default();
        let Asked { record_bytes, taken } = self.gate.acknowledge();
        self.follow(taken);
        if self.move_window(maker.now()).is_err() {
            rest.refused(maker.now() + RETRY);
        }
        let is_needed = record_bytes.is_some() || self.current.is_populated();
        if self.prepared.is_none() && is_needed {
            self.prepare_next(maker, record_bytes, &mut rest);
        }
        for dedicated in &mut self.dedicated {
            match dedicated.grow(maker) {
                Ok(Provisioned::Full) => {}
                Ok(Provisioned::Short) => rest.is_unfinished = true,
                Err(_) => rest.refused(maker.now() + RETRY),
            }
            self.gate.wake();
        }
        rest
    }

    /// Continues in the prepared segment if the worker has taken it. The worker has taken `taken`
    /// segments so far.
    fn follow(&mut self, taken: u32) {
        if taken != self.taken
            && let Some(prepared) = self.prepared.take()
        {
            self.taken = taken;
            self.rate.rolled(&self.current, &prepared);
            self.current = prepared;
        }
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
        let was_full = self.current.window.ahead.is_full.swap(outcome.is_err(), Relaxed);
        if let Err(e) = &outcome {
            if !was_full {
                let segment = self.current.number;
                tracing::warn!(segment, error = %e, "could not pre-fault pages of a segment");
            }
            gate.wake();
        }
        outcome
    }

    fn prepare_next(
        &mut self,
        maker: &mut Maker,
        record_bytes: Option<u64>,
        rest: &mut PendingWork,
    ) {
        let (id, now) = (self.id, maker.now());
        if let Some(at) = self.refused_until.filter(|at| now < *at) {
            // Called between two retries.
            return rest.refused(at);
        }
        let was_full = self.refused_until.take().is_some();
        let least = maker.settings.segment_bytes_first.max(file_bytes(record_bytes.unwrap_or(0)));
        match maker.prepare(id, least, self.next_bytes.max(least), &self.rate) {
            Ok((prepared, parts)) => {
                self.next_bytes = maker.doubled(self.next_bytes);
                self.prepared = Some(prepared);
                // There is room for one segment, because the last one was taken. An error means
                // that the worker is gone.
                drop(self.next.try_send(parts));
                self.gate.signal_room();
                if was_full {
                    tracing::info!(worker = id, "the disk has room again");
                }
            }
            Err(e) => {
                self.gate.signal_full();
                self.refused_until = Some(now + RETRY);
                rest.refused(now + RETRY);
                if !was_full {
                    tracing::warn!(worker = id, error = %e, "no room for another segment");
                }
            }
        }
        self.gate.wake();
    }

    /// Creates the file of a dedicated segment. Returns whether it needs a further step.
    pub(super) fn open_dedicated(
        &mut self,
        mut dedicated: DedicatedFile,
        maker: &mut Maker,
    ) -> Provisioned {
        let reach = match dedicated.grow(maker) {
            Ok(reach) => {
                self.dedicated.push(dedicated);
                reach
            }
            Err(e) => {
                dedicated.fail(maker, &e);
                Provisioned::Full
            }
        };
        self.gate.wake();
        reach
    }

    /// Removes and returns the dedicated segment with this key.
    pub(super) fn take_dedicated(&mut self, key: u64) -> Option<DedicatedFile> {
        let at = self.dedicated.iter().position(|dedicated| dedicated.key == key)?;
        Some(self.dedicated.swap_remove(at))
    }

    /// Ends serving a worker that has stopped.
    pub(super) fn close(mut self, maker: &mut Maker) {
        maker.workers -= 1;
        let asked = self.gate.acknowledge();
        self.follow(asked.taken);
        for dedicated in self.dedicated {
            dedicated.abandon(maker);
        }
        if let Some(prepared) = self.prepared {
            maker.forget(prepared.number);
        }
    }
}

/// Returns the length of a segment that can hold a record of `record` octets.
fn file_bytes(record: u64) -> u64 {
    (RECORDS_AT + record + 8 + SLOT_BYTES).next_multiple_of(PAGE_BYTES)
}
