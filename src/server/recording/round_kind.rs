//! Which rounds of a worker have work that is due once a second.

/// Whether a round is the first of a second with statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundKind {
    /// It is: lengths of queues are sampled for the statistics.
    FirstOfSecond,
    /// It is not, or nothing is recorded.
    Other,
}
