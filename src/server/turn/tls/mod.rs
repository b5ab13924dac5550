//! TLS within a turn: handshake steps, decrypting input, encrypting replies.
//!
//! Neither a session nor other code of the server sees encrypted octets: input is decrypted in
//! place in the input buffer, and replies are encrypted as they are sent (`turn/send.rs`).
mod handshake;
mod receive;
mod seal;
mod sealed_turn;

pub(crate) use handshake::HANDSHAKE_TIME;
pub(super) use receive::receive_sealed;
pub(super) use seal::{AfterReplies, seal_replies};
pub(super) use sealed_turn::{
    answer_in_plain_text, begin_handshake, begin_handshake_after_replies, begin_sealed,
    close_after_tls_failure, hold_sealed, take_step,
};
