//! A sidecar file, `index/00000001.idx`: the index of one segment.
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::format::{
    BLOCK_HEADER_BYTES, Block, BlockHeader, HEADER_BYTES, IndexEntry, SidecarHeader, Unusable,
};
use super::paths::{numbers, path};
use crate::log::SegmentIdentity;

/// Returns the header field that numbers messages, from the newest usable sidecar.
/// Costs a small read for each sidecar that is not usable.
pub fn sequence_field(data: &Path) -> io::Result<Option<String>> {
    for number in numbers(data)?.into_iter().rev() {
        let mut head = [0; HEADER_BYTES];
        let read = fs::File::open(path(data, number)).and_then(|f| f.read_exact_at(&mut head, 0));
        if let (Ok(()), Ok(header)) = (read, SidecarHeader::decode(&head)) {
            return Ok(header.sequence_field);
        }
    }
    Ok(None)
}

/// Returns whether the sidecar of a sealed segment with `slots` slots covers all of them. Costs two
/// small reads.
pub fn is_complete(data: &Path, header: &SidecarHeader, slots: u32) -> bool {
    let last = || -> io::Result<bool> {
        let file = fs::File::open(path(data, header.number))?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact_at(&mut head, 0)?;
        let mut end = [0; BLOCK_HEADER_BYTES];
        let at = file.metadata()?.len().saturating_sub(BLOCK_HEADER_BYTES as u64);
        file.read_exact_at(&mut end, at)?;
        let block = Block::decode(&end, header.seed());
        let is_end = block.is_some_and(|(block, _)| block.header == BlockHeader::end(slots));
        Ok(is_end && SidecarHeader::decode(&head).as_ref() == Ok(header))
    };
    last().unwrap_or(false)
}

/// A sidecar read into memory.
#[derive(Debug)]
pub struct Sidecar {
    header: SidecarHeader,
    bytes: Vec<u8>,
    /// The octets of each valid block in `bytes`, in order.
    blocks: Vec<Range<usize>>,
    /// Length of the valid part.
    sound_bytes: usize,
    end_slot: u32,
    records: u64,
}

impl Sidecar {
    /// Reads the sidecar of segment `identity`. Returns `None` if there is none yet. Costs one read
    /// of about 200 octets per message, and their checksums.
    pub fn read(
        data: &Path,
        identity: &SegmentIdentity,
    ) -> io::Result<Option<Result<Sidecar, Unusable>>> {
        match fs::read(path(data, identity.number)) {
            // The file is being created.
            Ok(bytes) if bytes.len() < HEADER_BYTES => Ok(None),
            Ok(bytes) => Ok(Some(Sidecar::parse(bytes, identity))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Parses `bytes`, which may have any value. Uses all blocks up to the first one that is
    /// invalid or skips slots.
    pub fn parse(bytes: Vec<u8>, identity: &SegmentIdentity) -> Result<Sidecar, Unusable> {
        let header = SidecarHeader::decode(&bytes)?;
        if (header.store, header.number) != (identity.store, identity.number) {
            return Err(Unusable::Damaged);
        }
        let seed = header.seed();
        let (mut at, mut end_slot, mut records) = (HEADER_BYTES, 0, 0);
        let mut blocks = Vec::new();
        while let Some((block, len)) = Block::decode(&bytes[at..], seed) {
            if block.header.first_slot != end_slot {
                break;
            }
            blocks.push(at..at + len);
            at += len;
            end_slot = block.header.end_slot;
            records += u64::from(block.header.records);
        }
        Ok(Sidecar { header, bytes, blocks, sound_bytes: at, end_slot, records })
    }

    /// Returns the header. Its identity equals the identity of the segment it was read for.
    pub fn header(&self) -> &SidecarHeader {
        &self.header
    }

    /// Returns the first slot that no valid block covers. Later messages must be read from the log.
    pub fn end_slot(&self) -> u32 {
        self.end_slot
    }

    /// Returns the number of entries, including those of unreadable messages.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns the number of octets after the valid part: a block that is being written, or damage.
    pub fn unsound_bytes(&self) -> usize {
        self.bytes.len() - self.sound_bytes
    }

    /// Returns the length of the valid part.
    pub(super) fn sound_bytes(&self) -> u64 {
        self.sound_bytes as u64
    }

    /// Iterates over the entries, from the highest slot to the lowest. Decodes them as it goes.
    pub fn backward(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        let blocks = self.blocks.iter().rev();
        let blocks = blocks.filter_map(|range| Block::view(&self.bytes[range.clone()]));
        blocks.flat_map(|block| (0..block.header.records).rev().map(move |i| block.entry(i)))
    }
}
