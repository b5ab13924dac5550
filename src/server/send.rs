//! Replies on their way out: one `send` a turn, and a note in the log for what could not leave.
use std::io::{ErrorKind, Write};

use crate::log::{Facts, Kind, MessageId};

use super::bench::Bench;
use super::conn::Conn;

pub(super) enum Sent {
    All,
    Blocked,
    Lost,
}

/// Sends all replies of this turn with one call; what the socket does not take is kept, behind
/// what it had not taken before.
pub(super) fn flush(conn: &mut Conn, bench: &mut Bench) -> Sent {
    if bench.desk.replies.is_empty() {
        return if conn.unsent.is_none() { Sent::All } else { Sent::Blocked };
    }
    if let Some(transcript) = &mut conn.transcript {
        transcript.server(&bench.desk.replies, bench.clock.now_ms());
    }
    if conn.unsent.is_some() {
        keep_unsent(conn, bench, 0);
        return Sent::Blocked;
    }
    let sent = match write(&mut conn.socket, &bench.desk.replies) {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            note_lost(bench);
            return Sent::Lost;
        }
    };
    if sent < bench.desk.replies.len() {
        keep_unsent(conn, bench, sent);
        return Sent::Blocked;
    }
    bench.desk.replies.clear();
    bench.acknowledged.clear();
    bench.recording.replied(conn);
    Sent::All
}

/// Keeps the replies of this turn from octet `sent` on, behind those that are kept already.
#[cold]
pub(super) fn keep_unsent(conn: &mut Conn, bench: &mut Bench, sent: usize) {
    let unsent = conn.unsent.get_or_insert_default();
    let from = unsent.bytes.len();
    unsent.bytes.extend_from_slice(&bench.desk.replies[sent..]);
    let kept = bench.acknowledged.drain(..).filter(|(end, _)| *end > sent);
    unsent.acknowledged.extend(kept.map(|(end, id)| (from + end - sent, id)));
    bench.desk.replies.clear();
}

/// Octets the socket took; 0 if it takes none now.
pub(super) fn write(socket: &mut impl Write, bytes: &[u8]) -> std::io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}

pub(super) fn send_unsent(conn: &mut Conn, bench: &mut Bench) -> Sent {
    let Some(unsent) = conn.unsent.as_mut() else { return Sent::All };
    match write(&mut conn.socket, &unsent.bytes[unsent.sent..]) {
        Ok(sent) => {
            unsent.sent += sent;
            if sent > 0 {
                conn.heard_ms = bench.clock.now_ms();
            }
            if unsent.sent < unsent.bytes.len() {
                return Sent::Blocked;
            }
            conn.unsent = None;
            Sent::All
        }
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            note_unsent(conn, bench);
            Sent::Lost
        }
    }
}

/// The connection ends with acknowledgements of this turn unsent.
#[cold]
pub(super) fn note_lost(bench: &mut Bench) {
    for index in 0..bench.acknowledged.len() {
        let (_, id) = bench.acknowledged[index];
        note(bench, id);
    }
    bench.acknowledged.clear();
}

/// Likewise those of earlier turns.
pub(super) fn note_unsent(conn: &mut Conn, bench: &mut Bench) {
    note_lost(bench);
    if let Some(id) = conn.owing.take() {
        note(bench, id);
    }
    let Some(unsent) = conn.unsent.take() else { return };
    for (end, id) in unsent.acknowledged {
        if end > unsent.sent {
            note(bench, id);
        }
    }
}

/// Writes into the log that the 250 for `id` was not sent; with no room, this is forgotten.
#[cold]
pub(super) fn note(bench: &mut Bench, id: MessageId) {
    let facts = Facts {
        kind: Kind::Note,
        received_at_ns: bench.clock.unix_ns(),
        reply_code: 250,
        enhanced: [2, 0, 0],
        ..Facts::default()
    };
    if bench.writer.append(&[], &[&id.to_bytes()], &facts).is_err() {
        tracing::warn!(%id, "its 250 could not be sent, and there was no room to note that");
    }
}
