//! When things happened on a connection.

/// Times of a connection on its worker's clock.
#[derive(Debug)]
pub struct ConnTimes {
    /// When its session began, µs: usually when the connection did.
    pub opened_us: u64,
    /// When its client last sent octets, or took some of the replies that it had left unread; ms.
    pub last_active_ms: u64,
    /// When the current transaction began, µs; meaningless outside one.
    pub began_us: u64,
}

impl ConnTimes {
    /// Returns the times of a connection that begins at `now_us`.
    pub fn opened_at(now_us: u64) -> ConnTimes {
        ConnTimes { opened_us: now_us, last_active_ms: now_us / 1000, began_us: now_us }
    }
}
