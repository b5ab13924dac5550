//! The worker's side of a dedicated segment: a file of one large record, invisible to readers until
//! it is complete.
//!
//! Provisioning opens, grows, cuts and renames the file; the worker only fills it. They communicate
//! through events, a [`DedicatedWindow`], and the marks of the map.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::commit::{NoRoom, PendingDedicated};
use super::link::Link;
use crate::log::exchange::{
    DEDICATED_EVENTS_MAX, DEDICATED_WINDOW_BYTES, DedicatedCommit, DedicatedEvent, DedicatedWindow,
    NewDedicated, ProvisionRequest,
};
use crate::log::files::map::WriteAccess;
use crate::log::format::{Crc, RECORDS_AT, SlotFacts};

/// A dedicated segment being filled.
#[derive(Debug)]
pub(crate) struct OpenDedicatedSegment {
    /// Identifies the segment in messages between worker and provisioning.
    key: u64,
    window: Arc<DedicatedWindow>,
    events: Receiver<DedicatedEvent>,
    state: DedicatedState,
}

/// Whether the segment's file is open.
#[derive(Debug)]
enum DedicatedState {
    /// The file was requested. The envelope is written once it is open.
    Opening {
        envelope: Vec<u8>,
    },
    Open(WriteAccess),
}

/// The properties of a record at its commit, in addition to its facts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub envelope_bytes: u32,
    pub payload_bytes: u32,
    /// The checksum; `None`: it must be computed again.
    pub record_crc: Option<u32>,
}

impl OpenDedicatedSegment {
    /// Returns the number of usable octets from `start` on, at least `least`. Errors: `Wait`;
    /// `Full`, also if the file could not be created.
    fn ready(&mut self, start: u64, least: u64) -> Result<u64, NoRoom> {
        let ready = self.open()?.usable().front.saturating_sub(start);
        if ready >= least {
            return Ok(ready);
        }
        self.window.demand.store(start + least, Relaxed);
        Err(if self.window.is_full.load(Relaxed) { NoRoom::Full } else { NoRoom::Wait })
    }

    fn open(&mut self) -> Result<&mut WriteAccess, NoRoom> {
        if let DedicatedState::Opening { envelope } = &self.state {
            match self.events.try_recv() {
                Ok(DedicatedEvent::Opened(mut access)) => {
                    access.write(RECORDS_AT, envelope.len()).copy_from_slice(envelope);
                    self.state = DedicatedState::Open(access);
                }
                Err(TryRecvError::Empty) => return Err(NoRoom::Wait),
                Ok(_) | Err(TryRecvError::Disconnected) => return Err(NoRoom::Full),
            }
        }
        match &mut self.state {
            DedicatedState::Open(access) => Ok(access),
            DedicatedState::Opening { .. } => Err(NoRoom::Wait),
        }
    }

    /// Returns the free octets from `start` on, at most `most`. Errors: `Wait`, `Full`.
    pub(super) fn space(
        &mut self,
        link: &mut Link,
        start: u64,
        most: u64,
    ) -> Result<&mut [u8], NoRoom> {
        let ready = self.wait_for(link, start, most.min(1))?.min(most);
        Ok(self.open()?.write(start, ready as usize))
    }

    /// Writes `record`, the part that has arrived, to the start of the records. Errors: `Wait`,
    /// `Full`.
    pub(super) fn fill(&mut self, link: &mut Link, record: &[u8]) -> Result<(), NoRoom> {
        self.wait_for(link, RECORDS_AT, record.len() as u64)?;
        self.open()?.write(RECORDS_AT, record.len()).copy_from_slice(record);
        Ok(())
    }

    fn wait_for(&mut self, link: &mut Link, start: u64, least: u64) -> Result<u64, NoRoom> {
        match self.ready(start, least) {
            Ok(ready) => Ok(ready),
            Err(_) => link.announce_and_retry(|| self.ready(start, least)),
        }
    }

    /// Returns the octets `start..start + len`; `None`: the file is not open yet, and provisioning
    /// will write the envelope, the only content.
    pub(super) fn read(&self, start: u64, len: usize) -> Option<&[u8]> {
        match &self.state {
            DedicatedState::Open(access) => Some(access.read(start, len)),
            DedicatedState::Opening { .. } => None,
        }
    }

    /// Stores how far the record is filled. Returns whether less than half of the window is left,
    /// and the record is expected to need more.
    pub(super) fn filled_to(&self, end: u64) -> bool {
        self.window.filled_to.store(end, Relaxed);
        let usable = match &self.state {
            DedicatedState::Open(access) => access.usable().front,
            DedicatedState::Opening { .. } => 0,
        };
        usable < (end + DEDICATED_WINDOW_BYTES / 2).min(self.window.expected_end.load(Relaxed))
    }

    /// Sets the expected length of the payload.
    pub(super) fn expect(&self, envelope_bytes: u32, payload_bytes: u64) {
        let end = RECORDS_AT + u64::from(envelope_bytes) + payload_bytes;
        self.window.expected_end.store(end, Relaxed);
    }

    /// Requests that the file be cut and renamed. The returned commit receives the outcome later.
    pub(super) fn commit(
        self,
        link: &mut Link,
        ending: Ending,
        facts: &SlotFacts,
    ) -> PendingDedicated {
        let (access, unwritten) = match self.state {
            DedicatedState::Open(access) => (Some(access), Vec::new()),
            DedicatedState::Opening { envelope } => (None, envelope),
        };
        let commit = DedicatedCommit {
            key: self.key,
            access,
            unwritten,
            envelope_bytes: ending.envelope_bytes,
            payload_bytes: ending.payload_bytes,
            record_crc: ending.record_crc,
            facts: *facts,
        };
        link.gate().wait();
        link.send(ProvisionRequest::DedicatedCommit { worker: link.worker, commit });
        PendingDedicated::new(self.events)
    }
}

/// A worker's budget of dedicated segments.
#[derive(Debug)]
pub(crate) struct DedicatedSegments {
    /// Number of dedicated segments that are open or being committed.
    open: usize,
    open_max: usize,
    /// The key of the most recent segment.
    key: u64,
}

impl DedicatedSegments {
    pub(crate) fn new(open_max: usize) -> DedicatedSegments {
        DedicatedSegments { open: 0, open_max, key: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Requests a file. Errors: `Budget`.
    pub(super) fn open(
        &mut self,
        link: &mut Link,
        envelope: Vec<u8>,
        payload_bytes: u64,
    ) -> Result<OpenDedicatedSegment, NoRoom> {
        if self.open >= self.open_max {
            return Err(NoRoom::Budget);
        }
        self.open += 1;
        self.key += 1;
        let (sender, events) = bounded(DEDICATED_EVENTS_MAX);
        let window = Arc::new(DedicatedWindow::default());
        let start = RECORDS_AT + envelope.len() as u64;
        window.filled_to.store(start, Relaxed);
        window.expected_end.store(start + payload_bytes, Relaxed);
        let envelope_bytes = envelope.len() as u64;
        let (key, worker) = (self.key, link.worker);
        let dedicated =
            NewDedicated { key, window: window.clone(), events: sender, envelope_bytes };
        link.send(ProvisionRequest::DedicatedOpen { worker, dedicated });
        Ok(OpenDedicatedSegment {
            key,
            window,
            events,
            state: DedicatedState::Opening { envelope },
        })
    }

    /// Releases the segment of a transfer that ended early, or that continues elsewhere.
    pub(super) fn release(&mut self, link: &mut Link, dedicated: OpenDedicatedSegment) {
        self.open -= 1;
        let access = match dedicated.state {
            DedicatedState::Open(access) => Some(access),
            DedicatedState::Opening { .. } => None,
        };
        link.send(ProvisionRequest::DedicatedDrop {
            worker: link.worker,
            key: dedicated.key,
            access,
        });
    }

    /// Frees a share of the budget after a commit has ended, successfully or not.
    pub(super) fn release_budget(&mut self) {
        self.open -= 1;
    }
}

/// The running checksum of a record. It is updated while the octets are still in the cache, but not
/// up to the last ones filled, because those after the end of data are not part of the record.
#[derive(Debug)]
pub(super) struct Running {
    crc: Crc,
    /// Number of octets of the record that `crc` covers.
    pub covered: u64,
}

/// How far the running checksum lags: enough for the end of data and what
/// a client pipelines after it. If more than this is not part of the record, the checksum is
/// computed again from the start, which is slow but correct.
pub(super) const CRC_LAG_BYTES: u64 = 4096;

impl Running {
    pub(super) fn new() -> Running {
        Running { crc: Crc::new(), covered: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.covered += bytes.len() as u64;
    }

    pub(super) fn value(&self) -> u32 {
        self.crc.value()
    }
}
