//! The sending side: drives client sessions over sockets, for replay and load generation.
//!
//! ```text
//! Source ─▶ Engine (one thread: event loop, connections, pace) ─▶ smtp::client::Session ─▶ socket
//!   ▲          │                                                            │
//!   └── done ──┘◀───────────── outcome, times of each phase ◀────────────────┘
//! ```
//!
//! It connects to nobody but the target it was given.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod source;
pub mod target;
