//! Where the octets of a payload lie until they are committed, and how they get there.
use crate::log::{Claim, Commit, NoRoom, Reservation, SlotFacts, Writer};

use super::pool::{Buffer, TransferPool};
use super::storage::Storage;

/// A payload of up to this many octets is staged, a larger one gets a region.
pub const STAGED_BYTES_MAX: usize = 64 << 10;

/// A payload that outgrows its buffer gets a region of at most this many octets, and grows from
/// there. Never an own segment: that is opened in the background, and a reservation that is not
/// ready would have to be kept beside the buffer.
const LEFT_BYTES_MAX: u64 = 1 << 20;

/// Octets a declared SIZE may be short of the wire form without another move: stuffed dots and
/// the end of data.
const WIRE_SLACK_BYTES: u64 = 256;

/// The octets of a payload that have come so far.
#[derive(Debug)]
pub struct PayloadPlace {
    /// How many are expected: it saves copies, and is never trusted for memory.
    expected_bytes: u64,
    /// Whether the client said so, or earlier payloads of its session do.
    claim: Claim,
    lies: Lies,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "transfers live in boxes that are used again")]
enum Lies {
    /// None have come.
    Nowhere,
    /// At the tail of the log, where one read brought all of them (*whole*): they must be
    /// committed before anything else is asked of the writer.
    AtTail,
    /// In a pooled buffer, copied to the tail at the end.
    Staged(Buffer),
    /// In the log: a region, or an own segment.
    Reserved(Reservation),
}

impl PayloadPlace {
    pub fn new() -> PayloadPlace {
        PayloadPlace { expected_bytes: 0, claim: Claim::Guessed, lies: Lies::Nowhere }
    }

    /// What is known before the first octet: `declared` is SIZE of MAIL, `chunk` the octets of the
    /// first chunk, `guess` the octets of the session's previous payload; at most `max`.
    pub fn expect(&mut self, declared: Option<u64>, chunk: u64, guess: u64, max: u64) {
        let declared = declared.map_or(0, |size| size + size / 128 + WIRE_SLACK_BYTES).max(chunk);
        (self.expected_bytes, self.claim) = match declared {
            0 => (guess.min(max), Claim::Guessed),
            octets => (octets.min(max), Claim::Declared),
        };
    }

    /// Only about `octets` of the payload will be stored, whatever its size.
    pub fn expect_only(&mut self, octets: u64) {
        self.expected_bytes = octets;
    }

    /// Whether one read may bring all of the payload.
    #[inline]
    pub fn may_come_at_once(&self) -> bool {
        matches!(self.lies, Lies::Nowhere) && self.expected_bytes <= STAGED_BYTES_MAX as u64
    }

    /// All of the payload lies where `Writer::receive_here` put it.
    #[inline]
    pub fn put_at_tail(&mut self) {
        self.lies = Lies::AtTail;
    }

    /// Copies `octets`, which may lie at the tail of the log, into a buffer; nothing else has come.
    pub fn stage(&mut self, octets: &[u8], pool: &mut TransferPool) -> Result<(), NoRoom> {
        let bytes = self.expected_bytes.max(octets.len() as u64) as usize;
        let mut buffer = pool.take(bytes).ok_or(NoRoom::Budget)?;
        buffer.push(octets);
        self.lies = Lies::Staged(buffer);
        Ok(())
    }

    /// Space for the next octets, best for `more` of them and at least for one.
    pub fn space<'a>(
        &'a mut self,
        envelope: &[u8],
        more: usize,
        storage: &'a mut Storage,
    ) -> Result<&'a mut [u8], NoRoom> {
        self.make_room(envelope, more, storage)?;
        match &mut self.lies {
            Lies::Nowhere | Lies::AtTail => unreachable!("room was made"),
            Lies::Staged(buffer) => Ok(buffer.free()),
            Lies::Reserved(reservation) => storage.writer.space(reservation),
        }
    }

    /// The first `octets` of what `space` returned are now filled.
    pub fn filled(&mut self, octets: usize, writer: &mut Writer) {
        match &mut self.lies {
            Lies::Nowhere | Lies::AtTail => unreachable!("there was space"),
            Lies::Staged(buffer) => buffer.advance(octets),
            Lies::Reserved(reservation) => writer.filled(reservation, octets),
        }
    }

    /// Releases whatever is held.
    pub fn release(&mut self, storage: &mut Storage) {
        match std::mem::replace(&mut self.lies, Lies::Nowhere) {
            Lies::Nowhere | Lies::AtTail => {}
            Lies::Staged(buffer) => storage.pool.give(buffer),
            Lies::Reserved(reservation) => storage.writer.release(reservation),
        }
    }

    /// Moves what lies in the segment `pinned` out of it, so that it can be sealed. Without room
    /// for that everything stays as it is.
    pub fn leave_segment(&mut self, pinned: u32, writer: &mut Writer) {
        if let Lies::Reserved(reservation) = &mut self.lies
            && let Err(why) = writer.leave_segment(reservation, pinned)
        {
            tracing::debug!(pinned, ?why, "a payload stays where it is for now");
        }
    }

    /// Copies `piece` after what is there. Returns how many octets went in and, if not all, why.
    pub fn store(
        &mut self,
        envelope: &[u8],
        piece: &[u8],
        storage: &mut Storage,
    ) -> (usize, Result<(), NoRoom>) {
        let mut stored = 0;
        while stored < piece.len() {
            let rest = &piece[stored..];
            let space = match self.space(envelope, rest.len(), storage) {
                Ok(space) => space,
                Err(why) => return (stored, Err(why)),
            };
            let octets = rest.len().min(space.len());
            assert!(octets > 0, "room that was made holds an octet");
            space[..octets].copy_from_slice(&rest[..octets]);
            self.filled(octets, &mut storage.writer);
            stored += octets;
        }
        (stored, Ok(()))
    }

    /// Sees to it that at least one more octet has a place, best `more`; `more` is above 0.
    fn make_room(
        &mut self,
        envelope: &[u8],
        more: usize,
        storage: &mut Storage,
    ) -> Result<(), NoRoom> {
        match &mut self.lies {
            Lies::Nowhere => self.begin(envelope, more, storage),
            Lies::AtTail => unreachable!("what lies at the tail is whole"),
            Lies::Staged(buffer) if !buffer.is_full() => Ok(()),
            Lies::Staged(_) => self.leave_buffer(envelope, more, storage),
            Lies::Reserved(reservation) => {
                if storage.writer.room(reservation) > 0 {
                    return Ok(());
                }
                storage.writer.grow(reservation, more as u64)
            }
        }
    }

    fn begin(&mut self, envelope: &[u8], more: usize, storage: &mut Storage) -> Result<(), NoRoom> {
        let here = more as u64;
        let wanted = self.expected_bytes.max(here);
        if wanted > STAGED_BYTES_MAX as u64 {
            let claim = if here >= wanted { Claim::Declared } else { self.claim };
            match storage.writer.reserve(envelope, wanted, claim) {
                Ok(reservation) => {
                    self.lies = Lies::Reserved(reservation);
                    return Ok(());
                }
                // No region is available: begin in a buffer, as if the size were not known.
                Err(NoRoom::Budget) => {}
                Err(why) => return Err(why),
            }
        }
        let bytes = wanted.min(STAGED_BYTES_MAX as u64) as usize;
        self.lies = Lies::Staged(storage.pool.take(bytes).ok_or(NoRoom::Budget)?);
        Ok(())
    }

    /// The buffer is full: a larger one, or from here on a region.
    fn leave_buffer(
        &mut self,
        envelope: &[u8],
        more: usize,
        storage: &mut Storage,
    ) -> Result<(), NoRoom> {
        let Storage { pool, writer } = storage;
        let Lies::Staged(full) = &self.lies else { return Ok(()) };
        let here = full.filled().len();
        let wanted = (here as u64 + more as u64).max(here as u64 * 4).max(self.expected_bytes);
        if here < STAGED_BYTES_MAX && wanted <= STAGED_BYTES_MAX as u64 {
            let mut larger = pool.take(wanted as usize).ok_or(NoRoom::Budget)?;
            larger.push(full.filled());
            self.replace_buffer(Lies::Staged(larger), pool);
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
        self.replace_buffer(Lies::Reserved(reservation), pool);
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

    fn replace_buffer(&mut self, by: Lies, pool: &mut TransferPool) {
        if let Lies::Staged(buffer) = std::mem::replace(&mut self.lies, by) {
            pool.give(buffer);
        }
    }

    /// Commits the first `payload_bytes` octets of what is here. On an error nothing has changed,
    /// and the call may be repeated.
    #[inline]
    pub fn commit(
        &mut self,
        payload_bytes: u64,
        envelope: &[u8],
        facts: &SlotFacts,
        storage: &mut Storage,
    ) -> Result<Commit, NoRoom> {
        let Storage { pool, writer } = storage;
        match std::mem::replace(&mut self.lies, Lies::Nowhere) {
            Lies::AtTail => Ok(writer.commit_received(payload_bytes as usize, facts)),
            Lies::Nowhere => {
                assert_eq!(payload_bytes, 0, "a payload that lies nowhere is empty");
                writer.append(envelope, &[], facts)
            }
            Lies::Staged(buffer) => {
                let payload = &buffer.filled()[..payload_bytes as usize];
                let committed = writer.append(envelope, &[payload], facts);
                match committed {
                    Ok(_) => pool.give(buffer),
                    Err(_) => self.lies = Lies::Staged(buffer),
                }
                committed
            }
            Lies::Reserved(reservation) => {
                Ok(writer.commit_reserved(reservation, payload_bytes, facts))
            }
        }
    }
}
