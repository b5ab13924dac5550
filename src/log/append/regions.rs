//! Regions of shared segments, reserved for payloads that arrive over many reads.
use super::commit::NoRoom;
use super::link::Link;
use super::segment::Fit;
use super::segments::Segments;
use crate::log::format::RECORD_ALIGN;

/// The octets `start..start + bytes` of a shared segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub segment: u32,
    pub start: u64,
    pub bytes: u64,
}

impl Region {
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

/// Returns the size of a region for an envelope and a payload: a multiple of the alignment, so that
/// each region ends where the next one can begin.
pub(super) fn region_bytes(envelope_bytes: u64, payload_bytes: u64) -> u64 {
    (envelope_bytes + payload_bytes).next_multiple_of(RECORD_ALIGN)
}

/// A worker's budget of open regions.
#[derive(Debug)]
pub(crate) struct Regions {
    /// Total size of open regions.
    bytes: u64,
    bytes_max: u64,
}

impl Regions {
    pub(crate) fn new(bytes_max: u64) -> Regions {
        Regions { bytes: 0, bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns whether a guessed size of `bytes` may be reserved. Guesses can only use the first
    /// half of the budget.
    pub(super) fn has_room_for_guess(&self, bytes: u64) -> bool {
        self.bytes + bytes <= self.bytes_max / 2
    }

    fn allow(&self, more: u64) -> Result<(), NoRoom> {
        if self.bytes + more > self.bytes_max { Err(NoRoom::Budget) } else { Ok(()) }
    }

    /// Reserves a region in the current segment.
    pub(super) fn hold(
        &mut self,
        segments: &mut Segments,
        link: &mut Link,
        bytes: u64,
    ) -> Result<Region, NoRoom> {
        self.allow(bytes)?;
        let room = match segments.current.fit(bytes) {
            Fit::Yes(room) => room,
            Fit::NotYet | Fit::Never => segments.make_room(link, bytes)?,
        };
        let start = segments.current.hold(room);
        self.bytes += bytes;
        segments.notify_if_low(link);
        Ok(Region { segment: segments.current.number, start, bytes })
    }

    /// Extends a region in place to `wanted` octets, if it is the last one in its segment and the
    /// segment has room. Returns `None` if it must move instead.
    pub(super) fn extend(
        &mut self,
        segments: &mut Segments,
        old: Region,
        wanted: u64,
    ) -> Result<Option<Region>, NoRoom> {
        let more = wanted - old.bytes;
        self.allow(more)?;
        let home = segments.segment(old.segment);
        if !home.is_last(old.end()) || !home.extend_last(more) {
            return Ok(None);
        }
        self.bytes += more;
        Ok(Some(Region { bytes: wanted, ..old }))
    }

    /// Moves the first `len` octets of `old` to a region of `wanted` octets in the current segment.
    pub(super) fn relocate(
        &mut self,
        segments: &mut Segments,
        link: &mut Link,
        old: Region,
        (wanted, len): (u64, u64),
    ) -> Result<Region, NoRoom> {
        // The old region is about to be released, so it must not count twice.
        self.bytes -= old.bytes;
        let held = self.hold(segments, link, wanted);
        self.bytes += old.bytes;
        let new = held?;
        copy(segments, old, new.start, len as usize);
        self.release(segments, link, old);
        Ok(new)
    }

    /// Releases a region and the slot promised to it.
    pub(super) fn release(&mut self, segments: &mut Segments, link: &mut Link, region: Region) {
        segments.segment(region.segment).release(region.start, region.end());
        self.end_region(segments, link, region);
    }

    /// Frees the region's share of the budget. Seals its segment if the worker has left it and
    /// nothing else is open in it.
    pub(super) fn end_region(&mut self, segments: &mut Segments, link: &mut Link, region: Region) {
        self.bytes -= region.bytes;
        if region.segment != segments.current.number {
            segments.seal_retired(link);
        }
    }
}

/// Copies the first `len` octets of `from` to `start` in the current segment.
fn copy(segments: &mut Segments, from: Region, start: u64, len: usize) {
    if from.segment == segments.current.number {
        segments.current.access.copy(from.start, start, len);
        return;
    }
    let (current, source) = segments.current_and(from.segment);
    let source = source.access.read(from.start, len);
    current.access.write(start, len).copy_from_slice(source);
}
