//! Decides which message goes when and over which connection, and when sending ends.
//!
//! Performs no I/O: the caller passes the time, and each connection is represented by its slot and
//! by what its session can do. The scheduler holds the waiting messages, the pool of connections,
//! what is known about failed ones, and the time limits.
mod connection_slot;
mod decision;
mod patience;
mod pool;
mod progress;
mod scheduler;
mod time_limits;
mod waiting;

pub(super) use connection_slot::BySlot;
pub use connection_slot::ConnectionSlot;
pub(super) use decision::{
    Assignment, ConnectionClosing, ConnectionStep, EndMeaning, EndedConnection, ExclusiveReason,
    NewConnection, OwnerRequest, RunContinuation, SilenceLimit, SilentConnection,
};
pub(super) use patience::NextAttempt;
pub(super) use pool::{EarlyEnd, PooledConnection, Readiness};
pub(super) use scheduler::Scheduler;
pub(super) use waiting::WantedMessage;
