//! Space held before commit: regions of a shared segment, and own segments.
use crossbeam_channel::{Receiver, TryRecvError};

use super::format::{Facts, PAYLOAD_BYTES_MAX, RECORD_ALIGN, RECORDS_AT, crc};
use super::id::MessageId;
use super::own::{CRC_LAG_BYTES, Own, OwnCommit, OwnEvent, Running};
use super::provision::Request;
use super::segment::{Fate, Fit, OpenSegment, Record};
use super::writer::{Committed, NoRoom, Writer, octets};

/// The most that `space` gives at once: a connection's share of a loop round.
pub const SPACE_BYTES_MAX: u64 = 256 << 10;

/// Octets that a reservation has room for after it was moved out of a segment that it pinned.
const MOVED_ROOM_BYTES: u64 = 4 << 10;

/// How certain the size is that a reservation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The client has said it, or the octets are here.
    Declared,
    /// Expected from earlier payloads. A guess takes no own segment and nothing of the second half
    /// of the budget for regions: those are kept for what is certain.
    Guessed,
}

/// Space held before commit: a region in a shared segment, or an own segment. Must be given back
/// by `commit_reserved` or `release`.
#[must_use]
#[derive(Debug)]
pub struct Reservation {
    place: Held,
    envelope_bytes: u32,
    /// Payload octets that may be filled.
    capacity: u64,
    /// Payload octets filled.
    filled: u64,
    crc: Running,
}

#[derive(Debug)]
enum Held {
    /// `to`: the own segment it is about to move to, until that is open.
    Region {
        region: Region,
        to: Option<Box<Own>>,
    },
    Own(Box<Own>),
}

/// The octets `start..start + bytes` of a shared segment.
#[derive(Debug, Clone, Copy)]
struct Region {
    segment: u32,
    start: u64,
    bytes: u64,
}

/// The commit of a reservation.
#[derive(Debug)]
pub enum Commit {
    /// Readers can see it.
    Done(Committed),
    /// An own segment is being cut and renamed by provisioning, or a flush must come first; `wake`
    /// is called; ask [`Writer::poll_commit`].
    Later(PendingCommit),
}

/// A commit under way. Dropped, it still happens, but its share of the budget, or its segment, is
/// not given back.
#[must_use]
#[derive(Debug)]
pub enum PendingCommit {
    /// An own segment.
    #[doc(hidden)]
    Own(PendingOwn),
    /// Written, and waiting for a flush (durability `message`).
    #[doc(hidden)]
    Flush(MessageId),
}

/// An own segment on its way into place.
#[derive(Debug)]
pub struct PendingOwn {
    events: Receiver<OwnEvent>,
    outcome: Option<Result<MessageId, NoRoom>>,
}

impl Commit {
    /// The proof, where there is one already (durabilities `process` and `interval`).
    pub fn done(self) -> Option<Committed> {
        match self {
            Commit::Done(committed) => Some(committed),
            Commit::Later(_) => None,
        }
    }
}

impl Reservation {
    /// From the start of its file to its record.
    fn start(&self) -> u64 {
        match &self.place {
            Held::Region { region, .. } => region.start,
            Held::Own(_) => RECORDS_AT,
        }
    }

    /// From the start of its file to the first octet not yet filled.
    fn front(&self) -> u64 {
        self.start() + self.held_bytes()
    }

    /// The record begins in `region` now.
    fn now_in(&mut self, new: Region) {
        let Held::Region { region, .. } = &mut self.place else {
            unreachable!("only regions move to regions");
        };
        *region = new;
        self.capacity = new.bytes - u64::from(self.envelope_bytes);
    }

    /// Envelope and what is filled of the payload.
    fn held_bytes(&self) -> u64 {
        u64::from(self.envelope_bytes) + self.filled
    }
}

impl Writer {
    /// Holds space for `payload_bytes` octets of payload, to be filled over many reads.
    ///
    /// More than `own_segment_bytes_over` gets an own segment, which is opened in the background.
    /// A guess is cut to what guesses may have ([`Claim`]).
    /// Errors: `Wait`, `Full`; `Budget`: regions or own segments are used up, or it is more than
    /// [`PAYLOAD_BYTES_MAX`].
    pub fn reserve(
        &mut self,
        envelope: &[u8],
        payload_bytes: u64,
        claim: Claim,
    ) -> Result<Reservation, NoRoom> {
        self.received = None;
        let payload_bytes = match claim {
            Claim::Declared if payload_bytes > PAYLOAD_BYTES_MAX => return Err(NoRoom::Budget),
            Claim::Declared => payload_bytes,
            Claim::Guessed => self.cut_guess(envelope.len() as u64, payload_bytes)?,
        };
        let bytes = region_bytes(envelope.len() as u64, payload_bytes);
        let place = if bytes > self.settings.own_segment_bytes_over {
            Held::Own(Box::new(self.open_own(envelope.to_vec(), payload_bytes)?))
        } else {
            let region = self.hold_region(bytes)?;
            self.current.door.write(region.start, envelope.len()).copy_from_slice(envelope);
            Held::Region { region, to: None }
        };
        let envelope_bytes = octets(envelope.len());
        Ok(Reservation {
            place,
            envelope_bytes,
            capacity: payload_bytes,
            filled: 0,
            crc: Running::new(),
        })
    }

    /// What of a guess of `payload_bytes` may be reserved: one region at most.
    fn cut_guess(&self, envelope_bytes: u64, payload_bytes: u64) -> Result<u64, NoRoom> {
        let over = self.settings.own_segment_bytes_over / RECORD_ALIGN * RECORD_ALIGN;
        let payload_bytes = payload_bytes.min(over.saturating_sub(envelope_bytes));
        let bytes = region_bytes(envelope_bytes, payload_bytes);
        if payload_bytes == 0 || self.region_bytes + bytes > self.settings.region_bytes_max / 2 {
            return Err(NoRoom::Budget);
        }
        Ok(payload_bytes)
    }

    /// Octets of payload that `r` still has room for before it must `grow`.
    pub fn room(&self, r: &Reservation) -> u64 {
        r.capacity - r.filled
    }

    /// The next free populated octets of `r`, at most 256 KiB; none when it must `grow` first.
    ///
    /// Errors: `Wait` while provisioning maps more; `Full`: release it.
    pub fn space<'a>(&'a mut self, r: &'a mut Reservation) -> Result<&'a mut [u8], NoRoom> {
        self.received = None;
        let (start, wanted) = (r.front(), r.capacity - r.filled);
        let wanted = wanted.min(SPACE_BYTES_MAX);
        match &mut r.place {
            Held::Region { region, .. } => {
                Ok(self.segment(region.segment).door.write(start, wanted as usize))
            }
            Held::Own(own) => {
                let ready = self.own_ready(own, start, wanted.min(1))?.min(wanted);
                Ok(own.open()?.write(start, ready as usize))
            }
        }
    }

    /// The first `bytes` octets of `space` now hold payload.
    ///
    /// Costs the CRC of what was filled before.
    pub fn filled(&mut self, r: &mut Reservation, bytes: usize) {
        self.received = None;
        assert!(bytes as u64 <= r.capacity - r.filled, "no more than `space` gave");
        self.cover(r, r.held_bytes().saturating_sub(CRC_LAG_BYTES));
        r.filled += bytes as u64;
        if let Held::Own(own) = &r.place
            && own.filled_to(r.front())
        {
            self.poke();
        }
    }

    /// Brings the running checksum up to octet `to` of the record.
    fn cover(&mut self, r: &mut Reservation, to: u64) {
        let covered = r.crc.covered;
        if to <= covered {
            return;
        }
        let (start, len) = (r.start() + covered, (to - covered) as usize);
        match &mut r.place {
            Held::Region { region, .. } => {
                r.crc.update(self.segment(region.segment).door.read(start, len));
            }
            Held::Own(own) => {
                // Not yet open: there is only an envelope, and provisioning will write it.
                if let Some(door) = own.door() {
                    r.crc.update(door.read(start, len));
                }
            }
        }
    }

    /// Makes room for at least one more octet than is filled, and for `more` of them unless that
    /// exceeds [`PAYLOAD_BYTES_MAX`]: by growing in place, or by moving what is there (region to
    /// region, region to own segment). On error `r` is as it was.
    ///
    /// The reservation itself knows how much is filled, so a caller can't ask for a size that
    /// leaves it without room. Costs, for a region that is not the last one, a copy of at most
    /// `own_segment_bytes_over`. Errors: `Wait`: call again after the wake; `Full`, `Budget`.
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
        let region = match &r.place {
            Held::Region { region, .. } => *region,
            Held::Own(own) => {
                own.expect(r.envelope_bytes, best);
                r.capacity = best;
                return Ok(());
            }
        };
        let over = self.settings.own_segment_bytes_over;
        let bytes = region_bytes(u64::from(r.envelope_bytes), needed);
        if bytes > over {
            return self.grow_to_own(r, region, best);
        }
        let doubled = (2 * region.bytes).min(over / RECORD_ALIGN * RECORD_ALIGN);
        self.grow_region(r, region, bytes.max(doubled))
    }

    fn grow_region(&mut self, r: &mut Reservation, old: Region, wanted: u64) -> Result<(), NoRoom> {
        let more = wanted - old.bytes;
        if self.region_bytes + more > self.settings.region_bytes_max {
            return Err(NoRoom::Budget);
        }
        let home = self.segment(old.segment);
        if home.is_last(old.start + old.bytes) && home.extend_last(more) {
            self.region_bytes += more;
            r.now_in(Region { bytes: wanted, ..old });
            return Ok(());
        }
        self.move_region(r, old, wanted)
    }

    /// Moves what `r` holds to a region of `wanted` octets in the current segment.
    fn move_region(&mut self, r: &mut Reservation, old: Region, wanted: u64) -> Result<(), NoRoom> {
        // Not yet given back, the old one doesn't count twice.
        self.region_bytes -= old.bytes;
        let held = self.hold_region(wanted);
        self.region_bytes += old.bytes;
        let new = held?;
        self.copy_region(old, new.start, r.held_bytes() as usize);
        self.release_region(old);
        r.now_in(new);
        Ok(())
    }

    /// The segment that open regions keep from being sealed although this worker left it long ago:
    /// at least one further segment was filled since. `None` in the steady state.
    ///
    /// Without a remedy, a client that stalls inside a small payload would keep a whole segment
    /// out of the reach of retention. Costs nothing while no segment is left open.
    pub fn pinned_segment(&self) -> Option<u32> {
        let is_pinned =
            |left: &&OpenSegment| left.has_reservations() && Some(left.number) != self.last_left;
        self.left.iter().find(is_pinned).map(|left| left.number)
    }

    /// Moves `r` out of the segment `pinned`, if it lies there, with little more room than it has
    /// filled: it is a transfer that takes its time.
    ///
    /// Costs a copy of what is filled. Errors: `Wait`, `Full`, `Budget`; `r` is as it was.
    pub fn leave_segment(&mut self, r: &mut Reservation, pinned: u32) -> Result<(), NoRoom> {
        self.received = None;
        let Held::Region { region, .. } = &r.place else { return Ok(()) };
        let old = *region;
        if old.segment != pinned {
            return Ok(());
        }
        let wanted = region_bytes(r.held_bytes(), MOVED_ROOM_BYTES).min(old.bytes);
        self.move_region(r, old, wanted)
    }

    /// Copies the first `len` octets of `from` to `start` in the current segment.
    fn copy_region(&mut self, from: Region, start: u64, len: usize) {
        if from.segment == self.current.number {
            self.current.door.copy(from.start, start, len);
            return;
        }
        let i = self.left_position(from.segment);
        let source = self.left[i].door.read(from.start, len);
        self.current.door.write(start, len).copy_from_slice(source);
    }

    fn grow_to_own(
        &mut self,
        r: &mut Reservation,
        old: Region,
        payload_bytes: u64,
    ) -> Result<(), NoRoom> {
        let len = r.held_bytes() as usize;
        let Held::Region { to, .. } = &mut r.place else {
            unreachable!("`grow` saw a region");
        };
        if to.is_none() {
            let source = self.segment(old.segment).door.read(old.start, r.envelope_bytes as usize);
            let envelope = source.to_vec();
            *to = Some(Box::new(self.open_own(envelope, payload_bytes)?));
        }
        let own = to.as_mut().expect("put there above");
        let held = u64::from(r.envelope_bytes) + r.filled;
        match self.own_ready(own, RECORDS_AT, held) {
            Err(NoRoom::Full) => {
                let own = *to.take().expect("put there above");
                self.drop_own(own);
                return Err(NoRoom::Full);
            }
            other => other?,
        };
        let source = self.segment(old.segment).door.read(old.start, len);
        own.open()?.write(RECORDS_AT, len).copy_from_slice(source);
        let own = to.take().expect("put there above");
        own.expect(r.envelope_bytes, payload_bytes);
        r.place = Held::Own(own);
        r.capacity = payload_bytes;
        self.release_region(old);
        self.filled(r, 0);
        Ok(())
    }

    /// Commits the first `payload_bytes` octets (at most what was filled); the rest is given back.
    ///
    /// Costs the CRC of the last octets (of the whole record, if more than 4 KiB of what was filled
    /// is not committed), and one over the slot.
    pub fn commit_reserved(
        &mut self,
        mut r: Reservation,
        payload_bytes: u64,
        facts: &Facts,
    ) -> Commit {
        self.received = None;
        assert!(payload_bytes <= r.filled, "no more than was filled");
        let bytes = u64::from(r.envelope_bytes) + payload_bytes;
        self.cover(&mut r, bytes);
        let record_crc = (r.crc.covered == bytes).then(|| r.crc.value());
        let payload_bytes = octets(payload_bytes as usize);
        match r.place {
            Held::Region { region, to } => {
                if let Some(own) = to {
                    self.drop_own(*own);
                }
                let (offset, envelope_bytes) = (region.start, r.envelope_bytes);
                let home = self.segment(region.segment);
                let crc = record_crc.unwrap_or_else(|| crc(home.door.read(offset, bytes as usize)));
                let record = Record { offset, envelope_bytes, payload_bytes, crc };
                let id = home.commit_region(record, region.start + region.bytes, facts);
                let commit = Self::committed_in(home, id, facts);
                self.region_ended(region);
                commit
            }
            Held::Own(mut own) => {
                let door = own.take_door();
                let commit = OwnCommit {
                    key: own.key,
                    door,
                    envelope_bytes: r.envelope_bytes,
                    payload_bytes,
                    record_crc,
                    facts: *facts,
                };
                // Nothing filled: the file may not be open yet; its envelope goes along.
                let unopened = own.take_envelope();
                self.gate.wait();
                self.send(Request::OwnCommit { worker: self.worker, commit, unopened });
                let own = PendingOwn { events: own.events, outcome: None };
                Commit::Later(PendingCommit::Own(own))
            }
        }
    }

    /// Asks how a [`Commit::Later`] went; each answer but `Wait` is final.
    ///
    /// Errors: `Wait`: not yet. `Full`: it failed, nothing is visible.
    pub fn poll_commit(&mut self, p: &mut PendingCommit) -> Result<Committed, NoRoom> {
        let id = match p {
            PendingCommit::Own(own) => return self.poll_own(own),
            PendingCommit::Flush(id) => *id,
        };
        self.gate.wait();
        match self.segment(id.segment).fate(id.slot) {
            Fate::Waiting => Err(NoRoom::Wait),
            Fate::Published => Ok(Self::committed(id)),
            Fate::Lost => Err(NoRoom::Full),
        }
    }

    fn poll_own(&mut self, p: &mut PendingOwn) -> Result<Committed, NoRoom> {
        if p.outcome.is_none() {
            self.gate.wait();
        }
        while p.outcome.is_none() {
            p.outcome = match p.events.try_recv() {
                // The file was opened after the commit was asked for; its map is not needed.
                Ok(OwnEvent::Opened(door)) => {
                    drop(door);
                    None
                }
                Ok(OwnEvent::Committed(id)) => Some(Ok(id)),
                Ok(OwnEvent::Failed) | Err(TryRecvError::Disconnected) => Some(Err(NoRoom::Full)),
                Err(TryRecvError::Empty) => return Err(NoRoom::Wait),
            };
            if p.outcome.is_some() {
                self.own_open -= 1;
            }
        }
        p.outcome.expect("the loop ended with one").map(Self::committed)
    }

    /// The transfer ended early: what it held is given back, and nothing is ever visible.
    pub fn release(&mut self, r: Reservation) {
        self.received = None;
        match r.place {
            Held::Region { region, to } => {
                if let Some(own) = to {
                    self.drop_own(*own);
                }
                self.release_region(region);
            }
            Held::Own(own) => self.drop_own(*own),
        }
    }

    fn hold_region(&mut self, bytes: u64) -> Result<Region, NoRoom> {
        if self.region_bytes + bytes > self.settings.region_bytes_max {
            return Err(NoRoom::Budget);
        }
        if self.current.fit(bytes) != Fit::Yes {
            self.make_room(bytes)?;
        }
        let start = self.current.hold(bytes);
        self.region_bytes += bytes;
        self.poke_if_low();
        Ok(Region { segment: self.current.number, start, bytes })
    }

    fn release_region(&mut self, region: Region) {
        self.segment(region.segment).release(region.start, region.start + region.bytes);
        self.region_ended(region);
    }

    /// Gives its share of the budget back, and seals its segment if it was the last one there.
    fn region_ended(&mut self, region: Region) {
        self.region_bytes -= region.bytes;
        if region.segment == self.current.number {
            return;
        }
        self.seal_left();
    }

    fn segment(&mut self, number: u32) -> &mut OpenSegment {
        if number == self.current.number {
            return &mut self.current;
        }
        let i = self.left_position(number);
        &mut self.left[i]
    }

    fn left_position(&self, number: u32) -> usize {
        let at = self.left.iter().position(|segment| segment.number == number);
        at.expect("a segment stays while a reservation is open in it")
    }

    fn open_own(&mut self, envelope: Vec<u8>, payload_bytes: u64) -> Result<Own, NoRoom> {
        if self.own_open >= self.settings.own_segments_max {
            return Err(NoRoom::Budget);
        }
        self.own_open += 1;
        self.own_keys += 1;
        let (own, request) = Own::new(self.worker, self.own_keys, envelope, payload_bytes);
        self.send(request);
        Ok(own)
    }

    /// Octets of `own` ready from `start` on, at least `least`. Errors: `Wait`, `Full`.
    fn own_ready(&mut self, own: &mut Own, start: u64, least: u64) -> Result<u64, NoRoom> {
        if let Ok(ready) = own.ready(start, least) {
            return Ok(ready);
        }
        self.gate.wait();
        self.poke();
        let ready = own.ready(start, least);
        if ready.is_ok() {
            self.gate.go_on();
        }
        ready
    }

    fn drop_own(&mut self, mut own: Own) {
        self.own_open -= 1;
        let door = own.take_door();
        self.send(Request::OwnDrop { worker: self.worker, key: own.key, door });
    }
}

/// To what a payload of `filled` octets grows for `more`: what it needs, and what is best, because
/// doubling keeps the number of moves small. `None`: it can't grow by a single octet.
fn sizes(filled: u64, more: u64) -> Option<(u64, u64)> {
    let needed = filled.saturating_add(more).min(PAYLOAD_BYTES_MAX);
    let best = needed.max(filled.saturating_mul(2)).min(PAYLOAD_BYTES_MAX);
    (needed > filled).then_some((needed, best))
}

/// Regions are whole multiples of the alignment, so that one ends where the next begins.
fn region_bytes(envelope_bytes: u64, payload_bytes: u64) -> u64 {
    (envelope_bytes + payload_bytes).next_multiple_of(RECORD_ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond 2 GiB, doubling asked for more than any payload may have and was refused.
    #[test]
    fn a_payload_grows_up_to_the_last_octet_that_a_slot_can_count() {
        const MAX: u64 = PAYLOAD_BYTES_MAX;
        for (filled, more, wanted) in [
            (0, 1, Some((1, 1))),
            (100, 1, Some((101, 200))),
            (100, 5000, Some((5100, 5100))),
            (3 << 30, 1, Some(((3 << 30) + 1, MAX))),
            (MAX - 1, 1, Some((MAX, MAX))),
            (MAX - 1, 60_000, Some((MAX, MAX))),
            (MAX, 1, None),
            (5, u64::MAX, Some((MAX, MAX))),
        ] {
            assert_eq!(sizes(filled, more), wanted, "{filled} and {more}");
        }
    }
}
