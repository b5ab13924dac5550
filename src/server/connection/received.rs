//! The result of reading from a client's socket.
use std::io::{ErrorKind, Read};

use crate::tls::Failure;

/// The result of a read.
pub enum Received {
    /// `count` octets were read. `is_short`: fewer than requested.
    Octets { count: usize, is_short: bool },
    /// No octets are available at the moment.
    Nothing,
    /// The client has shut down its side.
    End,
    /// Nothing was read: the log has no room yet.
    Parked,
    /// Nothing was read: the payload was refused, so its octets go through the input buffer from
    /// now on.
    Refused,
    /// TLS has failed: nothing more can be read.
    Broken(Failure),
}

/// Reads once; repeats the call if a signal interrupted it.
pub fn read(socket: &mut impl Read, space: &mut [u8]) -> std::io::Result<usize> {
    assert!(!space.is_empty(), "an empty read looks like the end of the stream");
    loop {
        match socket.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
