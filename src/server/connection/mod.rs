//! One connection: its state, its input, and what it waits for between turns.
//!
//! Values only. What a connection does in its turn is in `turn/`; which connections exist, in
//! `worker/`.
mod conn;
mod conn_statistics;
mod conn_times;
mod conn_tls;
mod handshaking;
mod incoming;
mod input;
mod outgoing;
mod received;
mod replied;
mod session_ids;
mod waits;

pub(super) use conn::{Conn, ConnId, Flow};
pub(super) use conn_tls::ConnTls;
pub(super) use handshaking::Handshaking;
pub(super) use input::{Consumed, Input};
pub(super) use received::{Received, read};
pub(super) use replied::Replied;
pub(super) use session_ids::SessionIds;
pub(super) use waits::{TurnEnd, Waits};
