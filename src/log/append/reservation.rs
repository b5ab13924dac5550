//! Reservations: where they are, how much they hold, and how they grow.
use super::dedicated::{OpenDedicatedSegment, Running};
use super::regions::Region;
use crate::log::format::{PAYLOAD_BYTES_MAX, RECORDS_AT};

/// Whether the size in a request for space is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeBasis {
    /// The client declared it, or the octets have already arrived.
    Declared,
    /// Estimated from earlier payloads. A guess gets neither a dedicated segment nor any of the
    /// second half of the budget for regions: these are kept for declared sizes.
    Guessed,
}

/// Space reserved before a commit: a region in a shared segment, or a dedicated segment. Must be
/// passed to `commit_reserved` or `release`.
#[must_use]
#[derive(Debug)]
pub struct Reservation {
    pub(super) location: ReservationLocation,
    pub(super) envelope_bytes: u32,
    /// Number of payload octets that fit.
    pub(super) capacity: u64,
    /// Number of payload octets filled.
    pub(super) filled: u64,
    pub(super) crc: Running,
}

/// The location of a reservation.
#[derive(Debug)]
pub(super) enum ReservationLocation {
    Region(Region),
    /// In a region, but moving to a dedicated segment that is not ready yet.
    Moving(Region, Box<OpenDedicatedSegment>),
    Dedicated(Box<OpenDedicatedSegment>),
}

impl Reservation {
    pub(super) fn new(
        location: ReservationLocation,
        envelope_bytes: u32,
        capacity: u64,
    ) -> Reservation {
        Reservation { location, envelope_bytes, capacity, filled: 0, crc: Running::new() }
    }

    /// Returns the offset of the record in the file.
    pub(super) fn start(&self) -> u64 {
        match &self.location {
            ReservationLocation::Region(region) | ReservationLocation::Moving(region, _) => {
                region.start
            }
            ReservationLocation::Dedicated(_) => RECORDS_AT,
        }
    }

    /// Returns the offset of the first unfilled octet in the file.
    pub(super) fn front(&self) -> u64 {
        self.start() + self.held_bytes()
    }

    /// Returns the length of the envelope and the filled part of the payload.
    pub(super) fn held_bytes(&self) -> u64 {
        u64::from(self.envelope_bytes) + self.filled
    }

    /// Records that the reservation is now in `region`.
    pub(super) fn move_to(&mut self, region: Region) {
        self.capacity = region.bytes - u64::from(self.envelope_bytes);
        match &mut self.location {
            ReservationLocation::Region(old) | ReservationLocation::Moving(old, _) => *old = region,
            dedicated @ ReservationLocation::Dedicated(_) => {
                *dedicated = ReservationLocation::Region(region)
            }
        }
    }
}

/// Returns the size to which a payload of `filled` octets must grow for `more`, and the size to
/// prefer: at least double if [`PAYLOAD_BYTES_MAX`] allows, to keep moves rare. Returns `None` if
/// it can't grow by a single octet.
pub(super) fn sizes(filled: u64, more: u64) -> Option<(u64, u64)> {
    let needed = filled.saturating_add(more).min(PAYLOAD_BYTES_MAX);
    let best = needed.max(filled.saturating_mul(2)).min(PAYLOAD_BYTES_MAX);
    (needed > filled).then_some((needed, best))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond 2 GiB, doubling used to exceed the maximum payload and was refused.
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
