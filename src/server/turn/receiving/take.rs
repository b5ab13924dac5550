//! Takes payload from the input buffer: what was read together with commands or under TLS, and any
//! payload that isn't stored in full.
use std::ops::ControlFlow;

use crate::log::NoRoom;

use super::finish::{commit_from_input, finish, finish_committed};
use crate::server::connection::{Conn, Consumed, Flow, Input};
use crate::server::payload::{Fate, Transfer};
use crate::server::turn::worker_context::WorkerContext;

/// Takes the leading octets of the input that belong to the payload of `conn` and are treated
/// alike.
pub fn take(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
    mut transfer: Box<Transfer>,
) -> ControlFlow<Consumed> {
    let before = (transfer.framing, transfer.fate, transfer.dots);
    let is_kept = transfer.fate.keeps();
    let piece = &input.unread()[..transfer.framing.bound(input.unread().len())];
    let piece = transfer.fate.part(piece);
    let scanned = transfer.framing.scan(piece, &mut transfer.dots);
    let piece = &piece[..scanned.octets];
    let is_whole = scanned.is_end && transfer.framing.is_last() && transfer.wire_bytes == 0;
    if is_whole
        && transfer.fate == Fate::Keep
        && let Some(commit) = commit_from_input(conn, worker, &mut transfer, piece)
    {
        input.consume(scanned.octets);
        return finish_committed(conn, worker, transfer, commit);
    }
    let (stored, result) = if is_kept {
        transfer.octets.store(conn.session.envelope(), piece, &mut worker.storage)
    } else {
        (piece.len(), Ok(()))
    };
    if stored < piece.len() {
        // Only the stored octets count as scanned; the rest is scanned again when there is room.
        (transfer.framing, transfer.fate, transfer.dots) = before;
        let part = transfer.fate.part(&piece[..stored]);
        let again = transfer.framing.scan(part, &mut transfer.dots);
        assert!(
            part.len() == stored && !again.is_end,
            "the end is in the part that was not stored"
        );
    }
    transfer.wire_bytes += stored as u64;
    if let (true, Fate::Headers(section)) = (is_kept, &mut transfer.fate) {
        section.kept_bytes += stored as u64;
        section.kept_dots = transfer.dots;
    }
    input.consume(stored);
    if result.is_ok() && scanned.is_end {
        return end(conn, worker, transfer);
    }
    let next = match result {
        Err(NoRoom::Wait) => ControlFlow::Break(Consumed::Parked),
        Err(why) => {
            worker.refuse_for_want_of_room(&mut transfer, why);
            ControlFlow::Continue(())
        }
        Ok(()) => {
            transfer.refuse_if_beyond(conn.session.message_bytes_max(), &mut worker.storage);
            ControlFlow::Continue(())
        }
    };
    conn.flow = Flow::Payload(transfer);
    next
}

/// Handles the end of the mail data or of a chunk.
fn end(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    transfer: Box<Transfer>,
) -> ControlFlow<Consumed> {
    if transfer.framing.is_last() || matches!(transfer.fate, Fate::Refused(_)) {
        return finish(conn, worker, transfer);
    }
    conn.session.chunk_received(&mut worker.workspace);
    conn.flow = Flow::Commands { chunks: Some(transfer) };
    ControlFlow::Continue(())
}
