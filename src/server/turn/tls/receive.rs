//! Reads from the socket into the input buffer, under TLS.
use crate::tls::Opened;

use crate::server::connection::{Conn, Input, Received, read};

/// The minimum that a record counts toward the octets a connection may receive in a round.
/// Decrypting a short record takes as long as reading several hundred octets.
const RECORD_COSTS_BYTES: usize = 512;

/// Decrypts the next record with content; reads from the socket if none is complete.
///
/// The content of a record is consumed before the next one is decrypted, so a message within one
/// record gets into the log with one copy.
pub fn receive_sealed(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    loop {
        let Some(records) = conn.tls.as_mut().and_then(|tls| tls.records.as_mut()) else {
            // TLS was closed on our side: further input is ignored.
            return drain(conn, input);
        };
        match records.open(input.sealed()) {
            Ok(Opened::Content { place, octets }) => {
                input.opened(place, octets);
                let count = octets.max(RECORD_COSTS_BYTES);
                return Ok(Received::Octets { count, is_short: false });
            }
            Ok(Opened::Nothing { octets }) => input.skip_sealed(octets),
            Ok(Opened::Closed) => return Ok(Received::End),
            Ok(Opened::Incomplete) if input.is_drained => return Ok(Received::Nothing),
            Ok(Opened::Incomplete) => {
                if fill(conn, input)? == 0 {
                    return Ok(Received::End);
                }
            }
            Err(failure) => return Ok(Received::Broken(failure)),
        }
    }
}

/// Reads once, appending to the encrypted octets. Returns the number of octets read.
pub(super) fn fill(conn: &mut Conn, input: &mut Input) -> std::io::Result<usize> {
    let free = input.free_after_sealed();
    let capacity = free.len();
    let count = read(&mut conn.socket, free)?;
    input.advance_sealed(count);
    // A short read means that the socket is empty (epoll(7)).
    input.is_drained = count < capacity
        && cfg!(all(target_os = "linux", not(sinkd_portable)))
        && !conn.incoming.reads_until_empty;
    Ok(count)
}

/// Reads and discards input.
fn drain(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    let unread = input.sealed().len();
    input.skip_sealed(unread);
    match fill(conn, input)? {
        0 => Ok(Received::End),
        count => {
            input.skip_sealed(count);
            Ok(Received::Octets { count, is_short: input.is_drained })
        }
    }
}
