//! Runs and marks that sinkd records itself: after idle time, for clients that ask by NOOP, and for
//! a system clock that moved.
//!
//! This folder knows no connection. Workers never wait for the lock of `events.jsonl`.
mod clock_watch;
mod idle_runs;
mod moments;

pub use clock_watch::ClockWatch;
pub(super) use idle_runs::IdleRuns;
pub(super) use moments::MomentSender;
