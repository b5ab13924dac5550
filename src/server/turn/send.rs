//! Sending replies: one `send` a turn, and a note in the log for each acknowledgement that could
//! not be sent.
use std::io::{ErrorKind, Write};

use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Flow};
use crate::server::turn::tls::{AfterReplies, seal_replies};

/// The result of sending.
pub(crate) enum Sent {
    /// Everything was sent.
    All,
    /// The socket has no room for the rest.
    Blocked,
    /// The connection is lost.
    Lost,
}

/// Sends all replies of this turn with one call. What the socket doesn't take is kept, after unsent
/// replies of earlier turns.
pub(crate) fn flush(conn: &mut Conn, worker: &mut WorkerContext) -> Sent {
    if conn.tls.is_some() {
        return flush_sealed(conn, worker);
    }
    if worker.workspace.replies.is_empty() {
        return if conn.outgoing.unsent.is_none() { Sent::All } else { Sent::Blocked };
    }
    if let Some(transcript) = &mut conn.transcript {
        transcript.server(&worker.workspace.replies, worker.clock.now_ms());
    }
    flush_octets(conn, worker)
}

/// Sends all replies of this turn under TLS.
#[inline(never)]
fn flush_sealed(conn: &mut Conn, worker: &mut WorkerContext) -> Sent {
    if let Some(transcript) = &mut conn.transcript {
        transcript.server(&worker.workspace.replies, worker.clock.now_ms());
    }
    let then = match conn.flow {
        Flow::Closing => AfterReplies::Close,
        _ => AfterReplies::More,
    };
    if let Some(tls) = &mut conn.tls
        && let Err(error) = seal_replies(tls, worker, then)
    {
        tracing::debug!(client = %conn.client, %error, "replies could not be encrypted");
        record_turn_unsent(worker);
        return Sent::Lost;
    }
    if worker.workspace.replies.is_empty() {
        return if conn.outgoing.unsent.is_none() { Sent::All } else { Sent::Blocked };
    }
    flush_octets(conn, worker)
}

/// Sends the octets in the reply buffer.
#[inline(always)]
fn flush_octets(conn: &mut Conn, worker: &mut WorkerContext) -> Sent {
    if conn.outgoing.unsent.is_some() {
        keep_unsent(conn, worker, 0);
        return Sent::Blocked;
    }
    let sent = match write(&mut conn.socket, &worker.workspace.replies) {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            record_turn_unsent(worker);
            return Sent::Lost;
        }
    };
    if sent < worker.workspace.replies.len() {
        keep_unsent(conn, worker, sent);
        return Sent::Blocked;
    }
    worker.workspace.replies.clear();
    worker.ledger.acknowledged.clear();
    worker.ledger.measurements.replied(conn);
    Sent::All
}

/// Keeps the replies of this turn from octet `sent` on, after those that are already kept.
#[cold]
pub(crate) fn keep_unsent(conn: &mut Conn, worker: &mut WorkerContext, sent: usize) {
    let unsent = conn.outgoing.unsent.get_or_insert_default();
    unsent.keep(&worker.workspace.replies, sent, &mut worker.ledger.acknowledged);
    worker.ledger.measurements.not_replied(&mut unsent.began_us);
    worker.workspace.replies.clear();
}

/// Sends octets of a handshake. What the socket doesn't take is kept.
#[cold]
pub(crate) fn send_raw(conn: &mut Conn, octets: &[u8]) -> Sent {
    if octets.is_empty() && conn.outgoing.unsent.is_none() {
        return Sent::All;
    }
    let sent = match conn.outgoing.unsent {
        Some(_) => 0,
        None => match write(&mut conn.socket, octets) {
            Ok(sent) => sent,
            Err(_) => return Sent::Lost,
        },
    };
    if sent == octets.len() && conn.outgoing.unsent.is_none() {
        return Sent::All;
    }
    conn.outgoing.unsent.get_or_insert_default().keep_raw(&octets[sent..]);
    Sent::Blocked
}

/// Returns the number of octets that the socket took; 0 if it has no room.
pub(crate) fn write(socket: &mut impl Write, bytes: &[u8]) -> std::io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}

/// Sends the unsent replies of earlier turns.
pub(crate) fn send_unsent(conn: &mut Conn, worker: &mut WorkerContext) -> Sent {
    let Some(unsent) = conn.outgoing.unsent.as_mut() else { return Sent::All };
    match write(&mut conn.socket, unsent.rest()) {
        Ok(sent) => {
            unsent.advance(sent);
            if sent > 0 {
                conn.times.last_active_ms = worker.clock.now_ms();
            }
            if !unsent.rest().is_empty() {
                return Sent::Blocked;
            }
            if let Some(unsent) = conn.outgoing.unsent.take() {
                worker.ledger.measurements.replied_late(unsent.began_us);
            }
            Sent::All
        }
        Err(error) => {
            tracing::debug!(client = %conn.client, %error, "replies could not be sent");
            record_all_unsent(conn, worker);
            Sent::Lost
        }
    }
}

/// Notes the acknowledgements of this turn as unsent: the connection ends.
#[cold]
pub(crate) fn record_turn_unsent(worker: &mut WorkerContext) {
    while let Some((_, id)) = worker.ledger.acknowledged.pop() {
        worker.record_unsent(id);
    }
}

/// Notes the acknowledgements of this turn and of earlier ones as unsent: the connection ends.
pub(crate) fn record_all_unsent(conn: &mut Conn, worker: &mut WorkerContext) {
    record_turn_unsent(worker);
    if let Some(id) = conn.outgoing.owing.take() {
        worker.record_unsent(id);
    }
    let Some(mut unsent) = conn.outgoing.unsent.take() else { return };
    worker.ledger.measurements.replied_late(std::mem::take(&mut unsent.began_us));
    for id in unsent.into_unacknowledged() {
        worker.record_unsent(id);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use mio::net::UnixStream;

    use super::super::worker_context::SideOutputs;
    use super::*;
    use crate::log::{Log, LogSettings, MessageId};
    use crate::server::connection::ConnId;
    use crate::server::listening::Stream;
    use crate::server::payload::{Storage, TransferPool};
    use crate::server::recording::{Counters, Ledger, Measurements};
    use crate::server::shutdown::Stop;
    use crate::smtp::envelope::Client;
    use crate::smtp::limits::SessionLimits;
    use crate::smtp::policy::Policy;
    use crate::smtp::session::Session;
    use crate::smtp::workspace::Workspace;
    use crate::time::MonotonicUs;

    /// Returns a connection over a pair of sockets, and its other end.
    fn conn() -> (Conn, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let policy = Policy::new("sink", "unix", SessionLimits::default());
        let session = Session::new(Client::Unix, Arc::new(policy));
        let id = ConnId { serial: 1, session: 1 };
        (Conn::new(Stream::Unix(ours), session, id, Client::Unix, MonotonicUs::START), theirs)
    }

    fn read_all(socket: &mut UnixStream) -> Vec<u8> {
        let mut all = Vec::new();
        // The read ends with `WouldBlock`.
        let _ = socket.read_to_end(&mut all);
        all
    }

    #[test]
    fn unsent_replies_are_kept_complete_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(folder.path(), LogSettings::default()).unwrap();
        let writer = log.writer(Box::new(|| ())).unwrap();
        let (stop, counters) = (Arc::new(Stop::new(None, None)), Arc::new(Counters::default()));
        let storage = Storage { pool: TransferPool::new(1 << 20), writer };
        let measurements = Measurements::new(None, Arc::default());
        let ledger = Ledger::new(stop, counters, measurements, Default::default(), None);
        let workspace = Workspace::new(1 << 20);
        let mut worker =
            WorkerContext::new(workspace, storage, ledger, SideOutputs::default(), Vec::new());
        let (mut conn, mut theirs) = conn();
        while write(&mut conn.socket, &[b'-'; 4096]).unwrap() > 0 {}
        let id = |slot| MessageId { segment: 1, slot };
        for (slot, reply) in
            [&b"250 first\r\n"[..], b"250 second\r\n", b"421 bye\r\n"].iter().enumerate()
        {
            worker.workspace.replies.extend_from_slice(reply);
            worker.ledger.acknowledged.push((reply.len(), id(slot as u32)));
            assert!(matches!(flush(&mut conn, &mut worker), Sent::Blocked));
            assert!(worker.is_silent(), "nothing is left for another connection");
        }
        let filling = read_all(&mut theirs);
        assert!(matches!(send_unsent(&mut conn, &mut worker), Sent::All));
        assert!(filling.iter().all(|octet| *octet == b'-'));
        assert_eq!(read_all(&mut theirs), b"250 first\r\n250 second\r\n421 bye\r\n");
        drop(worker);
        log.close();
    }
}
