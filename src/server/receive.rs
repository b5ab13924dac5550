//! From the socket into the input buffer, a staging buffer, or straight into the log.
use std::io::{ErrorKind, IoSliceMut, Read};

use crate::log::NoRoom;

use super::bench::{Bench, Input};
use super::commit::{commit_received, give_up_if_too_large, no_room};
use super::conn::{Conn, Flow};
use super::consume::Next;
use super::transfer::{STAGED_BYTES_MAX, Way};

pub(super) enum Received {
    Octets {
        count: usize,
        short: bool,
    },
    Nothing,
    End,
    Parked,
    /// Nothing was read; the transfer was given up, its octets are read as input from now on.
    GivenUp,
}

pub(super) fn receive(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
) -> std::io::Result<Received> {
    let kept = conn.transfer.as_ref().is_some_and(|t| t.direct);
    let received = match conn.flow {
        Flow::Data if kept => receive_data(conn, bench, input),
        Flow::Chunk { left, .. } if kept => receive_chunk(conn, bench, input, left),
        _ => receive_input(conn, input),
    };
    match received {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
        other => other,
    }
}

/// Reads once, over interruptions.
pub(super) fn read(socket: &mut impl Read, space: &mut [u8]) -> std::io::Result<usize> {
    assert!(!space.is_empty(), "a read into nothing looks like the end of the stream");
    loop {
        match socket.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(super) fn receive_input(conn: &mut Conn, input: &mut Input) -> std::io::Result<Received> {
    let free = input.free();
    let asked = free.len();
    let count = read(&mut conn.socket, free)?;
    if count == 0 {
        return Ok(Received::End);
    }
    input.advance(count);
    Ok(Received::Octets { count, short: count < asked })
}

/// Mail data, from the socket into the log or its staging buffer.
pub(super) fn receive_data(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    if matches!(transfer.way, Way::Nothing) && transfer.expected_bytes <= STAGED_BYTES_MAX as u64 {
        return receive_whole(conn, bench, input);
    }
    let envelope = conn.session.envelope().as_bytes();
    let way = transfer.make_way(envelope, 1, &mut bench.pool, &mut bench.writer);
    let space = way.and_then(|()| match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => Ok(buffer.free()),
        Way::Reserved(reservation) => bench.writer.space(reservation),
    });
    let space = match space {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let asked = space.len();
    let count = read(&mut conn.socket, space)?;
    if count == 0 {
        return Ok(Received::End);
    }
    let found = transfer.end.scan(&space[..count], &mut transfer.dots);
    let octets = found.unwrap_or(count);
    input.fill(&space[octets..count]);
    match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => buffer.advance(octets),
        Way::Reserved(reservation) => bench.writer.filled(reservation, octets),
    }
    transfer.wire_bytes += octets as u64;
    transfer.heard_ms = bench.clock.now_ms();
    if found.is_some() {
        conn.flow = Flow::Commit;
    } else {
        give_up_if_too_large(conn, bench);
    }
    Ok(Received::Octets { count, short: count < asked })
}

pub(super) fn given_up(conn: &mut Conn, bench: &mut Bench, why: NoRoom) -> Received {
    match no_room(conn, bench, why) {
        Next::Stop(_) => Received::Parked,
        Next::Again => Received::GivenUp,
    }
}

/// The first octets of a payload that may come in one read: received at the tail of the log, and
/// if they are all, committed where they lie.
pub(super) fn receive_whole(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    let envelope = conn.session.envelope().as_bytes();
    let space = match bench.writer.receive_here(envelope, STAGED_BYTES_MAX) {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let asked = space.len();
    let count = read(&mut conn.socket, space)?;
    if count == 0 {
        return Ok(Received::End);
    }
    let found = transfer.end.scan(&space[..count], &mut transfer.dots);
    transfer.wire_bytes = found.unwrap_or(count) as u64;
    transfer.heard_ms = bench.clock.now_ms();
    match found {
        Some(octets) => {
            input.fill(&space[octets..count]);
            commit_received(conn, bench);
        }
        None => {
            let wanted = transfer.expected_bytes.max(count as u64) as usize;
            match bench.pool.take(wanted) {
                Some(mut buffer) => {
                    buffer.push(&space[..count]);
                    transfer.way = Way::Staged(buffer);
                    give_up_if_too_large(conn, bench);
                }
                None => drop(no_room(conn, bench, NoRoom::Budget)),
            }
        }
    }
    Ok(Received::Octets { count, short: count < asked })
}

/// The rest of a chunk: exactly its octets into the log, what follows into the input buffer.
pub(super) fn receive_chunk(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
    left: u64,
) -> std::io::Result<Received> {
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    let left_here = usize::try_from(left).unwrap_or(usize::MAX);
    let envelope = conn.session.envelope().as_bytes();
    let way = transfer.make_way(envelope, left_here, &mut bench.pool, &mut bench.writer);
    let space = way.and_then(|()| match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => Ok(buffer.free()),
        Way::Reserved(reservation) => bench.writer.space(reservation),
    });
    let space = match space {
        Ok(space) => space,
        Err(why) => return Ok(given_up(conn, bench, why)),
    };
    let for_payload = space.len().min(left_here);
    let space = &mut space[..for_payload];
    let (count, asked) = if for_payload == left_here {
        let free = input.free();
        let asked = for_payload + free.len();
        (read_both(&mut conn.socket, space, free)?, asked)
    } else {
        (read(&mut conn.socket, space)?, for_payload)
    };
    if count == 0 {
        return Ok(Received::End);
    }
    let octets = count.min(for_payload);
    input.advance(count - octets);
    match &mut transfer.way {
        Way::Nothing => unreachable!("make_way chose one"),
        Way::Staged(buffer) => buffer.advance(octets),
        Way::Reserved(reservation) => bench.writer.filled(reservation, octets),
    }
    transfer.wire_bytes += octets as u64;
    transfer.heard_ms = bench.clock.now_ms();
    if let Flow::Chunk { left, .. } = &mut conn.flow {
        *left -= octets as u64;
    }
    Ok(Received::Octets { count, short: count < asked })
}

pub(super) fn read_both(
    socket: &mut impl Read,
    payload: &mut [u8],
    behind: &mut [u8],
) -> std::io::Result<usize> {
    assert!(!payload.is_empty(), "a chunk that is whole is not read for");
    loop {
        let mut both = [IoSliceMut::new(payload), IoSliceMut::new(behind)];
        match socket.read_vectored(&mut both) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
