//! What a connection spends its time with, told from where its turn left it.
use crate::smtp::envelope::Client;

use super::conn::{Conn, Flow};
use super::payload::framing::Framing;
use super::payload::transfer::Transfer;
use super::time_spent::Spends;
use super::waits::Turn;

/// What the connection spends its time with after a turn that ended with `turn`.
pub(super) fn spends(conn: &Conn, turn: Turn) -> Spends {
    match (turn, &conn.flow) {
        (Turn::Closed, _) | (_, Flow::Closing | Flow::Lingering { .. }) => Spends::Away,
        (Turn::Again, _) => Spends::Loop,
        (Turn::BlockedInCommit, _) => Spends::Commit,
        (Turn::Blocked, _) => Spends::Unread,
        (Turn::Parked, _) if conn.is_committing() => Spends::Commit,
        (Turn::Parked, _) | (_, Flow::Waiting(_)) => Spends::Storage,
        (_, Flow::Payload(transfer)) if transfer.wire_bytes > 0 || is_chunk(transfer) => {
            on_its_way(conn)
        }
        (_, Flow::Discard { .. }) => on_its_way(conn),
        _ if conn.session.in_transaction() => Spends::Command,
        _ if conn.session.messages() > 0 => Spends::Between,
        _ => Spends::Opening,
    }
}

fn is_chunk(transfer: &Transfer) -> bool {
    matches!(transfer.framing, Framing::Chunk { .. })
}

fn on_its_way(conn: &Conn) -> Spends {
    if is_local(conn.client) { Spends::LocalTransfer } else { Spends::Transfer }
}

/// No network lies between: the same machine.
fn is_local(client: Client) -> bool {
    client.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
}
