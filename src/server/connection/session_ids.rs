//! The ids that a worker gives to sessions.

/// The ids of a worker's sessions: start count of sinkd, worker, sequence number. They are unique
/// in the data folder.
#[derive(Debug)]
pub struct SessionIds {
    /// Start count and worker, in the high bits.
    base: u64,
    /// Number of ids so far.
    count: u64,
}

impl SessionIds {
    /// Returns the ids of the worker with this index.
    pub fn new(start_count: u32, worker: usize) -> SessionIds {
        SessionIds { base: u64::from(start_count) << 48 | (worker as u64) << 40, count: 0 }
    }

    /// Returns the id of the next session.
    pub fn next_id(&mut self) -> u64 {
        let id = self.base | self.count;
        self.count += 1;
        id
    }
}
