//! Time, as the caller has it: this room never reads a clock.
use std::time::Duration;

/// A clock that callers can read and wait on.
pub trait Clock {
    /// Unix time.
    fn now(&self) -> Duration;
    /// Waits for this long, or less.
    fn pause(&self, time: Duration);
}
