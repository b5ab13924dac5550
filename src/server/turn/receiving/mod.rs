//! The steps of receiving a payload.
//!
//! ```text
//!               ┌─ receive ─▶ place (log or buffer) ─┐
//! 354 or BDAT ──┤   socket                           ├─▶ finish ─▶ accepted, refused, or waiting
//!               └─ take ────▶ place, or nowhere ─────┘
//!                   input
//! ```
//!
//! Only a payload that is stored in full and arrives without TLS goes straight from the socket into
//! the log; everything else is taken from the input buffer.
mod begin;
mod finish;
mod receive;
mod take;

pub(super) use begin::{begin, next_chunk};
pub(super) use finish::{abandon, finish};
pub(super) use receive::receive;
pub(super) use take::take;
