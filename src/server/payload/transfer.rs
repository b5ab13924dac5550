//! A payload in progress: one value from 354, or the first BDAT, to the final reply.
use crate::log::PendingCommit;
use crate::smtp::session::Refusal;

use super::fate::Fate;
use super::framing::Framing;
use super::place::PayloadPlace;
use super::sampling::Draw;
use super::storage::Storage;

/// Lives in a box that its worker uses again, so that a message costs no allocation.
#[derive(Debug)]
pub struct Transfer {
    pub framing: Framing,
    pub fate: Fate,
    pub place: PayloadPlace,
    /// Octets that have come, end of data included; with BDAT, the sum over all chunks.
    pub wire_bytes: u64,
    /// Stuffed dots among them.
    pub dots: u32,
    /// One read brought all of it.
    pub came_at_once: bool,
    /// The right to commit was taken (`--stop-after-messages`).
    pub has_ticket: bool,
    /// The sampling that the message takes part in.
    pub draw: Option<Draw>,
    /// The commit that has begun, and waits for a flush or for an own segment.
    pub pending: Option<PendingCommit>,
    /// When its time on the network began, us of the worker's clock: when the first octet came,
    /// or later by all the time in which it waited for us (`recording/turns.rs` moves it).
    pub first_us: u64,
    /// When the commit began, us of the worker's clock, if it had to wait.
    pub pending_since_us: Option<u64>,
    /// The time in its slot, Unix ns, if the commit had to wait.
    pub pending_received_ns: Option<u64>,
    /// Since when there has been no room in the log, us of the worker's clock.
    pub parked_since_us: Option<u64>,
}

impl Transfer {
    pub fn new() -> Transfer {
        Transfer {
            framing: Framing::data(),
            fate: Fate::Keep,
            place: PayloadPlace::new(),
            wire_bytes: 0,
            dots: 0,
            came_at_once: false,
            has_ticket: false,
            draw: None,
            pending: None,
            first_us: 0,
            pending_since_us: None,
            pending_received_ns: None,
            parked_since_us: None,
        }
    }

    /// From here on what comes is thrown away, and the final reply is `why`.
    #[cold]
    pub fn refuse(&mut self, why: Refusal, storage: &mut Storage) {
        self.place.release(storage);
        self.fate = Fate::Refused(why);
    }

    /// Latches a refusal if more has come than `max` octets of a message could need.
    #[inline]
    pub fn refuse_if_beyond(&mut self, max: u64, storage: &mut Storage) {
        let end_bytes = self.framing.end_bytes() as u64;
        let is_beyond = self.wire_bytes - u64::from(self.dots) > max + end_bytes;
        if is_beyond && !matches!(self.fate, Fate::Refused(_)) {
            self.refuse(Refusal::TooLarge, storage);
        }
    }

    /// Octets of the payload, once it is whole.
    #[inline]
    pub fn payload_bytes(&self) -> u64 {
        self.wire_bytes - self.framing.end_bytes() as u64
    }

    /// Octets of the message (RFC 1870: without stuffed dots), once it is whole.
    #[inline]
    pub fn message_bytes(&self) -> u64 {
        self.payload_bytes() - u64::from(self.dots)
    }

    /// Octets of the payload that are stored, once it is whole.
    #[inline]
    pub fn stored_bytes(&self) -> u64 {
        match &self.fate {
            Fate::Keep => self.payload_bytes(),
            // Without an empty line all of it is headers, and the end of data came with them.
            Fate::Headers(section) => section.kept_bytes.min(self.payload_bytes()),
            Fate::Envelope | Fate::Count | Fate::Refused(_) => 0,
        }
    }

    /// Stuffed dots among them.
    #[inline]
    pub fn stored_dots(&self) -> u32 {
        match &self.fate {
            Fate::Keep => self.dots,
            Fate::Headers(section) => section.kept_dots,
            Fate::Envelope | Fate::Count | Fate::Refused(_) => 0,
        }
    }
}
