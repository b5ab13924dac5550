//! State shared by a worker and provisioning, apart from segments: who waits, and for what.
//!
//! The words that decide whether one side sleeps (`notified`, `waiting`) are used with `SeqCst`
//! fences: each side first publishes its own state, then reads the other's, so at least one of them
//! sees the other's update.
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

// tools/orderings runs this file with all outcomes that the memory orders allow.
#[cfg(sinkd_loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
#[cfg(not(sinkd_loom))]
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};

/// State shared by a worker and provisioning, apart from segments.
pub(crate) struct Gate {
    /// The worker got `Wait` (or `Full`) and must be woken.
    waiting: AtomicBool,
    /// A request to attend to this worker is pending.
    notified: AtomicBool,
    /// Storage provides no further segment. Stored by provisioning.
    full: AtomicBool,
    /// Size of the record that the next segment must hold; 0: no segment is needed yet.
    need: AtomicU64,
    /// Number of prepared segments that the worker has taken.
    taken: AtomicU32,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("need", &self.need).field("taken", &self.taken).finish()
    }
}

/// Something that the worker has stored in its gate, which provisioning may not see before
/// [`Gate::notify_of`].
#[must_use]
#[derive(Debug)]
pub(crate) struct Unannounced(());

/// What a worker has asked of provisioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Size of the record that the next segment must hold; `None`: no segment is needed yet.
    pub record_bytes: Option<u64>,
    /// Number of prepared segments taken so far.
    pub taken: u32,
}

/// Methods for the worker, then those for provisioning and the flusher.
impl Gate {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Gate {
        Gate {
            waiting: AtomicBool::new(false),
            notified: AtomicBool::new(false),
            full: AtomicBool::new(false),
            need: AtomicU64::new(0),
            taken: AtomicU32::new(0),
            wake,
        }
    }

    /// Announces that the worker is about to get `Wait`. After this call, it must check the marks
    /// once more.
    pub(crate) fn wait(&self) {
        self.waiting.store(true, Relaxed);
        // Partner: the fence in `wake`. Either we see the new marks, or provisioning sees us
        // waiting.
        fence(SeqCst);
    }

    /// Returns whether the worker must send a request. If false, one is pending that will see what
    /// the worker has stored.
    pub(crate) fn notify(&self) -> bool {
        // Partner: the fence in `acknowledge`, which comes after it clears the flag.
        fence(SeqCst);
        !self.notified.swap(true, Relaxed)
    }

    /// Announces what was stored in the gate. Returns what `notify` returns.
    pub(crate) fn notify_of(&self, _stored: Unannounced) -> bool {
        self.notify()
    }

    /// Requests that the next segment hold a record of `bytes` octets, which are at least one.
    pub(crate) fn request_segment(&self, bytes: u64) -> Unannounced {
        self.need.store(bytes, Relaxed);
        Unannounced(())
    }

    /// Records that the worker has taken the prepared segment.
    pub(crate) fn record_taken_segment(&self) -> Unannounced {
        self.need.store(0, Relaxed);
        self.taken.fetch_add(1, Relaxed);
        Unannounced(())
    }

    /// Returns whether storage provides no further segment.
    pub(crate) fn is_full(&self) -> bool {
        // Partner: the release store in `signal_full`.
        self.full.load(Acquire)
    }

    /// Returns what the worker asks for. Provisioning calls this before it reads anything else that
    /// the worker has stored: after a later store, the worker sends another request.
    pub(crate) fn acknowledge(&self) -> Asked {
        self.notified.store(false, Relaxed);
        // Partner: the fence in `notify`. What the worker stored before that is visible after this.
        fence(SeqCst);
        let need = self.need.load(Relaxed);
        Asked { record_bytes: (need > 0).then_some(need), taken: self.taken.load(Relaxed) }
    }

    /// Signals that storage provides no further segment.
    pub(crate) fn signal_full(&self) {
        // Partner: the acquire load in `is_full`.
        self.full.store(true, Release);
    }

    /// Signals that a further segment will be provided.
    pub(crate) fn signal_room(&self) {
        // Partner: the acquire load in `is_full`.
        self.full.store(false, Release);
    }

    /// Wakes the worker if it waits, because there may be room, or storage has refused permanently.
    pub(crate) fn wake(&self) {
        // Partner: the fence in `wait`.
        fence(SeqCst);
        if self.waiting.load(Relaxed) && self.waiting.swap(false, Relaxed) {
            (self.wake)();
        }
    }
}
