//! A worker's writer: commits records to its segments.
//!
//! The *whole* way (`receive_here`, `commit_received`) costs per message: the copy of the envelope,
//! one CRC over the record, 64 octets of slot with their own CRC, and five atomic stores. Other
//! threads do everything that takes a system call.
use super::commit::{
    Commit, CommitProgress, Committed, Counted, NoRoom, PendingCommit, PendingDedicated,
};
use super::dedicated::{CRC_LAG_BYTES, DedicatedSegments, Ending, OpenDedicatedSegment};
use super::link::Link;
use super::publishing::FlushOutcome;
use super::regions::{Region, Regions, region_bytes};
use super::reservation::{Reservation, ReservationLocation, SizeBasis, sizes};
use super::segment::{Fit, OpenSegment, Room};
use super::segments::Segments;
use crate::log::format::id::MessageId;
use crate::log::format::{PAYLOAD_BYTES_MAX, RECORD_ALIGN, Record, SlotFacts, SlotKind, crc};
use crate::log::settings::{Durability, LogSettings};

/// Maximum number of octets that `space` returns at once: a connection's share of a loop round.
pub const SPACE_BYTES_MAX: u64 = 256 << 10;

/// Free octets of a reservation after it was moved out of a segment that it pinned.
const MOVED_ROOM_BYTES: u64 = 4 << 10;

/// A worker's access to its segments. Apart from `close`, no call blocks, allocates (in the steady
/// state) or makes a system call, except to wake the thread to which it sends a request.
#[derive(Debug)]
pub struct Writer {
    settings: LogSettings,
    link: Link,
    segments: Segments,
    regions: Regions,
    dedicated: DedicatedSegments,
    received: Option<ReceivedHere>,
}

/// What `receive_here` returned.
#[derive(Debug)]
struct ReceivedHere {
    room: Room,
    offset: u64,
    envelope_bytes: u32,
}

impl Writer {
    pub(crate) fn new(settings: LogSettings, link: Link, segments: Segments) -> Writer {
        let regions = Regions::new(settings.region_bytes_max);
        let dedicated = DedicatedSegments::new(settings.dedicated_segments_max);
        Writer { settings, link, segments, regions, dedicated, received: None }
    }

    /// Receives a payload in place (the *whole* way). Puts `envelope` at the tail and returns
    /// exactly `payload_bytes` octets of free space after it. Nothing is reserved: the next call on
    /// the writer may reuse the space.
    ///
    /// Costs the copy of the envelope. Errors: `Wait`, `Full`.
    #[inline]
    pub fn receive_here(
        &mut self,
        envelope: &[u8],
        payload_bytes: usize,
    ) -> Result<&mut [u8], NoRoom> {
        let bytes = envelope.len() + payload_bytes;
        let room = match self.segments.current.fit(bytes as u64) {
            Fit::Yes(room) => room,
            Fit::NotYet | Fit::Never => self.segments.make_room(&mut self.link, bytes as u64)?,
        };
        let current = &mut self.segments.current;
        let offset = current.start();
        let envelope_bytes = octets(envelope.len());
        self.received = Some(ReceivedHere { room, offset, envelope_bytes });
        let (head, space) = current.access.write(offset, bytes).split_at_mut(envelope.len());
        head.copy_from_slice(envelope);
        Ok(space)
    }

    /// Commits the first `payload_bytes` octets of the space that the preceding call,
    /// `receive_here`, returned.
    ///
    /// Costs one CRC over the record, one over the slot.
    #[inline]
    pub fn commit_received(&mut self, payload_bytes: usize, facts: &SlotFacts) -> Commit {
        let received = self.received.take().expect("receive_here was the call just before");
        let ReceivedHere { room, offset, envelope_bytes } = received;
        let bytes = envelope_bytes as usize + payload_bytes;
        assert!(bytes as u64 <= room.bytes(), "no more than receive_here gave");
        let current = &mut self.segments.current;
        let crc = crc(current.access.read(offset, bytes));
        let record = Record { offset, envelope_bytes, payload_bytes: octets(payload_bytes), crc };
        let id = current.commit_tail(room, record, facts);
        self.segments.notify_if_low(&mut self.link);
        committed_in(&mut self.segments.current, id, facts)
    }

    /// Appends these slices as one payload (after staging, or straight from the input).
    ///
    /// Costs the copy and one CRC over the record. Errors: `Wait`, `Full`.
    pub fn append(
        &mut self,
        envelope: &[u8],
        payload: &[&[u8]],
        facts: &SlotFacts,
    ) -> Result<Commit, NoRoom> {
        let payload_bytes: usize = payload.iter().map(|part| part.len()).sum();
        let mut space = self.receive_here(envelope, payload_bytes)?;
        for part in payload {
            let (head, rest) = space.split_at_mut(part.len());
            head.copy_from_slice(part);
            space = rest;
        }
        Ok(self.commit_received(payload_bytes, facts))
    }

    /// Accepts a message without storing it: only counts it, on the live page of the current
    /// segment. The count survives the process, like commits.
    ///
    /// Costs one store; there is always room.
    #[inline]
    pub fn count_only(&mut self) -> Counted {
        self.segments.current.count_only();
        Counted::new()
    }

    /// Ends a loop round; also called when the worker goes idle. Requests a flush if commits wait
    /// for one, seals segments that the worker left and in which nothing is open now, and asks
    /// provisioning to move the window if it is low. Cheap if there is nothing to do.
    pub fn round_done(&mut self) {
        if self.settings.durability != Durability::Process {
            self.segments.flush_waiting(&mut self.link);
        }
        if self.segments.has_left() {
            self.segments.seal_retired(&mut self.link);
        }
        if self.link.send_waiting() {
            self.segments.notify_if_low(&mut self.link);
        }
    }

    /// Returns the number of flushes requested so far (durability `message`).
    pub fn flushes(&self) -> u64 {
        self.link.flushes()
    }

    /// Seals this worker's segments. No reservation may be open, and no commit may wait.
    pub fn close(self) {
        assert!(self.regions.is_empty() && self.dedicated.is_empty(), "reservations are gone");
        self.segments.close(self.link, &self.settings.flush);
    }

    /// Reserves space for `payload_bytes` octets of payload, to be filled over many reads.
    ///
    /// More than `dedicated_segment_bytes_over` gets a dedicated segment, which is opened in the
    /// background. A guess is cut to the size of the largest region. Errors: `Wait`, `Full`;
    /// `Budget`: the budget of regions (for a guess, half of it) or of dedicated segments is used
    /// up, or the size exceeds [`PAYLOAD_BYTES_MAX`].
    pub fn reserve(
        &mut self,
        envelope: &[u8],
        payload_bytes: u64,
        basis: SizeBasis,
    ) -> Result<Reservation, NoRoom> {
        self.received = None;
        let payload_bytes = match basis {
            SizeBasis::Declared if payload_bytes > PAYLOAD_BYTES_MAX => return Err(NoRoom::Budget),
            SizeBasis::Declared => payload_bytes,
            SizeBasis::Guessed => self.cut_guess(envelope.len() as u64, payload_bytes)?,
        };
        let bytes = region_bytes(envelope.len() as u64, payload_bytes);
        let location = if bytes > self.settings.dedicated_segment_bytes_over {
            let dedicated =
                self.dedicated.open(&mut self.link, envelope.to_vec(), payload_bytes)?;
            ReservationLocation::Dedicated(Box::new(dedicated))
        } else {
            let region = self.hold_region(bytes)?;
            let access = &mut self.segments.current.access;
            access.write(region.start, envelope.len()).copy_from_slice(envelope);
            ReservationLocation::Region(region)
        };
        Ok(Reservation::new(location, octets(envelope.len()), payload_bytes))
    }

    /// Returns how much of a guess can be reserved: at most one region.
    fn cut_guess(&self, envelope_bytes: u64, payload_bytes: u64) -> Result<u64, NoRoom> {
        let over = self.settings.dedicated_segment_bytes_over / RECORD_ALIGN * RECORD_ALIGN;
        let payload_bytes = payload_bytes.min(over.saturating_sub(envelope_bytes));
        let bytes = region_bytes(envelope_bytes, payload_bytes);
        if payload_bytes == 0 || !self.regions.has_room_for_guess(bytes) {
            return Err(NoRoom::Budget);
        }
        Ok(payload_bytes)
    }

    fn hold_region(&mut self, bytes: u64) -> Result<Region, NoRoom> {
        self.regions.hold(&mut self.segments, &mut self.link, bytes)
    }

    /// Returns how many payload octets fit in `r` before it must `grow`.
    pub fn room(&self, r: &Reservation) -> u64 {
        r.capacity - r.filled
    }

    /// Returns the next free populated octets of `r`, at most 256 KiB; empty if it must `grow`
    /// first.
    ///
    /// Errors: `Wait` while provisioning prepares more; `Full`: the caller must release `r`.
    pub fn space<'a>(&'a mut self, r: &'a mut Reservation) -> Result<&'a mut [u8], NoRoom> {
        self.received = None;
        let (start, wanted) = (r.front(), r.capacity - r.filled);
        let wanted = wanted.min(SPACE_BYTES_MAX);
        match &mut r.location {
            ReservationLocation::Region(region) | ReservationLocation::Moving(region, _) => {
                let home = self.segments.segment(region.segment);
                Ok(home.access.write(start, wanted as usize))
            }
            ReservationLocation::Dedicated(dedicated) => {
                dedicated.space(&mut self.link, start, wanted)
            }
        }
    }

    /// Records that the first `bytes` octets of `space` now hold payload.
    ///
    /// Costs the CRC of the octets filled before.
    pub fn filled(&mut self, r: &mut Reservation, bytes: usize) {
        self.received = None;
        assert!(bytes as u64 <= r.capacity - r.filled, "no more than `space` gave");
        self.cover(r, r.held_bytes().saturating_sub(CRC_LAG_BYTES));
        r.filled += bytes as u64;
        if let ReservationLocation::Dedicated(dedicated) = &r.location
            && dedicated.filled_to(r.front())
        {
            self.link.notify();
        }
    }

    /// Extends the running checksum to octet `to` of the record.
    fn cover(&mut self, r: &mut Reservation, to: u64) {
        let covered = r.crc.covered;
        if to <= covered {
            return;
        }
        let (start, len) = (r.start() + covered, (to - covered) as usize);
        match &r.location {
            ReservationLocation::Region(region) | ReservationLocation::Moving(region, _) => {
                r.crc.update(self.segments.segment(region.segment).access.read(start, len));
            }
            ReservationLocation::Dedicated(dedicated) => {
                if let Some(octets) = dedicated.read(start, len) {
                    r.crc.update(octets);
                }
            }
        }
    }

    /// Makes room for at least one more octet, and for `more` octets unless that exceeds
    /// [`PAYLOAD_BYTES_MAX`]: in place, or by moving the content (from region to region, or from
    /// region to dedicated segment). On error `r` is unchanged.
    ///
    /// The new size is relative to what is filled, so callers can't request a size that leaves no
    /// room. Unless the region is the last one, costs a copy of at most
    /// `dedicated_segment_bytes_over`.
    /// Errors: `Wait`: call again after the wake; `Full`, `Budget`.
    pub fn grow(&mut self, r: &mut Reservation, more: u64) -> Result<(), NoRoom> {
        self.received = None;
        assert!(more > 0, "callers grow for octets that they have");
        let (needed, best) = sizes(r.filled, more).ok_or(NoRoom::Budget)?;
        if needed > r.capacity {
            self.grow_to(r, needed, best)?;
        }
        assert!(r.filled < r.capacity, "success means room for another octet");
        Ok(())
    }

    fn grow_to(&mut self, r: &mut Reservation, needed: u64, best: u64) -> Result<(), NoRoom> {
        let region = match &r.location {
            ReservationLocation::Region(region) | ReservationLocation::Moving(region, _) => *region,
            ReservationLocation::Dedicated(dedicated) => {
                dedicated.expect(r.envelope_bytes, best);
                r.capacity = best;
                return Ok(());
            }
        };
        let over = self.settings.dedicated_segment_bytes_over;
        let bytes = region_bytes(u64::from(r.envelope_bytes), needed);
        if bytes > over {
            return self.grow_to_dedicated(r, region, best);
        }
        let doubled = (2 * region.bytes).min(over / RECORD_ALIGN * RECORD_ALIGN);
        let wanted = bytes.max(doubled);
        match self.regions.extend(&mut self.segments, region, wanted)? {
            Some(longer) => r.move_to(longer),
            None => self.relocate(r, region, wanted)?,
        }
        Ok(())
    }

    /// Moves the content of `r` to a region of `wanted` octets in the current segment.
    fn relocate(&mut self, r: &mut Reservation, old: Region, wanted: u64) -> Result<(), NoRoom> {
        let size = (wanted, r.held_bytes());
        let new = self.regions.relocate(&mut self.segments, &mut self.link, old, size)?;
        r.move_to(new);
        Ok(())
    }

    /// Returns a segment that open regions keep from being sealed although this worker has filled
    /// at least one further segment since it left. `None` in the steady state.
    ///
    /// Unless its regions are moved, a client that stalls within a small payload would keep a whole
    /// segment from retention. Costs nothing while no segment is left open.
    pub fn pinned_segment(&self) -> Option<u32> {
        self.segments.pinned()
    }

    /// If `r` is in the segment `pinned`, moves it to another one, with little free room, because
    /// its transfer is slow.
    ///
    /// Costs a copy of the filled octets. Errors: `Wait`, `Full`, `Budget`; `r` is then unchanged.
    pub fn leave_segment(&mut self, r: &mut Reservation, pinned: u32) -> Result<(), NoRoom> {
        self.received = None;
        let old = match &r.location {
            ReservationLocation::Region(region) | ReservationLocation::Moving(region, _) => *region,
            ReservationLocation::Dedicated(_) => return Ok(()),
        };
        if old.segment != pinned {
            return Ok(());
        }
        let wanted = region_bytes(r.held_bytes(), MOVED_ROOM_BYTES).min(old.bytes);
        self.relocate(r, old, wanted)
    }

    /// Moves the content of `r` to a dedicated segment, which may have to be opened first.
    fn grow_to_dedicated(
        &mut self,
        r: &mut Reservation,
        old: Region,
        payload_bytes: u64,
    ) -> Result<(), NoRoom> {
        let held = r.held_bytes() as usize;
        let access = &mut self.segments.segment(old.segment).access;
        let mut dedicated =
            match std::mem::replace(&mut r.location, ReservationLocation::Region(old)) {
                ReservationLocation::Moving(_, dedicated)
                | ReservationLocation::Dedicated(dedicated) => dedicated,
                ReservationLocation::Region(_) => {
                    let envelope = access.read(old.start, r.envelope_bytes as usize).to_vec();
                    Box::new(self.dedicated.open(&mut self.link, envelope, payload_bytes)?)
                }
            };
        match dedicated.fill(&mut self.link, access.read(old.start, held)) {
            Ok(()) => {}
            Err(NoRoom::Full) => {
                self.dedicated.release(&mut self.link, *dedicated);
                return Err(NoRoom::Full);
            }
            Err(wait) => {
                r.location = ReservationLocation::Moving(old, dedicated);
                return Err(wait);
            }
        }
        dedicated.expect(r.envelope_bytes, payload_bytes);
        r.location = ReservationLocation::Dedicated(dedicated);
        r.capacity = payload_bytes;
        self.regions.release(&mut self.segments, &mut self.link, old);
        self.filled(r, 0);
        Ok(())
    }

    /// Commits the first `payload_bytes` octets (at most as many as were filled), and releases the
    /// rest.
    ///
    /// Costs a CRC over the slot, and over the last octets of the record (or all of it, if more
    /// than 4 KiB of the filled octets are not committed).
    pub fn commit_reserved(
        &mut self,
        mut r: Reservation,
        payload_bytes: u64,
        facts: &SlotFacts,
    ) -> Commit {
        self.received = None;
        assert!(payload_bytes <= r.filled, "no more than was filled");
        let bytes = u64::from(r.envelope_bytes) + payload_bytes;
        self.cover(&mut r, bytes);
        let record_crc = (r.crc.covered == bytes).then(|| r.crc.value());
        let envelope_bytes = r.envelope_bytes;
        let ending =
            Ending { envelope_bytes, payload_bytes: octets(payload_bytes as usize), record_crc };
        match r.location {
            ReservationLocation::Region(region) => self.commit_region(region, ending, facts),
            ReservationLocation::Moving(region, dedicated) => {
                self.dedicated.release(&mut self.link, *dedicated);
                self.commit_region(region, ending, facts)
            }
            ReservationLocation::Dedicated(dedicated) => {
                let pending = dedicated.commit(&mut self.link, ending, facts);
                Commit::Later(PendingCommit::Dedicated(pending))
            }
        }
    }

    fn commit_region(&mut self, region: Region, ending: Ending, facts: &SlotFacts) -> Commit {
        let Ending { envelope_bytes, payload_bytes, record_crc } = ending;
        let bytes = envelope_bytes as usize + payload_bytes as usize;
        let (offset, home) = (region.start, self.segments.segment(region.segment));
        let crc = record_crc.unwrap_or_else(|| crc(home.access.read(offset, bytes)));
        let record = Record { offset, envelope_bytes, payload_bytes, crc };
        let id = home.commit_region(record, region.end(), facts);
        let commit = committed_in(home, id, facts);
        self.regions.end_region(&mut self.segments, &mut self.link, region);
        commit
    }

    /// Returns how far a [`Commit::Later`] has come. While it waits, this also registers the worker
    /// for a wake.
    pub fn poll_commit(&mut self, p: &mut PendingCommit) -> CommitProgress {
        let id = match p {
            PendingCommit::Dedicated(dedicated) => return self.poll_dedicated(dedicated),
            PendingCommit::Flush(id) => *id,
        };
        self.link.gate().wait();
        match self.segments.segment(id.segment).fate(id.slot) {
            FlushOutcome::Waiting => CommitProgress::Waiting,
            FlushOutcome::Published => CommitProgress::Done(Committed::new(id)),
            FlushOutcome::Lost => CommitProgress::Failed,
        }
    }

    fn poll_dedicated(&mut self, p: &mut PendingDedicated) -> CommitProgress {
        if p.progress().is_final() {
            return p.progress();
        }
        self.link.gate().wait();
        let progress = p.poll();
        if progress.is_final() {
            self.dedicated.release_budget();
        }
        progress
    }

    /// Releases the reservation of a transfer that ended early. Readers never see it.
    pub fn release(&mut self, r: Reservation) {
        self.received = None;
        match r.location {
            ReservationLocation::Region(region) => self.release_region(region),
            ReservationLocation::Moving(region, dedicated) => {
                self.release_dedicated(*dedicated);
                self.release_region(region);
            }
            ReservationLocation::Dedicated(dedicated) => self.release_dedicated(*dedicated),
        }
    }

    fn release_region(&mut self, region: Region) {
        self.regions.release(&mut self.segments, &mut self.link, region);
    }

    fn release_dedicated(&mut self, dedicated: OpenDedicatedSegment) {
        self.dedicated.release(&mut self.link, dedicated);
    }
}

/// Returns the commit of a record, or a pending one if it must wait for a flush. A note never
/// waits.
#[inline]
fn committed_in(home: &mut OpenSegment, id: MessageId, facts: &SlotFacts) -> Commit {
    if facts.kind != SlotKind::Note && home.waits() {
        return Commit::Later(PendingCommit::Flush(id));
    }
    Commit::Done(Committed::new(id))
}

/// Converts a length to the 32 bits of a slot; the callers' limits are below that.
fn octets(len: usize) -> u32 {
    u32::try_from(len).expect("lengths in a slot are below 4 GiB")
}
