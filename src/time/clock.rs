//! The clock that a caller passes to code that never reads one itself.
use std::time::Duration;

/// A clock that callers can read and wait on.
pub trait Clock {
    /// Returns the time since 1970.
    fn now(&self) -> Duration;
    /// Waits for `time` or less. Callers check the time again.
    fn pause(&self, time: Duration);
}
