//! The worker's side of an own segment: a file of one large record, built unseen.
//!
//! Provisioning opens, grows, cuts and renames the file; the worker only fills it. What they say
//! to each other goes through `events` and through the marks of a [`Window`].
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::format::{Crc, Facts, RECORDS_AT};
use super::id::MessageId;
use super::map::Door;
use super::provision::Request;
use super::window::Window;
use super::writer::NoRoom;

/// How far ahead of the filled octets an own segment is kept ready: two windows of 10 ms each at
/// 800 MB/s, a fast single sender; its transfer is parked when it is faster.
pub(crate) const OWN_WINDOW_BYTES: u64 = 16 << 20;

/// What provisioning says about an own segment.
#[derive(Debug)]
pub(crate) enum OwnEvent {
    Opened(Door),
    Committed(MessageId),
    Failed,
}

/// What is needed to finish the file; the slot's index is 0.
#[derive(Debug)]
pub(crate) struct OwnCommit {
    pub key: u64,
    /// Handed over so that the map goes where no event loop waits; `None`: never taken.
    pub door: Option<Door>,
    pub envelope_bytes: u32,
    pub payload_bytes: u32,
    /// `None`: more had been taken into it than is committed, so it must be computed again.
    pub record_crc: Option<u32>,
    pub facts: Facts,
}

/// An own segment being filled.
#[derive(Debug)]
pub(crate) struct Own {
    /// Names it between worker and provisioning.
    pub key: u64,
    pub window: Arc<Window>,
    pub events: Receiver<OwnEvent>,
    door: Option<Door>,
    /// Written when the file is open.
    envelope: Vec<u8>,
}

impl Own {
    /// Gives the worker's half, and the request that makes provisioning open the other one.
    pub(crate) fn new(
        worker: u32,
        key: u64,
        envelope: Vec<u8>,
        payload_bytes: u64,
    ) -> (Own, Request) {
        // Two events at most: opened; committed or failed.
        let (events, receiver): (Sender<OwnEvent>, _) = bounded(2);
        let window = Arc::new(Window::default());
        let start = RECORDS_AT + envelope.len() as u64;
        window.fronts.end.store(start, Relaxed);
        window.fronts.slots.store(start + payload_bytes, Relaxed);
        let request = Request::OwnOpen {
            worker,
            key,
            window: window.clone(),
            events,
            envelope_bytes: envelope.len() as u64,
        };
        (Own { key, window, events: receiver, door: None, envelope }, request)
    }

    /// Is the file open? Errors: `Wait`; `Full`, it could not be created.
    pub(crate) fn open(&mut self) -> Result<&mut Door, NoRoom> {
        if self.door.is_none() {
            match self.events.try_recv() {
                Ok(OwnEvent::Opened(mut door)) => {
                    door.write(RECORDS_AT, self.envelope.len()).copy_from_slice(&self.envelope);
                    self.envelope = Vec::new();
                    self.door = Some(door);
                }
                Err(TryRecvError::Empty) => return Err(NoRoom::Wait),
                Ok(_) | Err(TryRecvError::Disconnected) => return Err(NoRoom::Full),
            }
        }
        Ok(self.door.as_mut().expect("opened above"))
    }

    /// The file, if it is open.
    pub(crate) fn door(&self) -> Option<&Door> {
        self.door.as_ref()
    }

    /// Octets ready from `start` on, at least `least`. Errors: `Wait`, `Full`.
    pub(crate) fn ready(&mut self, start: u64, least: u64) -> Result<u64, NoRoom> {
        self.open()?;
        // Partner: the release store in provision.rs.
        let ready = self.window.marks.populated.load(Acquire).saturating_sub(start);
        if ready >= least {
            return Ok(ready);
        }
        self.window.fronts.demand.store(start + least, Relaxed);
        let full = self.window.marks.full.load(Relaxed);
        Err(if full { NoRoom::Full } else { NoRoom::Wait })
    }

    /// The octets filled so far end here. `true`: less than half the window is left.
    pub(crate) fn filled_to(&self, end: u64) -> bool {
        let (fronts, marks) = (&self.window.fronts, &self.window.marks);
        fronts.end.store(end, Relaxed);
        let populated = marks.populated.load(Relaxed);
        populated < (end + OWN_WINDOW_BYTES / 2).min(fronts.slots.load(Relaxed))
    }

    /// The transfer is now expected to have `payload_bytes`.
    pub(crate) fn expect(&self, envelope_bytes: u32, payload_bytes: u64) {
        let end = RECORDS_AT + u64::from(envelope_bytes) + payload_bytes;
        self.window.fronts.slots.store(end, Relaxed);
    }

    /// The envelope, if it has not yet been written to the file.
    pub(crate) fn take_envelope(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.envelope)
    }

    pub(crate) fn take_door(&mut self) -> Option<Door> {
        self.door.take()
    }
}

/// A record's checksum, computed along with its arrival while the bytes are warm, but a little
/// behind: what is committed ends before what was filled, at the end of data.
#[derive(Debug)]
pub(crate) struct Running {
    crc: Crc,
    /// Octets of the record that `crc` covers.
    pub covered: u64,
}

/// The end of data and what a client pipelines behind it; more than that, and the checksum is
/// computed again from the start, which is slow but right.
pub(crate) const CRC_LAG_BYTES: u64 = 4096;

impl Running {
    pub(crate) fn new() -> Running {
        Running { crc: Crc::new(), covered: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.covered += bytes.len() as u64;
    }

    pub(crate) fn value(&self) -> u32 {
        self.crc.value()
    }
}
