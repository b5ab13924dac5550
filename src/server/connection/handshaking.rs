//! The TLS handshake of a connection.
use crate::time::MonotonicUs;
use crate::tls::Handshake;

use crate::server::payload::{Buffer, TransferPool};

/// A TLS handshake in progress: no reply can be sent, and no content can be encrypted yet.
#[derive(Debug)]
pub struct Handshaking {
    pub handshake: Handshake,
    /// Octets of an incomplete message of the client.
    pub held: Option<Buffer>,
    /// When the handshake began.
    pub started_us: MonotonicUs,
    /// Whether any octets of the client have arrived.
    pub has_input: bool,
}

impl Handshaking {
    pub fn new(handshake: Handshake, started_us: MonotonicUs) -> Handshaking {
        Handshaking { handshake, held: None, started_us, has_input: false }
    }

    /// Puts the borrowed buffer back into `pool`.
    pub fn release(&mut self, pool: &mut TransferPool) {
        if let Some(held) = self.held.take() {
            pool.put_back(held);
        }
    }
}
