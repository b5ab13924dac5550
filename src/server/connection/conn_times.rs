//! When things happened on a connection.
use crate::time::{MonotonicMs, MonotonicUs};

/// Times of a connection on its worker's clock.
#[derive(Debug)]
pub struct ConnTimes {
    /// When its session began: usually when the connection did.
    pub opened_us: MonotonicUs,
    /// When its client last sent octets, or took some of the replies that it had left unread.
    pub last_active_ms: MonotonicMs,
    /// When the latest transaction began; before the first one, when the connection did.
    pub transaction_us: MonotonicUs,
}

impl ConnTimes {
    /// Returns the times of a connection that begins at `now_us`.
    pub fn opened_at(now_us: MonotonicUs) -> ConnTimes {
        ConnTimes { opened_us: now_us, last_active_ms: now_us.ms(), transaction_us: now_us }
    }
}
