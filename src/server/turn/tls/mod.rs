//! TLS within a turn: the steps of a handshake, opening what was read, sealing replies.
//!
//! A session never sees a sealed octet, and nor does other code of the server: input is opened in
//! place in the input buffer, and replies are sealed as they are sent (`turn/send.rs`).
mod handshake;
mod receive;
mod seal;

pub(crate) use handshake::HANDSHAKE_MS;
pub(super) use handshake::{Stepped, step};
pub(super) use receive::receive_sealed;
pub(super) use seal::{Then, seal_replies};
