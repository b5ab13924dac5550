//! The turn of a connection: receive, run the session, store payload, send the replies.
//!
//! ```text
//! WorkerState ─lends WorkerContext─▶ run: recv ▶ commands ▶ session ▶ receiving ▶ log ▶ one send
//! ```
//!
//! A turn knows one connection and what its worker's connections share. It doesn't know the other
//! connections, the event loop or any listener.
mod clock;
mod commands;
mod ending;
mod preamble;
mod receiving;
mod run;
mod send;
mod tls;
mod transactions;
mod worker_context;
mod worker_state;
mod worker_tls;

pub(super) use preamble::{PREAMBLE_TIME, is_trusted};
pub(super) use tls::HANDSHAKE_TIME;
pub(super) use worker_context::{SideOutputs, WorkerContext};
pub(super) use worker_state::WorkerState;
pub(super) use worker_tls::HANDSHAKES_MAX;
