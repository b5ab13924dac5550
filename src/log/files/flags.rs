//! `00000001.flags`: which messages of a segment were removed. If the file is missing, no message
//! counts as removed.
//!
//! A process that holds the lock of `events.jsonl` writes a complete new file and renames it into
//! place. The file names store and segment, so it never applies to another segment.
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::disk;
use super::layout;
use crate::log::format::{SegmentIdentity, StoreId, crc};

const MAGIC: &[u8; 8] = b"SINKDFLG";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 48;
const REMOVED: u8 = 1;

/// The segment that flags belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlagsOf {
    pub store: StoreId,
    pub number: u32,
}

impl From<&SegmentIdentity> for FlagsOf {
    fn from(identity: &SegmentIdentity) -> FlagsOf {
        FlagsOf { store: identity.store, number: identity.number }
    }
}

/// The removed messages of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Every slot below this is removed.
    pub watermark: u32,
    /// Number of messages below that slot.
    pub messages_below: u32,
    /// Number of removed messages without a slot (they were only counted).
    pub only_counted: u64,
    /// Slots of removed messages from the watermark on, ascending.
    pub removed: Vec<u32>,
}

impl Flags {
    pub(crate) fn is_removed(&self, slot: u32) -> bool {
        slot < self.watermark || self.removed.binary_search(&slot).is_ok()
    }

    /// Returns the total number of removed messages.
    pub(crate) fn messages(&self) -> u64 {
        u64::from(self.messages_below) + self.removed.len() as u64
    }

    /// Returns the number of removed messages from the watermark on, in slots before `slot`.
    pub(crate) fn removed_before(&self, slot: u32) -> u32 {
        self.removed.partition_point(|removed| *removed < slot) as u32
    }

    /// Removes the message in `slot`. Returns false if it was removed before.
    pub(crate) fn remove(&mut self, slot: u32) -> bool {
        if slot < self.watermark {
            return false;
        }
        match self.removed.binary_search(&slot) {
            Ok(_) => false,
            Err(at) => {
                self.removed.insert(at, slot);
                true
            }
        }
    }

    /// Removes every slot below `slot`. `messages_below` is the number of messages in these slots.
    pub(crate) fn raise(&mut self, slot: u32, messages_below: u32) {
        debug_assert!(messages_below <= slot, "a message has a slot");
        if slot > self.watermark {
            (self.watermark, self.messages_below) = (slot, messages_below);
            self.removed.retain(|removed| *removed >= slot);
        }
    }

    fn encode(&self, of: FlagsOf) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&of.number.to_le_bytes());
        bytes.extend_from_slice(&of.store.0);
        bytes.extend_from_slice(&self.watermark.to_le_bytes());
        bytes.extend_from_slice(&self.messages_below.to_le_bytes());
        bytes.extend_from_slice(&self.only_counted.to_le_bytes());
        let end = self.removed.last().map_or(self.watermark, |last| last + 1);
        bytes.resize(HEADER_BYTES + (end - self.watermark) as usize, 0);
        for slot in &self.removed {
            bytes[HEADER_BYTES + (slot - self.watermark) as usize] |= REMOVED;
        }
        bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8], of: FlagsOf) -> Option<Flags> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        let is_whole = body.len() >= HEADER_BYTES && crc(body) == u32::from_le_bytes(*sum);
        let word = |at: usize| body[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or(0);
        if !is_whole
            || body[..8] != *MAGIC
            || word(8) != VERSION
            || word(12) != of.number
            || body[16..32] != of.store.0
        {
            return None;
        }
        let (watermark, messages_below) = (word(32), word(36));
        let only_counted = u64::from(word(40)) | u64::from(word(44)) << 32;
        let single = body[HEADER_BYTES..].iter().zip(watermark..);
        let removed = single.filter(|(flags, _)| **flags & REMOVED != 0).map(|(_, slot)| slot);
        Some(Flags { watermark, messages_below, only_counted, removed: removed.collect() })
    }
}

/// Returns the path, such as `segments/00000001.flags`.
pub(crate) fn path_of(folder: &Path, number: u32) -> PathBuf {
    layout::segment_path(folder, number).with_extension("flags")
}

/// Returns the flags of a segment: none if the file is missing, unreadable, damaged or about
/// another segment.
pub(crate) fn load(folder: &Path, of: FlagsOf) -> Flags {
    read(folder, of).unwrap_or_else(|file| {
        let file = file.display();
        tracing::warn!(%file, "unreadable, damaged, or about another segment: ignored");
        Flags::default()
    })
}

/// Reads flags as [`load`] does, for callers that report unusable flags themselves: the error is
/// the path of the file.
pub(crate) fn read(folder: &Path, of: FlagsOf) -> Result<Flags, PathBuf> {
    let path = path_of(folder, of.number);
    match fs::read(&path) {
        Ok(bytes) => Flags::decode(&bytes, of).ok_or(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Flags::default()),
        Err(_) => Err(path),
    }
}

/// Writes the flags of a segment. The caller holds the lock of `events.jsonl`.
pub(crate) fn store(folder: &Path, of: FlagsOf, flags: &Flags) -> io::Result<()> {
    let path = path_of(folder, of.number);
    let new = path.with_extension("flags.new");
    let mut file = disk::private().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(&flags.encode(of))?;
    fs::rename(new, path)
}

/// Deletes the flags of a segment that no longer exists.
pub(crate) fn forget(folder: &Path, number: u32) {
    // Usually there is no such file.
    drop(fs::remove_file(path_of(folder, number)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(number: u32) -> FlagsOf {
        FlagsOf { store: StoreId([7; 16]), number }
    }

    #[test]
    fn flags_read_back_and_belong_to_one_segment() {
        let mut flags = Flags::default();
        assert!(flags.remove(9) && flags.remove(3) && !flags.remove(9));
        flags.raise(5, 4);
        flags.only_counted = 1 << 40;
        assert!(flags.is_removed(4) && !flags.is_removed(5) && flags.is_removed(9));
        assert_eq!(
            (flags.messages(), flags.removed_before(9), flags.removed_before(10)),
            (5, 0, 1)
        );
        let bytes = flags.encode(flags_of(2));
        assert_eq!(Flags::decode(&bytes, flags_of(2)), Some(flags));
        assert_eq!(Flags::decode(&bytes, flags_of(3)), None);
        let other = FlagsOf { store: StoreId([8; 16]), number: 2 };
        assert_eq!(Flags::decode(&bytes, other), None);
        for cut in 0..bytes.len() {
            assert_eq!(Flags::decode(&bytes[..cut], flags_of(2)), None);
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Flags::decode(&flipped, flags_of(2)), None);
        }
    }
}
