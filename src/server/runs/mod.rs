//! Runs and marks that sinkd records: runs after idle time, runs and marks that clients request by
//! NOOP, and marks for steps of the system clock.
//!
//! This folder doesn't know connections. Workers never wait for the lock of `events.jsonl`.
mod clock_watch;
mod idle_runs;
mod marks;

pub use clock_watch::ClockWatch;
pub(super) use idle_runs::IdleRuns;
pub(super) use marks::MarkSender;
