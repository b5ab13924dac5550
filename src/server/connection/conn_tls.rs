//! The TLS of one connection.
use crate::tls::{Handshake, Records};

use crate::server::payload::{Buffer, TransferPool};

/// The TLS of one connection; connections without pay for a pointer.
#[derive(Debug)]
pub struct ConnTls {
    pub layer: Layer,
    /// Sealed octets that were read and could not be opened yet.
    pub held: Option<Buffer>,
    /// The last octets of the handshake: they leave with the first replies.
    pub before: Vec<u8>,
    /// When the handshake began, us of the worker's clock.
    pub begun_us: u64,
    /// Octets of the client have come.
    pub is_heard: bool,
    /// It counts among the handshakes under way.
    pub is_in_flight: bool,
}

/// How far TLS has come.
#[derive(Debug)]
pub enum Layer {
    /// Nothing is sealed yet.
    Handshake(Handshake),
    Records(Box<Records>),
    /// Nothing can be sealed: it was closed, or has failed.
    Over,
}

impl ConnTls {
    pub fn new(handshake: Handshake, begun_us: u64) -> ConnTls {
        let layer = Layer::Handshake(handshake);
        ConnTls {
            layer,
            held: None,
            before: Vec::new(),
            begun_us,
            is_heard: false,
            is_in_flight: false,
        }
    }

    /// The records, once the handshake is done.
    pub fn records(&mut self) -> Option<&mut Records> {
        match &mut self.layer {
            Layer::Records(records) => Some(records),
            Layer::Handshake(_) | Layer::Over => None,
        }
    }

    /// Returns what it has borrowed.
    pub fn release(&mut self, pool: &mut TransferPool) {
        if let Some(held) = self.held.take() {
            pool.give(held);
        }
    }
}
