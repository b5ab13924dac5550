//! What a worker and the provisioning thread tell each other without a lock: how far the worker
//! has come, and how far it may go.
//!
//! Every word has one writer. A mark that provisioning publishes with `Release` is loaded with
//! `Acquire`, although the worker depends on no bytes behind it: the pages are zeros either way.
//! The words that decide whether somebody sleeps (`poked`, `waiting`) go with `SeqCst` fences: each
//! side first says what it has, then looks at what the other wants, so at least one of them sees.
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// One segment's fronts, demand and marks. Offsets count from the start of its file.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Stored by the worker.
    pub fronts: Fronts,
    /// Stored by provisioning.
    pub marks: Marks,
}

/// Relaxed stores of the worker, loaded by provisioning after the fence in [`Gate::attend`].
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Fronts {
    /// First octet behind the records and regions.
    pub end: AtomicU64,
    /// Lowest slot written or promised. For an own segment: where its record is expected to end.
    pub slots: AtomicU64,
    /// How far the worker wants to write records.
    pub demand: AtomicU64,
}

/// Release stores of provisioning, loaded by the worker.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Marks {
    /// Octets below this are populated.
    pub populated: AtomicU64,
    /// Octets from this on are populated.
    pub slots_populated: AtomicU64,
    /// Octets that provisioning wants to keep ready ahead of `end`.
    pub window_bytes: AtomicU64,
    /// The same for slots.
    pub slots_window_bytes: AtomicU64,
    /// Is storage refusing to give this segment more room?
    pub full: AtomicBool,
}

/// What a worker and provisioning share beside the segments.
pub(crate) struct Gate {
    /// The worker was told `Wait` (or `Full`) and wants to be woken.
    waiting: AtomicBool,
    /// A request to look at this worker is under way.
    poked: AtomicBool,
    /// No further segment can be had from storage. Stored by provisioning.
    pub full: AtomicBool,
    /// Octets that the next segment must hold; 0: the worker doesn't need one yet.
    pub need: AtomicU64,
    /// Prepared segments that the worker has taken.
    pub taken: AtomicU32,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("need", &self.need).field("taken", &self.taken).finish()
    }
}

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

    /// The worker is about to be told `Wait`: after this it must look at the marks once more.
    pub(crate) fn wait(&self) {
        self.waiting.store(true, Ordering::Relaxed);
        // Partner: the fence in `wake`. Either we see the new marks, or it sees us waiting.
        fence(Ordering::SeqCst);
    }

    /// The second look found room.
    pub(crate) fn go_on(&self) {
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Must the worker send a request? `false`: one is under way that will see what it has stored.
    pub(crate) fn poke(&self) -> bool {
        // Partner: the fence in `attend`, which follows its clearing of the flag.
        fence(Ordering::SeqCst);
        !self.poked.swap(true, Ordering::Relaxed)
    }

    /// Provisioning begins to look at what this worker has stored.
    pub(crate) fn attend(&self) {
        self.poked.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// There may be room now, or a definite no: wakes the worker if it waits.
    pub(crate) fn wake(&self) {
        // Partner: the fence in `wait`.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Relaxed) {
            (self.wake)();
        }
    }
}
