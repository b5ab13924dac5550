//! A payload in progress, from its first octet to its final reply.
//!
//! ```text
//!               ┌─ receive ─▶ place (log or buffer) ─┐
//! 354 or BDAT ──┤   socket                           ├─▶ finish ─▶ accepted, refused, or waiting
//!               └─ take ────▶ place, or nowhere ─────┘
//!                   input
//! ```
//!
//! A payload is one value, a [`transfer::Transfer`]. Its [`framing::Framing`] says where it ends,
//! its [`fate::Fate`] what becomes of its octets, its [`place::Place`] where they lie. Only a
//! payload that is stored in full goes straight from the socket into the log; everything else is
//! taken from the input buffer.
pub(super) mod begin;
pub(super) mod fate;
pub(super) mod finish;
pub(super) mod framing;
pub(super) mod place;
pub(super) mod proof;
pub(super) mod receive;
pub(super) mod take;
pub(super) mod transfer;
