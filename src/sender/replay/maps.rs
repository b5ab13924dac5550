//! The mapped segments of the messages being sent.
use std::collections::VecDeque;

use bytes::Bytes;

use crate::log::Slot;
use crate::log::reader::{Folder, Mapped, ReadError};

/// Maximum number of mapped segments. Messages received at about the same time are in as many
/// segments as sinkd had workers; each large message has a dedicated segment.
const MAPS_MAX: usize = 64;
/// Maximum number of blocks of 256 KiB touched in our mappings: 64 MiB, and at most one more
/// message. Other blocks may or may not be in the page cache.
const BLOCKS_MAX: usize = 256;

/// Returns records without copying them.
#[derive(Debug)]
pub struct Maps<'a> {
    folder: &'a Folder,
    /// The most recently used map is last.
    maps: VecDeque<Mapped>,
    /// Segment and block, in the order in which they were touched.
    blocks: VecDeque<(u32, u32)>,
}

impl<'a> Maps<'a> {
    /// Starts without any mapping.
    pub fn new(folder: &'a Folder) -> Maps<'a> {
        Maps { folder, maps: VecDeque::new(), blocks: VecDeque::new() }
    }

    /// Returns envelope and payload (wire form) in place. Costs the checksum, and for the first
    /// record of a segment, opening the segment.
    ///
    /// Errors: the record is damaged, or was pruned meanwhile.
    pub fn record(&mut self, slot: &Slot) -> Result<(Bytes, Bytes), ReadError> {
        let number = slot.id().segment;
        let is_of_segment = |map: &Mapped| map.segment().number() == number;
        let map = match self.maps.iter().rposition(is_of_segment) {
            Some(at) if at + 1 == self.maps.len() => None,
            Some(at) => self.maps.remove(at),
            None => {
                let segment = self.folder.segment(number).map_err(|error| match error {
                    ReadError::Pruned { .. } => ReadError::NoSuchMessage { id: slot.id() },
                    other => other,
                })?;
                Some(Mapped::new(segment)?)
            }
        };
        if let Some(map) = map {
            self.maps.push_back(map);
        }
        if self.maps.len() > MAPS_MAX {
            self.maps.pop_front();
        }
        let map = self.maps.back_mut().expect("it is the last now");
        let record = map.record(slot, |block| self.blocks.push_back((number, block)));
        self.release_consumed();
        Ok(record?)
    }

    fn release_consumed(&mut self) {
        while self.blocks.len() > BLOCKS_MAX {
            let Some((number, block)) = self.blocks.pop_front() else { return };
            // A map that was dropped has already released all its blocks.
            if let Some(map) = self.maps.iter_mut().find(|map| map.segment().number() == number) {
                map.release_block(block);
            }
        }
    }
}
