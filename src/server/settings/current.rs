//! The cell in which the current generation is published to workers.
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::generation::Generation;

/// The generation in force, shared by all workers.
#[derive(Debug)]
pub struct CurrentGeneration {
    /// Stored while `current` is locked, by `publish`. A worker that loads a new number then takes
    /// the lock too, which orders the accesses, so relaxed suffices.
    number: AtomicU32,
    current: Mutex<Arc<Generation>>,
}

impl CurrentGeneration {
    pub fn new(first: Arc<Generation>) -> CurrentGeneration {
        CurrentGeneration { number: AtomicU32::new(first.number), current: Mutex::new(first) }
    }

    /// Returns the number of the generation in force. Costs one relaxed load.
    #[inline]
    pub fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// Returns the generation in force. Takes a lock.
    pub fn get(&self) -> Arc<Generation> {
        self.current.lock().expect("no holder panics").clone()
    }

    /// Puts `next` in force. Returns the previous generation.
    pub fn publish(&self, next: Arc<Generation>) -> Arc<Generation> {
        let mut current = self.current.lock().expect("no holder panics");
        self.number.store(next.number, Ordering::Relaxed);
        std::mem::replace(&mut *current, next)
    }
}
