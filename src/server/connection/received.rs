//! What a read from a client's socket comes to.
use std::io::{ErrorKind, Read};

use crate::tls::Failure;

/// The outcome of a read.
pub enum Received {
    /// Octets. `is_short`: fewer than were asked for.
    Octets { count: usize, is_short: bool },
    /// There are none at the moment.
    Nothing,
    /// The client sends no more.
    End,
    /// Nothing was read: the log has no room yet.
    Parked,
    /// Nothing was read: the payload was refused, and its octets are input from now on.
    Refused,
    /// TLS has failed: nothing that follows can be read.
    Broken(Failure),
}

/// Reads once, over interruptions.
pub fn read(socket: &mut impl Read, space: &mut [u8]) -> std::io::Result<usize> {
    assert!(!space.is_empty(), "a read into nothing looks like the end of the stream");
    loop {
        match socket.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
