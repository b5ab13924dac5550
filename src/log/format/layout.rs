//! Where the structures of a segment file stand.

/// What every structure of the format is aligned to.
pub const PAGE_BYTES: u64 = 4096;
/// The identity page: written once, checksummed.
pub const IDENTITY_AT: u64 = 0;
/// The live page: counts and state.
pub const LIVE_AT: u64 = IDENTITY_AT + PAGE_BYTES;
/// The first record.
pub const RECORDS_AT: u64 = LIVE_AT + PAGE_BYTES;
/// A slot; slot `i` begins `SLOT_BYTES * (i + 1)` before the end of the file.
pub const SLOT_BYTES: u64 = 64;
/// Where a slot's own checksum stands in it: at its end.
pub(super) const SLOT_CRC_AT: usize = SLOT_BYTES as usize - 4;
/// A payload's length is 32 bits in the slot.
pub const PAYLOAD_BYTES_MAX: u64 = u32::MAX as u64;
/// The smallest file that can hold a segment: both pages and one slot.
pub const SEGMENT_BYTES_MIN: u64 = RECORDS_AT + SLOT_BYTES;
/// The version this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
pub(crate) const MAGIC: [u8; 8] = *b"SINKDSEG";

/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGN: u64 = 8;
const _: () = assert!(PAGE_BYTES.is_multiple_of(SLOT_BYTES), "a slot never straddles a page");

/// Octets that belong to no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Offset of slot `index` in a segment of `segment_bytes`; `None`: it would overlap the header
/// pages.
pub(crate) fn slot_at(segment_bytes: u64, index: u32) -> Option<u64> {
    let at = segment_bytes.checked_sub(SLOT_BYTES * (u64::from(index) + 1))?;
    (at >= RECORDS_AT).then_some(at)
}

/// Number of slots that fit in a segment of `segment_bytes` with no records.
pub(crate) fn slot_positions(segment_bytes: u64) -> u32 {
    let positions = segment_bytes.saturating_sub(RECORDS_AT) / SLOT_BYTES;
    u32::try_from(positions).unwrap_or(u32::MAX)
}
