//! A segment that is mapped as a whole: returns records in place, for callers that forward them.
use std::sync::Arc;

use bytes::Bytes;

use super::{Damage, ReadError, Segment};
use crate::log::files::map::RecordsView;
use crate::log::format::{Slot, crc};

/// Number of octets that are populated at once.
const BLOCK_BYTES: u64 = 256 << 10;

/// A segment, open or sealed, mapped for reading. It stays readable after the file is unlinked. As
/// long as one of its records is held, its file is not recycled for another segment.
///
/// For a single reader, because it tracks which pages are populated.
#[derive(Debug)]
pub struct Mapped {
    segment: Arc<Segment>,
    view: Arc<RecordsView>,
    /// Whether each block is populated.
    present: Vec<bool>,
}

impl Mapped {
    /// Maps a segment. Costs six system calls, one of them a read of 4 KiB.
    ///
    /// Errors: the file can't be mapped or locked, or was recycled for another segment.
    pub fn new(segment: Arc<Segment>) -> Result<Mapped, ReadError> {
        let io = |cause| Damage::Io { file: segment.path().to_owned(), offset: 0, cause };
        let file = segment.file().file().try_clone().map_err(io)?;
        let view = Arc::new(RecordsView::new(file, segment.identity()).map_err(io)?);
        let bytes = segment.identity().segment_bytes;
        let present = vec![false; usize::try_from(bytes.div_ceil(BLOCK_BYTES)).unwrap_or(0)];
        Ok(Mapped { segment, view, present })
    }

    /// Returns the segment.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Returns the envelope and payload (wire form) of a slot in place, if the checksum is right.
    /// Calls `brought_in` for each block of the file that was populated: see
    /// [`Mapped::release_block`]. Costs the CRC, and a system call per new 256 KiB.
    ///
    /// Errors: the record is damaged, or can't be read.
    pub fn record(
        &mut self,
        slot: &Slot,
        mut brought_in: impl FnMut(u32),
    ) -> Result<(Bytes, Bytes), Damage> {
        let file = || self.segment.path().to_owned();
        let (id, offset) = (slot.id(), slot.record_offset());
        let is_published = id.slot < self.segment.published().slots;
        let Some(record) = self.view.record(slot).filter(|_| is_published) else {
            return Err(Damage::NoSuchSlot { file: file(), id });
        };
        let range = offset..slot.record_end();
        for block in range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES) {
            let present = &mut self.present[block as usize];
            if !*present {
                let io = |cause| Damage::Io { file: file(), offset, cause };
                self.view.populate(block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES).map_err(io)?;
                *present = true;
                brought_in(block as u32);
            }
        }
        if crc(record.as_ref()) != slot.record_crc() {
            return Err(Damage::Record { file: file(), offset, id });
        }
        let (envelope, payload) = record.split_at(u64::from(slot.envelope_bytes()));
        Ok((Bytes::from_owner(envelope), Bytes::from_owner(payload)))
    }

    /// Releases the memory of a block. A record in it can still be read by its holder.
    pub fn release_block(&mut self, block: u32) {
        if let Some(present) = self.present.get_mut(block as usize) {
            *present = false;
            let start = u64::from(block) * BLOCK_BYTES;
            self.view.release_pages(start..start + BLOCK_BYTES);
        }
    }
}
