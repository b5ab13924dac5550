//! What a worker and provisioning share beside the segments: who waits, and for what.
//!
//! The words that decide whether one of them sleeps (`poked`, `waiting`) go with `SeqCst` fences:
//! each side first says what it has, then looks at what the other wants, so at least one of them
//! sees the other.
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};

/// What a worker and provisioning share beside the segments.
pub(crate) struct Gate {
    /// The worker got `Wait` (or `Full`) and wants to be woken.
    waiting: AtomicBool,
    /// A request to look at this worker is under way.
    poked: AtomicBool,
    /// No further segment can be had from storage. Stored by provisioning.
    full: AtomicBool,
    /// Octets that the next segment must hold; 0: the worker doesn't need one yet.
    need: AtomicU64,
    /// Prepared segments that the worker has taken.
    taken: AtomicU32,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("need", &self.need).field("taken", &self.taken).finish()
    }
}

/// The worker's side.
impl Gate {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Gate {
        Gate {
            waiting: AtomicBool::new(false),
            poked: AtomicBool::new(false),
            full: AtomicBool::new(false),
            need: AtomicU64::new(0),
            taken: AtomicU32::new(0),
            wake,
        }
    }

    /// The worker is about to get `Wait`: after this it must look at the marks once more.
    pub(crate) fn wait(&self) {
        self.waiting.store(true, Relaxed);
        // Partner: the fence in `wake`. Either we see the new marks, or it sees us waiting.
        fence(SeqCst);
    }

    /// Must the worker send a request? `false`: one is under way that will see what it has stored.
    pub(crate) fn poke(&self) -> bool {
        // Partner: the fence in `attend`, which follows its clearing of the flag.
        fence(SeqCst);
        !self.poked.swap(true, Relaxed)
    }

    /// The next segment must hold `bytes`. To be followed by `poke`.
    pub(crate) fn ask_for_segment(&self, bytes: u64) {
        self.need.store(bytes, Relaxed);
    }

    /// The worker has taken the prepared segment. To be followed by `poke`.
    pub(crate) fn took_segment(&self) {
        self.need.store(0, Relaxed);
        self.taken.fetch_add(1, Relaxed);
    }

    /// Whether no further segment can be had from storage.
    pub(crate) fn is_full(&self) -> bool {
        // Partner: the release store in `signal_full`.
        self.full.load(Acquire)
    }

    /// Provisioning begins to look at what this worker has stored.
    pub(crate) fn attend(&self) {
        self.poked.store(false, Relaxed);
        // Partner: the fence in `poke`: what the worker stored before it is seen after this.
        fence(SeqCst);
    }

    /// Octets that the next segment must hold; 0: none is needed yet. To be asked after `attend`.
    pub(crate) fn need(&self) -> u64 {
        self.need.load(Relaxed)
    }

    /// Prepared segments taken so far. To be asked after `attend`.
    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }

    /// No further segment can be had from storage.
    pub(crate) fn signal_full(&self) {
        // Partner: the acquire load in `is_full`.
        self.full.store(true, Release);
    }

    /// A further segment is on its way.
    pub(crate) fn signal_room(&self) {
        // Partner: the acquire load in `is_full`.
        self.full.store(false, Release);
    }

    /// There may be room now, or a definite no: wakes the worker if it waits.
    pub(crate) fn wake(&self) {
        // Partner: the fence in `wait`.
        fence(SeqCst);
        if self.waiting.load(Relaxed) && self.waiting.swap(false, Relaxed) {
            (self.wake)();
        }
    }
}
