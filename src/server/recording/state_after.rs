//! The state in which a connection's time is counted, derived from how its turn ended.
use crate::smtp::envelope::Client;

use crate::server::connection::{Conn, Flow, TurnEnd};
use crate::server::payload::{Framing, Transfer};
use crate::server::time_spent::ConnectionState;

/// Returns the state of a connection after a turn that ended with `turn`.
pub(crate) fn state_after(conn: &Conn, turn: TurnEnd) -> ConnectionState {
    match (turn, &conn.flow) {
        (TurnEnd::Closed | TurnEnd::Identified, _)
        | (_, Flow::Preamble | Flow::Closing | Flow::Lingering { .. }) => ConnectionState::Away,
        (TurnEnd::Again | TurnEnd::StartsTls, _) => ConnectionState::Loop,
        (TurnEnd::BlockedInCommit, _) => ConnectionState::Commit,
        (TurnEnd::Blocked, _) => ConnectionState::Unread,
        (TurnEnd::Parked, _) if conn.is_committing() => ConnectionState::Commit,
        (TurnEnd::Parked, _) | (_, Flow::Waiting(_)) => ConnectionState::Storage,
        (_, Flow::Payload(transfer)) if transfer.wire_bytes > 0 || is_chunk(transfer) => {
            transfer_state(conn)
        }
        (_, Flow::Discard { .. }) => transfer_state(conn),
        _ if conn.session.in_transaction() => ConnectionState::Command,
        _ if conn.session.messages() > 0 => ConnectionState::Between,
        _ => ConnectionState::Opening,
    }
}

fn is_chunk(transfer: &Transfer) -> bool {
    matches!(transfer.framing, Framing::Chunk { .. })
}

fn transfer_state(conn: &Conn) -> ConnectionState {
    if is_local(conn.client) { ConnectionState::LocalTransfer } else { ConnectionState::Transfer }
}

/// Returns whether the client is on this machine, so that there is no network in between.
fn is_local(client: Client) -> bool {
    client.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
}
