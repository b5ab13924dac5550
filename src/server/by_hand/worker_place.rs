//! The place of a connection in a simulated sink.
use crate::server::worker::TablePlace;

/// A connection's worker, and its place in the worker's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerPlace {
    pub worker: usize,
    pub(super) place: TablePlace,
}
