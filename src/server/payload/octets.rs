//! Where the octets of a payload are until they are committed, and how they get there.
use std::num::NonZero;

use crate::log::{Commit, NoRoom, Reservation, SizeBasis, SlotFacts, Writer};

use super::pool::{Buffer, TransferPool};
use super::storage::Storage;

/// Payloads up to this size are staged; larger ones get a region.
pub const STAGED_BYTES_MAX: usize = 64 << 10;

/// Limit on the initial size of the region for a payload that outgrew its buffer; the region grows
/// from there. It is never a dedicated segment: that is opened in the background, and until it is
/// ready both the reservation and the buffer would be needed.
const LEFT_BYTES_MAX: u64 = 1 << 20;

/// Octets by which the wire form may exceed the declared SIZE and 1/128 of it without another move:
/// stuffed dots and the end of data.
const WIRE_SLACK_BYTES: u64 = 256;

/// The octets of a payload that have arrived so far.
#[derive(Debug)]
pub struct PayloadOctets {
    /// The expected size. It saves copies, but is never trusted when allocating memory.
    expected_bytes: u64,
    /// Whether the client declared that size, or it is guessed from earlier payloads.
    basis: SizeBasis,
    location: Location,
}

/// Where the octets are.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "transfers are in boxes that are reused")]
enum Location {
    /// None have arrived.
    Nowhere,
    /// At the tail of the log, all of them from one read (*whole*). They must be committed before
    /// any other call to the writer.
    AtTail,
    /// In a pooled buffer, to be copied to the tail when complete.
    Staged(Buffer),
    /// In the log: a region, or a dedicated segment.
    Reserved(Reservation),
}

impl PayloadOctets {
    pub fn new() -> PayloadOctets {
        PayloadOctets { expected_bytes: 0, basis: SizeBasis::Guessed, location: Location::Nowhere }
    }

    /// Sets the expected size, at most `max`. `declared`: SIZE of MAIL; `chunk`: size of the first
    /// chunk; `guess`: size of the session's previous payload.
    pub fn expect(
        &mut self,
        declared: Option<u64>,
        chunk: Option<NonZero<u64>>,
        guess: Option<NonZero<u32>>,
        max: u64,
    ) {
        let declared = declared.map_or(0, |size| size + size / 128 + WIRE_SLACK_BYTES);
        // `None` is 0 in memory, so this costs no branch.
        let declared = NonZero::new(declared.max(chunk.map_or(0, NonZero::get)));
        (self.expected_bytes, self.basis) = match declared {
            Some(octets) => (octets.get().min(max), SizeBasis::Declared),
            None => (guess.map_or(0, |bytes| bytes.get().into()).min(max), SizeBasis::Guessed),
        };
    }

    /// Expects to store only about `octets` of the payload, whatever its size.
    pub fn expect_only(&mut self, octets: u64) {
        self.expected_bytes = octets;
    }

    /// Returns whether one read may receive the whole payload.
    #[inline]
    pub fn may_come_at_once(&self) -> bool {
        matches!(self.location, Location::Nowhere) && self.expected_bytes <= STAGED_BYTES_MAX as u64
    }

    /// Notes that the whole payload is where `Writer::receive_here` put it.
    #[inline]
    pub fn put_at_tail(&mut self) {
        self.location = Location::AtTail;
    }

    /// Copies `octets`, the first to arrive, into a buffer. They may be at the tail of the log.
    pub fn stage(&mut self, octets: &[u8], pool: &mut TransferPool) -> Result<(), NoRoom> {
        let bytes = self.expected_bytes.max(octets.len() as u64) as usize;
        let mut buffer = pool.take(bytes).ok_or(NoRoom::Budget)?;
        buffer.push(octets);
        self.location = Location::Staged(buffer);
        Ok(())
    }

    /// Returns space for at least one more octet, preferably for `more`.
    pub fn space<'a>(
        &'a mut self,
        envelope: &[u8],
        more: usize,
        storage: &'a mut Storage,
    ) -> Result<&'a mut [u8], NoRoom> {
        self.make_room(envelope, more, storage)?;
        match &mut self.location {
            Location::Nowhere | Location::AtTail => unreachable!("`make_room` has found a place"),
            Location::Staged(buffer) => Ok(buffer.free()),
            Location::Reserved(reservation) => storage.writer.space(reservation),
        }
    }

    /// Marks the first `octets` of what `space` returned as filled.
    pub fn filled(&mut self, octets: usize, writer: &mut Writer) {
        match &mut self.location {
            Location::Nowhere | Location::AtTail => unreachable!("`space` has found a place"),
            Location::Staged(buffer) => buffer.advance(octets),
            Location::Reserved(reservation) => writer.filled(reservation, octets),
        }
    }

    /// Releases the buffer or the reservation.
    pub fn release(&mut self, storage: &mut Storage) {
        match std::mem::replace(&mut self.location, Location::Nowhere) {
            Location::Nowhere | Location::AtTail => {}
            Location::Staged(buffer) => storage.pool.put_back(buffer),
            Location::Reserved(reservation) => storage.writer.release(reservation),
        }
    }

    /// Moves the payload out of the segment `pinned`, so that the segment can be sealed. If there
    /// is no room for that, the payload stays.
    pub fn leave_segment(&mut self, pinned: u32, writer: &mut Writer) {
        if let Location::Reserved(reservation) = &mut self.location
            && let Err(why) = writer.leave_segment(reservation, pinned)
        {
            tracing::debug!(pinned, ?why, "a payload could not be moved yet");
        }
    }

    /// Appends a copy of `piece`. Returns the number of octets copied and, if not all, the reason.
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
            assert!(octets > 0, "`space` has room for an octet");
            space[..octets].copy_from_slice(&rest[..octets]);
            self.filled(octets, &mut storage.writer);
            stored += octets;
        }
        (stored, Ok(()))
    }

    /// Makes room for at least one more octet, preferably for `more`, which is above 0.
    fn make_room(
        &mut self,
        envelope: &[u8],
        more: usize,
        storage: &mut Storage,
    ) -> Result<(), NoRoom> {
        match &mut self.location {
            Location::Nowhere => self.begin(envelope, more, storage),
            Location::AtTail => unreachable!("a payload at the tail is complete"),
            Location::Staged(buffer) if !buffer.is_full() => Ok(()),
            Location::Staged(_) => self.leave_buffer(envelope, more, storage),
            Location::Reserved(reservation) => {
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
            let basis = if here >= wanted { SizeBasis::Declared } else { self.basis };
            match storage.writer.reserve(envelope, wanted, basis) {
                Ok(reservation) => {
                    self.location = Location::Reserved(reservation);
                    return Ok(());
                }
                // No region is available: start in a buffer, as if the size were unknown.
                Err(NoRoom::Budget) => {}
                Err(why) => return Err(why),
            }
        }
        let bytes = wanted.min(STAGED_BYTES_MAX as u64) as usize;
        self.location = Location::Staged(storage.pool.take(bytes).ok_or(NoRoom::Budget)?);
        Ok(())
    }

    /// Replaces the full buffer with a larger one or with a region.
    fn leave_buffer(
        &mut self,
        envelope: &[u8],
        more: usize,
        storage: &mut Storage,
    ) -> Result<(), NoRoom> {
        let Storage { pool, writer } = storage;
        let Location::Staged(full) = &self.location else { return Ok(()) };
        let here = full.filled().len();
        let wanted = (here as u64 + more as u64).max(here as u64 * 4).max(self.expected_bytes);
        if here < STAGED_BYTES_MAX && wanted <= STAGED_BYTES_MAX as u64 {
            let mut larger = pool.take(wanted as usize).ok_or(NoRoom::Budget)?;
            larger.push(full.filled());
            self.replace_buffer(Location::Staged(larger), pool);
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
            assert!(n > 0, "the known octets were reserved");
            space[..n].copy_from_slice(&full.filled()[copied..copied + n]);
            writer.filled(&mut reservation, n);
            copied += n;
        }
        self.replace_buffer(Location::Reserved(reservation), pool);
        Ok(())
    }

    /// Reserves `wanted` octets. If that yields less than `known`, reserves exactly `known`.
    fn reserve_more(
        &self,
        envelope: &[u8],
        known: u64,
        wanted: u64,
        writer: &mut Writer,
    ) -> Result<Reservation, NoRoom> {
        let is_declared =
            self.basis == SizeBasis::Declared && wanted <= self.expected_bytes.max(known);
        let basis = if is_declared { SizeBasis::Declared } else { SizeBasis::Guessed };
        match writer.reserve(envelope, wanted, basis) {
            Ok(reservation) if writer.room(&reservation) < known => {
                writer.release(reservation);
                writer.reserve(envelope, known, SizeBasis::Declared)
            }
            Err(NoRoom::Budget) if wanted > known => {
                writer.reserve(envelope, known, SizeBasis::Declared)
            }
            other => other,
        }
    }

    fn replace_buffer(&mut self, by: Location, pool: &mut TransferPool) {
        if let Location::Staged(buffer) = std::mem::replace(&mut self.location, by) {
            pool.put_back(buffer);
        }
    }

    /// Commits the first `payload_bytes` octets. On an error nothing has changed, and the call can
    /// be repeated.
    #[inline]
    pub fn commit(
        &mut self,
        payload_bytes: u64,
        envelope: &[u8],
        facts: &SlotFacts,
        storage: &mut Storage,
    ) -> Result<Commit, NoRoom> {
        let Storage { pool, writer } = storage;
        match std::mem::replace(&mut self.location, Location::Nowhere) {
            Location::AtTail => Ok(writer.commit_received(payload_bytes as usize, facts)),
            Location::Nowhere => {
                assert_eq!(payload_bytes, 0, "a payload without octets is empty");
                writer.append(envelope, &[], facts)
            }
            Location::Staged(buffer) => {
                let payload = &buffer.filled()[..payload_bytes as usize];
                let committed = writer.append(envelope, &[payload], facts);
                match committed {
                    Ok(_) => pool.put_back(buffer),
                    Err(_) => self.location = Location::Staged(buffer),
                }
                committed
            }
            Location::Reserved(reservation) => {
                Ok(writer.commit_reserved(reservation, payload_bytes, facts))
            }
        }
    }
}
