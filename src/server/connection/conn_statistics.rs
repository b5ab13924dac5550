//! What statistics know about a connection.
use super::replied::Replied;
use crate::server::time_spent::StateTimer;
use crate::stats::SessionHint;

/// What statistics know about a connection.
#[derive(Debug, Default)]
pub struct ConnStatistics {
    /// Where the entry of its session was last found.
    pub hint: SessionHint,
    /// The round in which something was last sent, from which think time is measured.
    pub replied: Replied,
    /// The state in which its time is counted.
    pub spending: StateTimer,
}
