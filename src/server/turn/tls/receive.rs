//! From the socket into the input buffer, under TLS.
use crate::tls::Opened;

use crate::server::connection::{Conn, Input, Received, read};

/// What a record counts as, at least, in the octets that a connection may have in a round. Opening
/// a short one takes as long as reading some hundred octets.
const RECORD_COSTS_BYTES: usize = 512;

/// Opens the next record with content, and reads from the socket where none is whole.
///
/// One record at a time: its content is consumed before the next is opened, so a message that lies
/// in one record goes from here into the log with one copy.
pub fn receive_sealed(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    loop {
        let Some(records) = conn.tls.as_mut().and_then(|tls| tls.records()) else {
            // Closed on our side: what still comes is not for us.
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

/// Reads once, to after what is sealed. Returns the number of octets.
pub(super) fn fill(conn: &mut Conn, input: &mut Input) -> std::io::Result<usize> {
    let free = input.free_after_sealed();
    let asked = free.len();
    let count = read(&mut conn.socket, free)?;
    input.advance_sealed(count);
    // A stream that gave less than asked for has nothing more (epoll(7)).
    input.is_drained = count < asked
        && cfg!(all(target_os = "linux", not(sinkd_portable)))
        && !conn.reads_until_empty;
    Ok(count)
}

/// Reads what is no longer wanted.
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
