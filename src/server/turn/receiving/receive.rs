//! Reads from the socket: into the log or a staging buffer (payloads that are stored in full,
//! without TLS), or into the input buffer (everything else).
use std::io::{ErrorKind, IoSliceMut, Read};

use crate::log::NoRoom;

use super::finish::finish;
use crate::server::connection::{Conn, Flow, Input, Received, read};
use crate::server::listening::Stream;
use crate::server::payload::{Fate, Framing, STAGED_BYTES_MAX, Scanned, Storage, Transfer};
use crate::server::turn::tls::receive_sealed;
use crate::server::turn::worker_context::WorkerContext;

/// The result of reading a piece of a payload.
struct Arrived {
    count: usize,
    capacity: usize,
    /// Whether the mail data, or the chunk, is complete.
    is_end: bool,
}

/// Why no piece of a payload was read.
enum NoPiece {
    NoRoom(NoRoom),
    Io(std::io::Error),
}

/// Reads once from the client's socket.
pub fn receive(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> std::io::Result<Received> {
    if conn.tls.is_some() {
        return match receive_sealed(conn, input) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
            other => other,
        };
    }
    let received = match &mut conn.flow {
        Flow::Payload(transfer) if transfer.fate == Fate::Keep => {
            let envelope = conn.session.envelope();
            let is_data = matches!(transfer.framing, Framing::Data(_));
            let piece = if is_data && transfer.octets.may_come_at_once() {
                receive_at_tail(transfer, &mut conn.socket, envelope, worker, input)
            } else {
                receive_in_place(transfer, &mut conn.socket, envelope, worker, input)
            };
            received(conn, worker, piece)
        }
        _ => receive_input(conn, input),
    };
    match received {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
        other => other,
    }
}

fn receive_input(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    let free = input.free();
    let capacity = free.len();
    let count = read(&mut conn.socket, free)?;
    input.advance(count);
    Ok(octets(count, capacity))
}

/// Receives the first octets of mail data at the tail of the log, as one read usually receives all
/// of it. If it doesn't, the octets are moved into a buffer.
#[inline(always)]
fn receive_at_tail(
    transfer: &mut Transfer,
    socket: &mut Stream,
    envelope: &[u8],
    worker: &mut WorkerContext,
    input: &mut Input,
) -> Result<Arrived, NoPiece> {
    let Storage { writer, pool } = &mut worker.storage;
    let space = writer.receive_here(envelope, STAGED_BYTES_MAX).map_err(NoPiece::NoRoom)?;
    let capacity = space.len();
    let count = read(socket, space).map_err(NoPiece::Io)?;
    let Scanned { octets, is_end } = transfer.framing.scan(&space[..count], &mut transfer.dots);
    transfer.wire_bytes = octets as u64;
    if is_end {
        input.fill(&space[octets..count]);
        transfer.octets.put_at_tail();
        transfer.came_at_once = true;
    } else if count > 0
        && let Err(why) = transfer.octets.stage(&space[..count], pool)
    {
        worker.refuse_for_want_of_room(transfer, why);
    }
    Ok(Arrived { count, capacity, is_end })
}

/// Receives more of a payload where it is kept. Octets after the payload go into the input buffer.
fn receive_in_place(
    transfer: &mut Transfer,
    socket: &mut Stream,
    envelope: &[u8],
    worker: &mut WorkerContext,
    input: &mut Input,
) -> Result<Arrived, NoPiece> {
    let more = match transfer.framing {
        Framing::Data(_) => 1,
        Framing::Chunk { .. } => transfer.framing.bound(usize::MAX),
    };
    let storage = &mut worker.storage;
    let space = transfer.octets.space(envelope, more, storage).map_err(NoPiece::NoRoom)?;
    let bound = transfer.framing.bound(space.len());
    let space = &mut space[..bound];
    // If the chunk ends within this space, the same read receives the octets after it.
    let ends_here = matches!(transfer.framing, Framing::Chunk { left, .. } if left == bound as u64);
    let (count, capacity) = if ends_here {
        let free = input.free();
        let capacity = bound + free.len();
        (read_both(socket, space, free).map_err(NoPiece::Io)?, capacity)
    } else {
        (read(socket, space).map_err(NoPiece::Io)?, bound)
    };
    let here = count.min(bound);
    input.advance(count - here);
    let Scanned { octets, is_end } = transfer.framing.scan(&space[..here], &mut transfer.dots);
    if octets < here {
        input.fill(&space[octets..here]);
    }
    transfer.octets.filled(octets, &mut storage.writer);
    transfer.wire_bytes += octets as u64;
    Ok(Arrived { count, capacity, is_end })
}

/// Handles the result of reading a piece.
#[inline]
fn received(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    piece: Result<Arrived, NoPiece>,
) -> std::io::Result<Received> {
    let piece = match piece {
        Ok(piece) => piece,
        Err(NoPiece::Io(error)) => return Err(error),
        Err(NoPiece::NoRoom(NoRoom::Wait)) => return Ok(Received::Parked),
        Err(NoPiece::NoRoom(why)) => {
            if let Some(transfer) = conn.transfer_mut() {
                worker.refuse_for_want_of_room(transfer, why);
            }
            return Ok(Received::Refused);
        }
    };
    if piece.is_end {
        conn.payload_is_here();
        if let Flow::Waiting(transfer) = &conn.flow
            && transfer.came_at_once
            && let Some(transfer) = conn.take_transfer()
        {
            // This must precede any other call to the writer. If the commit has to wait, `consume`
            // finds the waiting transfer.
            let _ = finish(conn, worker, transfer);
        }
    } else {
        let bytes_max = conn.session.message_bytes_max();
        if let Some(transfer) = conn.transfer_mut() {
            transfer.refuse_if_beyond(bytes_max, &mut worker.storage);
        }
    }
    Ok(octets(piece.count, piece.capacity))
}

fn octets(count: usize, capacity: usize) -> Received {
    match count {
        0 => Received::End,
        _ => Received::Octets { count, is_short: count < capacity },
    }
}

fn read_both(
    socket: &mut impl Read,
    payload: &mut [u8],
    after: &mut [u8],
) -> std::io::Result<usize> {
    assert!(!payload.is_empty(), "a complete chunk needs no read");
    loop {
        let mut both = [IoSliceMut::new(payload), IoSliceMut::new(after)];
        match socket.read_vectored(&mut both) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
