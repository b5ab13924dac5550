//! TLS within a turn: the steps of a handshake, opening what was read, sealing replies.
//!
//! A session never sees a sealed octet, and nor does other code of the server: input is opened in
//! place in the input buffer, and replies are sealed as they are sent (`turn/send.rs`).
mod handshake;
mod receive;
mod seal;
mod sealed_turn;

pub(crate) use handshake::HANDSHAKE_MS;
pub(super) use receive::receive_sealed;
pub(super) use seal::{Then, seal_replies};
pub(super) use sealed_turn::{
    answer_in_plain_text, begin_handshake, begin_sealed, broken, hold_sealed, secures,
};
