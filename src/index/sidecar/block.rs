//! Builds a block of a sidecar.
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use super::format::{BLOCK_HEADER_BYTES, BlockHeader, IndexEntry, RECORD_BYTES, encode_record};

/// Maximum number of messages in a block: a lookup decodes a whole block to return one message.
const RECORDS_MAX: u32 = 4096;
/// Number of string octets after which a block is ended.
const STRING_BYTES_MAX: usize = 1 << 20;

/// The identity: keys of the map are xxh3 hashes, so hashing them again would only cost time.
#[derive(Debug, Default)]
struct IsHash(u64);

impl Hasher for IsHash {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Builds a block: records of consecutive messages, with each distinct string stored once.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    header: BlockHeader,
    /// Space for the header, then the records.
    block: Vec<u8>,
    /// The strings, each terminated by NUL. The first is empty.
    strings: Vec<u8>,
    /// Offsets of strings, by their hashes.
    known: HashMap<u64, u32, BuildHasherDefault<IsHash>>,
}

impl BlockBuilder {
    /// Begins an empty block that covers slots from `slot` on. Keeps the buffers of the previous
    /// block.
    pub fn begin(&mut self, slot: u32) {
        self.header = BlockHeader { first_slot: slot, end_slot: slot, ..BlockHeader::default() };
        self.block.clear();
        self.block.resize(BLOCK_HEADER_BYTES, 0);
        self.strings.clear();
        self.strings.push(0);
        self.known.clear();
    }

    /// Returns the slot after the last one that the block covers, with or without a record.
    pub fn end_slot(&self) -> u32 {
        self.header.end_slot
    }

    /// Returns the number of records; slots that were passed over have none.
    pub fn records(&self) -> u32 {
        self.header.records
    }

    pub fn is_empty(&self) -> bool {
        self.header.first_slot == self.header.end_slot
    }

    pub fn is_full(&self) -> bool {
        self.header.records >= RECORDS_MAX || self.strings.len() >= STRING_BYTES_MAX
    }

    /// Covers the next slot without a record, because it holds no message.
    pub fn pass_over(&mut self) {
        self.header.end_slot += 1;
    }

    /// Covers the next slot, with the record of `entry`.
    pub fn push(&mut self, entry: &IndexEntry<'_>) {
        let strings = entry.strings().map(|string| self.intern(string));
        encode_record(&mut self.block, entry, strings);
        let at_ns = entry.columns.received_at_ns;
        if self.header.records == 0 {
            self.header.first_received_at_ns = at_ns;
        }
        self.header.last_received_at_ns = at_ns;
        self.header.records += 1;
        self.header.end_slot += 1;
    }

    fn intern(&mut self, string: &str) -> u32 {
        if string.is_empty() {
            return 0;
        }
        let hash = xxh3_64(string.as_bytes());
        if let Some(at) = self.known.get(&hash) {
            let known = &self.strings[*at as usize..];
            if known.starts_with(string.as_bytes()) && known.get(string.len()) == Some(&0) {
                return *at;
            }
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(string.as_bytes());
        self.strings.push(0);
        self.known.insert(hash, at);
        at
    }

    /// Completes the block and returns its encoding, for a sidecar whose header has this seed. Then
    /// call [`BlockBuilder::begin`] before the next message.
    pub fn finish(&mut self, seed: u32) -> &[u8] {
        debug_assert_eq!(
            self.block.len(),
            BLOCK_HEADER_BYTES + self.header.records as usize * RECORD_BYTES
        );
        self.header.string_bytes = self.strings.len() as u32;
        self.block.extend_from_slice(&self.strings);
        self.header.encode(&mut self.block, seed);
        &self.block
    }
}
