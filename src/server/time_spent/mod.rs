//! Where the time of connections goes: sums per state, across workers, and our own delays.
//!
//! Pure accounting: each call passes the time. This folder knows no connection and no socket.
mod lateness;
mod presence;
mod run_queue;
mod sums;

pub(super) use lateness::Lateness;
pub(super) use presence::Presence;
pub(super) use sums::{Spending, Spends, TimeSpent};
