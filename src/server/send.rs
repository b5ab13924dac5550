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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use mio::net::UnixStream;

    use super::super::counters::Counters;
    use super::super::pool::Pool;
    use super::super::shutdown::Stop;
    use super::super::stream::Stream;
    use super::*;
    use crate::log::{Log, Settings};
    use crate::smtp::envelope::Client;
    use crate::smtp::limits::{Limits, Policy, Protocol};
    use crate::smtp::session::{Desk, Session};

    /// A connection over a pair of sockets; its other end.
    fn conn() -> (Conn, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let policy = Policy::of(Protocol::Smtp, "sink", "unix", Limits::default());
        let session = Session::new(Client::Unix, Arc::new(policy));
        (Conn::new(Stream::Unix(ours), session, 1, Client::Unix, 1), theirs)
    }

    fn read_all(socket: &mut UnixStream) -> Vec<u8> {
        let mut all = Vec::new();
        // It ends with `WouldBlock`.
        let _ = socket.read_to_end(&mut all);
        all
    }

    #[test]
    fn replies_that_wait_for_a_client_are_kept_in_order_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(folder.path(), Settings::default()).unwrap();
        let writer = log.writer(Box::new(|| ())).unwrap();
        let (stop, counters) = (Arc::new(Stop::new(None, None)), Arc::new(Counters::default()));
        let pool = Pool::new(1 << 20);
        let mut bench = Bench::new(Desk::new(1 << 20), writer, pool, stop, counters, 1 << 20);
        let (mut conn, mut theirs) = conn();
        while write(&mut conn.socket, &[b'-'; 4096]).unwrap() > 0 {}
        let id = |slot| MessageId { segment: 1, slot };
        for (slot, reply) in
            [&b"250 first\r\n"[..], b"250 second\r\n", b"421 bye\r\n"].iter().enumerate()
        {
            bench.desk.replies.extend_from_slice(reply);
            bench.acknowledged.push((reply.len(), id(slot as u32)));
            assert!(matches!(flush(&mut conn, &mut bench), Sent::Blocked));
            assert!(bench.is_silent(), "nothing is left for another connection");
        }
        let kept = conn.unsent.as_ref().unwrap();
        assert_eq!(kept.acknowledged, [(11, id(0)), (23, id(1)), (32, id(2))]);
        let filling = read_all(&mut theirs);
        assert!(matches!(send_unsent(&mut conn, &mut bench), Sent::All));
        assert!(filling.iter().all(|octet| *octet == b'-'));
        assert_eq!(read_all(&mut theirs), b"250 first\r\n250 second\r\n421 bye\r\n");
        drop(bench);
        log.close();
    }
}
