//! A payload on its way into the log: which of the four ways it takes, and how far it is.
use crate::config::storage::Store;
use crate::log::{Claim, Commit, Committed, Facts, MessageId, NoRoom, Reservation, Writer};
use crate::smtp::data::EndOfData;
use crate::smtp::session::{Receipt, Refusal};

use super::pool::{Buffer, Pool};
use super::storage::{Draw, Head};

/// A payload of up to this many octets is staged, a larger one gets a region.
pub const STAGED_BYTES_MAX: usize = 64 << 10;

/// A payload that outgrows its buffer gets a region of at most this many octets, and grows from
/// there. Never an own segment: that is opened in the background, and a reservation that is not
/// ready would have to be kept beside the buffer.
const LEFT_BYTES_MAX: u64 = 1 << 20;

/// Octets a declared SIZE may be short of the wire form without another move: stuffed dots and
/// the end of data.
const WIRE_SLACK_BYTES: u64 = 256;

impl Receipt for Committed {
    fn write_name(&self, out: &mut Vec<u8>) {
        let id = self.id();
        write_decimal(id.segment, out);
        out.push(b':');
        write_decimal(id.slot, out);
    }
}

/// Without the formatting machinery: this is said for every message.
fn write_decimal(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[from..]);
        }
    }
}

/// Where the octets that have come so far lie.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "transfers live in boxes that are used again")]
pub enum Way {
    /// Nowhere: none have come, or one read brings all (*whole*).
    Nothing,
    /// In a pooled buffer, copied to the tail at the end.
    Staged(Buffer),
    /// In the log: a region, or an own segment.
    Reserved(Reservation),
}

/// Kept in a pool of the worker, so that a message costs no allocation.
#[derive(Debug)]
pub struct Transfer {
    pub end: EndOfData,
    pub way: Way,
    /// Octets that came, end of data included; of a BDAT the chunks.
    pub wire_bytes: u64,
    /// Stuffed dots among them.
    pub dots: u32,
    /// How many are expected: it saves copies, and is never trusted for memory.
    pub expected_bytes: u64,
    /// Whether the client said so, or earlier payloads of its session do.
    pub claim: Claim,
    /// The message is lost; what still comes is thrown away, and this is the reply.
    pub refusal: Option<Refusal>,
    pub chunked: bool,
    /// Everything that comes goes into the log: it is stored in full and not refused.
    pub direct: bool,
    /// How much of it is stored.
    pub store: Store,
    /// The sampling it takes part in.
    pub draw: Option<Draw>,
    /// Of `Store::Headers`: where its end is looked for, whether it was found, and what was stored
    /// of payload and stuffed dots.
    pub head: Head,
    pub head_ended: bool,
    pub kept_bytes: u64,
    pub kept_dots: u32,
    /// The right to commit was taken (`--stop-after-messages`).
    pub ticket: bool,
    /// When the first octet came, us of the worker's clock.
    pub first_us: u64,
    /// When it was written, likewise, if its commit had to wait for storage.
    pub pending_since_us: Option<u64>,
    /// Since when there has been no room for it in the log, likewise.
    pub parked_since_us: Option<u64>,
    /// When the last octet came, ms of the worker's clock.
    pub heard_ms: u64,
}

impl Transfer {
    pub fn new() -> Transfer {
        Transfer {
            end: EndOfData::new(),
            way: Way::Nothing,
            wire_bytes: 0,
            dots: 0,
            expected_bytes: 0,
            claim: Claim::Guessed,
            refusal: None,
            chunked: false,
            direct: true,
            store: Store::Full,
            draw: None,
            head: Head::new(),
            head_ended: false,
            kept_bytes: 0,
            kept_dots: 0,
            ticket: false,
            first_us: 0,
            pending_since_us: None,
            parked_since_us: None,
            heard_ms: 0,
        }
    }

    /// What is known before the first octet: `declared` is SIZE of MAIL, `chunk` the octets of the
    /// first chunk, `guess` those of the session's payload before; at most `max`.
    pub fn expect(&mut self, declared: Option<u64>, chunk: u64, guess: u64, max: u64) {
        let declared = declared.map_or(0, |size| size + size / 128 + WIRE_SLACK_BYTES).max(chunk);
        (self.expected_bytes, self.claim) = match declared {
            0 => (guess.min(max), Claim::Guessed),
            octets => (octets.min(max), Claim::Declared),
        };
    }

    /// Payload octets once the end of data was seen.
    pub fn payload_bytes(&self) -> u64 {
        const END_OF_DATA_BYTES: u64 = 3;
        self.wire_bytes - if self.chunked { 0 } else { END_OF_DATA_BYTES }
    }

    /// Payload octets that go into the log, likewise.
    pub fn stored_bytes(&self) -> u64 {
        match self.store {
            Store::Full => self.payload_bytes(),
            // Without an empty line all of it is headers, and the end of data came with them.
            Store::Headers => self.kept_bytes.min(self.payload_bytes()),
            Store::Envelope | Store::Nothing => 0,
        }
    }

    /// Stuffed dots among them.
    pub fn stored_dots(&self) -> u32 {
        match self.store {
            Store::Full => self.dots,
            _ => self.kept_dots,
        }
    }

    /// Message octets that are here for certain (RFC 1870: without stuffed dots).
    pub fn message_bytes(&self) -> u64 {
        self.payload_bytes() - u64::from(self.dots)
    }

    /// True if more has come than `max` message octets could need, end of data included.
    pub fn is_beyond(&self, max: u64) -> bool {
        const END_OF_DATA_BYTES: u64 = 3;
        self.wire_bytes - u64::from(self.dots) > max + END_OF_DATA_BYTES
    }

    /// Gives back whatever is held.
    pub fn let_go(&mut self, pool: &mut Pool, writer: &mut Writer) {
        match std::mem::replace(&mut self.way, Way::Nothing) {
            Way::Nothing => {}
            Way::Staged(buffer) => pool.give(buffer),
            Way::Reserved(reservation) => writer.release(reservation),
        }
    }

    /// Moves what lies in the segment `pinned` out of it, so that it can be sealed. Without room
    /// for that everything stays as it is.
    pub fn leave_segment(&mut self, pinned: u32, writer: &mut Writer) {
        if let Way::Reserved(reservation) = &mut self.way
            && let Err(why) = writer.leave_segment(reservation, pinned)
        {
            tracing::debug!(pinned, ?why, "a payload stays where it is for now");
        }
    }

    /// Copies `piece` behind what is there; returns how many octets went in and, if not all, why.
    pub fn store(
        &mut self,
        envelope: &[u8],
        piece: &[u8],
        pool: &mut Pool,
        writer: &mut Writer,
    ) -> (usize, Result<(), NoRoom>) {
        let mut stored = 0;
        while stored < piece.len() {
            let before = stored;
            if let Err(why) = self.make_way(envelope, piece.len() - stored, pool, writer) {
                return (stored, Err(why));
            }
            let rest = &piece[stored..];
            stored += match &mut self.way {
                Way::Nothing => unreachable!("make_way chose one"),
                Way::Staged(buffer) => {
                    let n = rest.len().min(buffer.free().len());
                    buffer.push(&rest[..n]);
                    n
                }
                Way::Reserved(reservation) => {
                    let space = match writer.space(reservation) {
                        Ok(space) => space,
                        Err(why) => return (stored, Err(why)),
                    };
                    let n = rest.len().min(space.len());
                    space[..n].copy_from_slice(&rest[..n]);
                    writer.filled(reservation, n);
                    n
                }
            };
            assert!(stored > before, "a way that was made has room for an octet");
        }
        (stored, Ok(()))
    }

    /// Sees to it that at least one more octet has a place, best `more`; `more` is above 0.
    pub fn make_way(
        &mut self,
        envelope: &[u8],
        more: usize,
        pool: &mut Pool,
        writer: &mut Writer,
    ) -> Result<(), NoRoom> {
        match &mut self.way {
            Way::Nothing => self.begin_way(envelope, more, pool, writer),
            Way::Staged(buffer) if !buffer.is_full() => Ok(()),
            Way::Staged(_) => self.leave_buffer(envelope, more, pool, writer),
            Way::Reserved(reservation) => {
                if writer.room(reservation) > 0 {
                    return Ok(());
                }
                writer.grow(reservation, more as u64)
            }
        }
    }

    fn begin_way(
        &mut self,
        envelope: &[u8],
        more: usize,
        pool: &mut Pool,
        writer: &mut Writer,
    ) -> Result<(), NoRoom> {
        let here = more as u64;
        let wanted = self.expected_bytes.max(here);
        if wanted > STAGED_BYTES_MAX as u64 {
            let claim = if here >= wanted { Claim::Declared } else { self.claim };
            match writer.reserve(envelope, wanted, claim) {
                Ok(reservation) => {
                    self.way = Way::Reserved(reservation);
                    return Ok(());
                }
                // No region to be had: begin in a buffer, as if the size were not known.
                Err(NoRoom::Budget) => {}
                Err(why) => return Err(why),
            }
        }
        let bytes = wanted.min(STAGED_BYTES_MAX as u64) as usize;
        self.way = Way::Staged(pool.take(bytes).ok_or(NoRoom::Budget)?);
        Ok(())
    }

    /// The buffer is full: a larger one, or from here on a region.
    fn leave_buffer(
        &mut self,
        envelope: &[u8],
        more: usize,
        pool: &mut Pool,
        writer: &mut Writer,
    ) -> Result<(), NoRoom> {
        let Way::Staged(full) = &self.way else { return Ok(()) };
        let here = full.filled().len();
        let wanted = (here as u64 + more as u64).max(here as u64 * 4).max(self.expected_bytes);
        if here < STAGED_BYTES_MAX && wanted <= STAGED_BYTES_MAX as u64 {
            let mut larger = pool.take(wanted as usize).ok_or(NoRoom::Budget)?;
            larger.push(full.filled());
            self.replace_buffer(Way::Staged(larger), pool);
            return Ok(());
        }
        let known = here as u64 + more.min(STAGED_BYTES_MAX) as u64;
        let wanted = wanted.min(LEFT_BYTES_MAX).max(known);
        let mut reservation = self.reserve_more(envelope, known, wanted, writer)?;
        let mut copied = 0;
        while copied < here {
            let space = match writer.space(&mut reservation) {
                Ok(space) => space,
                Err(why) => {
                    writer.release(reservation);
                    return Err(why);
                }
            };
            let n = (here - copied).min(space.len());
            assert!(n > 0, "what is known was reserved");
            space[..n].copy_from_slice(&full.filled()[copied..copied + n]);
            writer.filled(&mut reservation, n);
            copied += n;
        }
        self.replace_buffer(Way::Reserved(reservation), pool);
        Ok(())
    }

    /// Space for `wanted` octets, as far as that is a guess at least for those that are `known`.
    fn reserve_more(
        &self,
        envelope: &[u8],
        known: u64,
        wanted: u64,
        writer: &mut Writer,
    ) -> Result<Reservation, NoRoom> {
        let is_declared = self.claim == Claim::Declared && wanted <= self.expected_bytes.max(known);
        let claim = if is_declared { Claim::Declared } else { Claim::Guessed };
        match writer.reserve(envelope, wanted, claim) {
            Ok(reservation) if writer.room(&reservation) < known => {
                writer.release(reservation);
                writer.reserve(envelope, known, Claim::Declared)
            }
            Err(NoRoom::Budget) if wanted > known => {
                writer.reserve(envelope, known, Claim::Declared)
            }
            other => other,
        }
    }

    fn replace_buffer(&mut self, way: Way, pool: &mut Pool) {
        if let Way::Staged(buffer) = std::mem::replace(&mut self.way, way) {
            pool.give(buffer);
        }
    }

    /// Commits what is here. On an error nothing has changed, and the call may be repeated.
    pub fn commit(
        &mut self,
        envelope: &[u8],
        facts: &Facts,
        pool: &mut Pool,
        writer: &mut Writer,
    ) -> Result<Commit, NoRoom> {
        let payload_bytes = self.stored_bytes();
        match std::mem::replace(&mut self.way, Way::Nothing) {
            Way::Nothing => {
                assert_eq!(payload_bytes, 0, "a payload that lies nowhere is empty");
                writer.append(envelope, &[], facts)
            }
            Way::Staged(buffer) => {
                let payload = &buffer.filled()[..payload_bytes as usize];
                match writer.append(envelope, &[payload], facts) {
                    Ok(commit) => {
                        pool.give(buffer);
                        Ok(commit)
                    }
                    Err(why) => {
                        self.way = Way::Staged(buffer);
                        Err(why)
                    }
                }
            }
            Way::Reserved(reservation) => {
                Ok(writer.commit_reserved(reservation, payload_bytes, facts))
            }
        }
    }
}

/// A message whose 250 was queued, and where in the replies it ends.
pub type Acknowledged = (usize, MessageId);
