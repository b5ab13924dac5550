//! TLS state of one connection.
use crate::tls::{Handshake, Records};

use crate::server::payload::{Buffer, TransferPool};

/// The TLS state of one connection. A connection without TLS has only a null pointer.
#[derive(Debug)]
pub struct ConnTls {
    pub layer: Layer,
    /// Encrypted octets that were read and could not be decrypted yet.
    pub held: Option<Buffer>,
    /// The last octets of the handshake, which are sent with the first replies.
    pub before: Vec<u8>,
    /// When the handshake began, µs of the worker's clock.
    pub started_us: u64,
    /// Whether any octets of the client have arrived.
    pub has_input: bool,
    /// Whether it counts as a handshake in progress.
    pub is_in_flight: bool,
}

/// The phase that TLS is in.
#[derive(Debug)]
pub enum Layer {
    /// The handshake: no content can be encrypted yet.
    Handshake(Handshake),
    /// The handshake is done.
    Records(Box<Records>),
    /// Nothing more can be encrypted: TLS was closed, or has failed.
    Over,
}

impl ConnTls {
    pub fn new(handshake: Handshake, started_us: u64) -> ConnTls {
        let layer = Layer::Handshake(handshake);
        ConnTls {
            layer,
            held: None,
            before: Vec::new(),
            started_us,
            has_input: false,
            is_in_flight: false,
        }
    }

    /// Returns the record layer, once the handshake is done.
    pub fn records(&mut self) -> Option<&mut Records> {
        match &mut self.layer {
            Layer::Records(records) => Some(records),
            Layer::Handshake(_) | Layer::Over => None,
        }
    }

    /// Puts the borrowed buffer back into `pool`.
    pub fn release(&mut self, pool: &mut TransferPool) {
        if let Some(held) = self.held.take() {
            pool.put_back(held);
        }
    }
}
