//! The clock that a caller passes to code that never reads one itself.
use std::time::Duration;

use super::unix_ns::UnixNs;

/// A clock that callers can read and wait on.
pub trait Clock {
    /// Returns Unix time.
    fn now(&self) -> UnixNs;
    /// Waits for `time` or less. Callers check the time again.
    fn pause(&self, time: Duration);
}
