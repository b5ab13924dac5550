//! What statistics know about a connection.
use super::replied::Replied;
use crate::server::time_spent::StateTimer;

/// What statistics know about a connection.
#[derive(Debug, Default)]
pub struct ConnStatistics {
    /// Index of its session in the interval where it was last found; a wrong one is harmless.
    pub recorded_at: u32,
    /// The round in which something was last sent, from which think time is measured.
    pub replied: Replied,
    /// The state in which its time is counted.
    pub spending: StateTimer,
}
