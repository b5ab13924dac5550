//! Offsets and sizes of the structures in a segment file.

/// Size of each header page, and of the pages that are populated and punched out.
pub const PAGE_BYTES: u64 = 4096;
/// Offset of the identity page, which is written once and has a checksum.
pub const IDENTITY_AT: u64 = 0;
/// Offset of the live page, with counts and state.
pub const LIVE_AT: u64 = IDENTITY_AT + PAGE_BYTES;
/// Offset of the first record.
pub const RECORDS_AT: u64 = LIVE_AT + PAGE_BYTES;
/// Size of a slot. Slot `i` begins `SLOT_BYTES * (i + 1)` octets before the end of the file.
pub const SLOT_BYTES: u64 = 64;
/// Offset of a slot's own checksum within the slot: at its end.
pub(super) const SLOT_CRC_AT: usize = SLOT_BYTES as usize - 4;
/// Maximum payload length: a slot stores it in 32 bits.
pub const PAYLOAD_BYTES_MAX: u64 = u32::MAX as u64;
/// Size of the smallest segment file: both pages and one slot.
pub const SEGMENT_BYTES_MIN: u64 = RECORDS_AT + SLOT_BYTES;
/// The version that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
pub(crate) const MAGIC: [u8; 8] = *b"SINKDSEG";

/// Alignment of records.
pub(crate) const RECORD_ALIGN: u64 = 8;
const _: () = assert!(PAGE_BYTES.is_multiple_of(SLOT_BYTES), "a slot never straddles a page");

/// A range of octets that belongs to no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Returns the offset of slot `index` in a segment of `segment_bytes`; `None` if it would overlap
/// the header pages.
pub(crate) fn slot_at(segment_bytes: u64, index: u32) -> Option<u64> {
    let at = segment_bytes.checked_sub(SLOT_BYTES * (u64::from(index) + 1))?;
    (at >= RECORDS_AT).then_some(at)
}

/// Returns how many slots fit in a segment of `segment_bytes` without records.
pub(crate) fn slot_positions(segment_bytes: u64) -> u32 {
    let positions = segment_bytes.saturating_sub(RECORDS_AT) / SLOT_BYTES;
    u32::try_from(positions).unwrap_or(u32::MAX)
}
