//! A payload in progress, from 354 or the first BDAT to the final reply.
use crate::log::PendingCommit;
use crate::smtp::session::Refusal;
use crate::time::{MonotonicUs, UnixNs};

use super::fate::Fate;
use super::framing::Framing;
use super::octets::PayloadOctets;
use super::sampling::Draw;
use super::storage::Storage;

/// The commit of a payload that waits for a flush or for a dedicated segment.
#[derive(Debug)]
pub struct CommitInProgress {
    pub pending: PendingCommit,
    /// When the commit began.
    pub since_us: MonotonicUs,
    /// Time of receipt in its slot.
    pub received_at_ns: UnixNs,
}

/// A payload in progress.
///
/// Its box is reused by the worker, so that a message costs no allocation.
#[derive(Debug)]
pub struct Transfer {
    pub framing: Framing,
    pub fate: Fate,
    pub octets: PayloadOctets,
    /// Octets that have arrived, end of data included; with BDAT, the sum over all chunks.
    pub wire_bytes: u64,
    /// Stuffed dots among these octets.
    pub dots: u32,
    /// Whether one read received all of it.
    pub came_at_once: bool,
    /// Whether it has a ticket: the right to commit under `--stop-after-messages`.
    pub has_ticket: bool,
    /// The sampling decision for the message, if it was sampled.
    pub draw: Option<Draw>,
    /// `None`: no commit has begun, or it did not have to wait.
    pub commit: Option<CommitInProgress>,
    /// When its time on the network began: the arrival of the first octet, plus all the time during
    /// which it waited for us (added in `recording/measurements/turns.rs`).
    pub first_us: MonotonicUs,
    /// Since when it has waited for room in the log.
    pub parked_since_us: Option<MonotonicUs>,
}

impl Transfer {
    pub fn new() -> Transfer {
        Transfer {
            framing: Framing::data(),
            fate: Fate::Keep,
            octets: PayloadOctets::new(),
            wire_bytes: 0,
            dots: 0,
            came_at_once: false,
            has_ticket: false,
            draw: None,
            commit: None,
            first_us: MonotonicUs::START,
            parked_since_us: None,
        }
    }

    /// Discards the payload, with all that still arrives. The final reply will be `why`.
    #[cold]
    pub fn refuse(&mut self, why: Refusal, storage: &mut Storage) {
        self.octets.release(storage);
        self.fate = Fate::Refused(why);
    }

    /// Refuses the payload, if more octets have arrived than a message of `max` octets can have.
    #[inline]
    pub fn refuse_if_beyond(&mut self, max: u64, storage: &mut Storage) {
        let end_bytes = self.framing.end_bytes() as u64;
        let is_beyond = self.wire_bytes - u64::from(self.dots) > max + end_bytes;
        if is_beyond && !matches!(self.fate, Fate::Refused(_)) {
            self.refuse(Refusal::TooLarge, storage);
        }
    }

    /// Returns the size of the complete payload.
    #[inline]
    pub fn payload_bytes(&self) -> u64 {
        self.wire_bytes - self.framing.end_bytes() as u64
    }

    /// Returns the size of the complete message (RFC 1870: without stuffed dots).
    #[inline]
    pub fn message_bytes(&self) -> u64 {
        self.payload_bytes() - u64::from(self.dots)
    }

    /// Returns the number of octets of the complete payload that are stored.
    #[inline]
    pub fn stored_bytes(&self) -> u64 {
        match &self.fate {
            Fate::Keep => self.payload_bytes(),
            // Without an empty line all of it is headers, and they include the end of data.
            Fate::Headers(section) => section.kept_bytes.min(self.payload_bytes()),
            Fate::Envelope | Fate::Count | Fate::Refused(_) => 0,
        }
    }

    /// Returns the number of stuffed dots among the stored octets.
    #[inline]
    pub fn stored_dots(&self) -> u32 {
        match &self.fate {
            Fate::Keep => self.dots,
            Fate::Headers(section) => section.kept_dots,
            Fate::Envelope | Fate::Count | Fate::Refused(_) => 0,
        }
    }
}
