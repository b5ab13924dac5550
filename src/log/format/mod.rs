//! The bytes of a segment file, as defined in docs/segment-format.md: the offset of each structure,
//! and how it is encoded and decoded. Uses no files, maps or clocks.
//!
//! All integers are little-endian. Every offset is computed from the one before it.
mod checksum;
pub(crate) mod id;
mod identity;
mod layout;
mod live;
mod names;
mod seed;
mod slot;
mod words;

pub(crate) use checksum::{Crc, crc};
pub(crate) use identity::NoIdentity;
pub use identity::{SegmentIdentity, SegmentKind};
pub use layout::PAYLOAD_BYTES_MAX;
pub(crate) use layout::{
    FORMAT_VERSION, Hole, IDENTITY_AT, LIVE_AT, MAGIC, PAGE_BYTES, RECORD_ALIGN, RECORDS_AT,
    SEGMENT_BYTES_MIN, SLOT_BYTES, slot_at, slot_positions,
};
pub(crate) use live::{
    COUNTED_MAX, COUNTED_WORD, LIVE_WORDS, LiveWords, NOTES_WORD, PUBLISHED_WORD, REJECTIONS_WORD,
    SEAL_CHECK_WORD, STATE_WORD, SYNCED_WORD,
};
pub use live::{Published, SealedTotals, State};
pub use names::{BootId, StoreId};
pub(crate) use seed::Seed;
pub(crate) use slot::{Record, SlotSource, encode_slot};
pub use slot::{Slot, SlotFacts, SlotKind, StoredPart};
