//! TLS state of one connection.
use crate::tls::Records;

use crate::server::payload::{Buffer, TransferPool};

/// The TLS state of one connection, after its handshake. A connection without TLS has only a null
/// pointer.
#[derive(Debug)]
pub struct ConnTls {
    /// `None`: nothing more can be encrypted, because TLS was closed or has failed.
    pub records: Option<Box<Records>>,
    /// Encrypted octets that were read and could not be decrypted yet.
    pub held: Option<Buffer>,
    /// The last octets of the handshake, which are sent with the first replies.
    pub before: Vec<u8>,
}

impl ConnTls {
    /// `before`: the last octets of the handshake.
    pub fn new(records: Records, before: Vec<u8>) -> ConnTls {
        ConnTls { records: Some(Box::new(records)), held: None, before }
    }

    /// Puts the borrowed buffer back into `pool`.
    pub fn release(&mut self, pool: &mut TransferPool) {
        if let Some(held) = self.held.take() {
            pool.put_back(held);
        }
    }
}
