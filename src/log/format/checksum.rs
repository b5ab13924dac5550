//! The checksum of records, slots and pages: CRC32C.

/// Returns the CRC32C (Castagnoli, as in iSCSI; RFC 3720 section 12.1). Uses the processor's
/// instructions for it where it has them.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Computes the checksum over several pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc(crc_fast::Digest);

impl Crc {
    pub(crate) fn new() -> Crc {
        Crc(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u32 {
        self.0.finalize() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_matches_the_format_document() {
        assert_eq!(crc(b"123456789"), 0xe306_9283);
        let mut parts = Crc::new();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!(parts.value(), 0xe306_9283);
    }
}
