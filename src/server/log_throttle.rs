//! Limits on log lines that clients can cause, or that would repeat while a condition lasts.
use std::time::Duration;

use crate::time::MonotonicMs;

/// Minimum time between two log lines about the same thing.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// When a line about something was last logged; `None`: never.
#[derive(Debug, Default)]
pub(super) struct LogThrottle(Option<MonotonicMs>);

impl LogThrottle {
    /// Takes the right to log a line. Returns false if it was taken less than 10 s ago.
    pub fn take(&mut self, now_ms: MonotonicMs) -> bool {
        let is_free = self.0.is_none_or(|then_ms| now_ms >= then_ms.saturating_add(LOG_INTERVAL));
        if is_free {
            self.0 = Some(now_ms);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_at_once_and_then_every_ten_seconds() {
        let mut throttle = LogThrottle::default();
        let logged: Vec<u64> =
            (0..31).map(|s| s * 1000).filter(|ms| throttle.take(MonotonicMs::new(*ms))).collect();
        assert_eq!(logged, [0, 10_000, 20_000, 30_000]);
    }
}
