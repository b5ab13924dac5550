//! The place of a connection in a simulated sink.

/// A connection's worker, and its index in the worker's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub worker: usize,
    pub(super) place: usize,
}
