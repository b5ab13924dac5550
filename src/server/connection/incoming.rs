//! What a connection keeps about its input between turns.
use std::num::NonZero;

use crate::server::payload::Buffer;

/// The input side of a connection.
#[derive(Debug)]
pub struct Incoming {
    /// Input that could not be consumed yet: part of a line, or octets after a payload that waits
    /// for the log.
    pub held: Option<Buffer>,
    /// Wire octets of the last accepted payload of the session: the guess for the size of the next
    /// one. `None`: there was none yet, or it was empty.
    pub last_payload_bytes: Option<NonZero<u32>>,
    /// Whether short reads don't mean that the socket is empty: the peer has shut down its side or
    /// sent urgent data, or may pass descriptors.
    pub reads_until_empty: bool,
}
