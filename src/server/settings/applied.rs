//! The settings that a worker applies.
use std::sync::Arc;

use super::current::CurrentGeneration;
use super::generation::Generation;

/// The settings that a worker applies: those in force when its last round began.
#[derive(Debug)]
pub struct AppliedGeneration {
    current: Arc<CurrentGeneration>,
    applied: Arc<Generation>,
}

impl AppliedGeneration {
    /// Applies the generation in force.
    pub fn new(current: Arc<CurrentGeneration>) -> AppliedGeneration {
        let applied = current.get();
        AppliedGeneration { current, applied }
    }

    /// Returns whether another generation is in force. Costs one relaxed load.
    #[inline]
    pub fn is_outdated(&self) -> bool {
        self.current.number() != self.applied.number
    }

    /// Applies the generation in force. Takes a lock.
    pub fn renew(&mut self) {
        self.applied = self.current.get();
    }

    /// Returns the generation that is applied.
    #[inline]
    pub fn get(&self) -> &Generation {
        &self.applied
    }
}
