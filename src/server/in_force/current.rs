//! The generation that is in force, as workers see it.
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::generation::Generation;

/// One for all workers.
#[derive(Debug)]
pub struct InForce {
    /// Stored while `current` is locked. A worker that reads a new number locks as well, and so
    /// finds what belongs to it: relaxed does.
    number: AtomicU32,
    current: Mutex<Arc<Generation>>,
}

impl InForce {
    pub fn new(first: Arc<Generation>) -> InForce {
        InForce { number: AtomicU32::new(first.number), current: Mutex::new(first) }
    }

    /// Costs one relaxed load.
    #[inline]
    pub fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    pub fn current(&self) -> Arc<Generation> {
        self.current.lock().expect("no holder panics").clone()
    }

    /// Puts `next` in force. Returns the one before.
    pub fn publish(&self, next: Arc<Generation>) -> Arc<Generation> {
        let mut current = self.current.lock().expect("no holder panics");
        self.number.store(next.number, Ordering::Relaxed);
        std::mem::replace(&mut *current, next)
    }
}
