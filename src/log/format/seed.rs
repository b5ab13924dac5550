//! The common beginning of all checksums in a segment.
use super::checksum::crc;
use super::layout::SLOT_CRC_AT;
use super::names::StoreId;
use super::words::put64;

/// The first 20 of the 84 octets that a slot's checksum covers: store ID and segment number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed([u8; 20]);

impl Seed {
    pub(crate) fn new(store: StoreId, number: u32) -> Seed {
        let mut seed = [0; 20];
        seed[..16].copy_from_slice(&store.0);
        seed[16..].copy_from_slice(&number.to_le_bytes());
        Seed(seed)
    }

    /// Returns the CRC32C of store ID, segment number, slot index and the slot's first 60 octets.
    pub(super) fn slot_crc(&self, index: u32, slot: &[u8]) -> u32 {
        let mut covered = [0; 20 + 4 + SLOT_CRC_AT];
        covered[..20].copy_from_slice(&self.0);
        covered[20..24].copy_from_slice(&index.to_le_bytes());
        covered[24..].copy_from_slice(&slot[..SLOT_CRC_AT]);
        crc(&covered)
    }

    /// Returns the CRC32C of store ID, segment number, and the live page's counts and totals.
    pub(super) fn seal_crc(&self, counts: &[u64; 4], totals: &[u64; 6]) -> u32 {
        let mut covered = [0; 20 + 10 * 8];
        covered[..20].copy_from_slice(&self.0);
        for (i, word) in counts.iter().chain(totals).enumerate() {
            put64(&mut covered, 20 + 8 * i, *word);
        }
        crc(&covered)
    }
}
