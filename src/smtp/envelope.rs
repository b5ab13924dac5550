//! The envelope, encoded as it goes into the log.

/// Built incrementally, already encoded, while MAIL and RCPT arrive.
#[derive(Debug, Default)]
pub struct Envelope {
    bytes: Vec<u8>,
    declared_size: Option<u64>,
}
impl Envelope {
    /// The encoded envelope, as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// SIZE= of MAIL (RFC 1870).
    pub fn declared_size(&self) -> Option<u64> {
        self.declared_size
    }
}
