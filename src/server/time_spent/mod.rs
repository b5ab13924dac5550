//! Accounting of the time of connections: sums per state, time in use across workers, and our own
//! delays.
//!
//! Each call passes the time. This folder doesn't know connections or sockets.
mod lateness;
mod presence;
mod run_queue;
mod sums;

pub(super) use lateness::Lateness;
pub(super) use presence::Presence;
pub(super) use sums::{ConnectionState, StateTimer, TimeSpent};
