//! What a worker counts, and what it says it is doing.
use std::sync::atomic::{AtomicU64, Ordering};

/// What a worker counts; written by it alone, read by anyone (relaxed: nothing depends on them).
#[derive(Debug, Default)]
pub struct Counters {
    pub messages: AtomicU64,
    pub message_bytes: AtomicU64,
    pub refused: AtomicU64,
    pub sessions: AtomicU64,
    pub sessions_ended: AtomicU64,
    pub parked: AtomicU64,
    pub rounds: AtomicU64,
    /// Rounds that took longer than a second (`watchdog::LONG_ROUND`).
    pub long_rounds: AtomicU64,
    /// Flushes asked for (durability `message`).
    pub flushes: AtomicU64,
    /// Unix time, ms, at which a client last sent octets; health checks of a proxy do not count.
    pub heard_unix_ms: AtomicU64,
    /// [`Doing`], or the session whose turn it is.
    doing: AtomicU64,
}

/// What a worker does when it is not a session's turn. Below any session's number, the first of
/// which is 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Doing {
    /// It sleeps until something happens.
    Nothing = 0,
    Accepting = 1,
    Timers = 2,
    Storage = 3,
    Stopping = 4,
    /// Its connections are gone, the segments it has open are sealed.
    Sealing = 5,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        // One writer: a load and a store do, without a locked instruction.
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn message(&self, bytes: u64) {
        Self::add(&self.messages, 1);
        Self::add(&self.message_bytes, bytes);
    }

    pub(crate) fn refused(&self) {
        Self::add(&self.refused, 1);
    }

    /// From here on the worker does this.
    pub(crate) fn doing(&self, what: Doing) {
        self.doing.store(what as u64, Ordering::Relaxed);
    }

    /// From here on it is the turn of `session`.
    pub(crate) fn serving(&self, session: u64) {
        self.doing.store(session, Ordering::Relaxed);
    }

    /// Whether the worker is in a round.
    pub(crate) fn is_busy(&self) -> bool {
        self.doing.load(Ordering::Relaxed) != Doing::Nothing as u64
    }

    /// Whether the worker seals its segments: it has no client any more, and may wait for storage.
    pub(crate) fn is_sealing(&self) -> bool {
        self.doing.load(Ordering::Relaxed) == Doing::Sealing as u64
    }

    /// What the worker does, for a person.
    pub(crate) fn doing_now(&self) -> String {
        const NOTHING: u64 = Doing::Nothing as u64;
        const ACCEPTING: u64 = Doing::Accepting as u64;
        const TIMERS: u64 = Doing::Timers as u64;
        const STORAGE: u64 = Doing::Storage as u64;
        const STOPPING: u64 = Doing::Stopping as u64;
        const SEALING: u64 = Doing::Sealing as u64;
        match self.doing.load(Ordering::Relaxed) {
            NOTHING => "waiting for events".into(),
            ACCEPTING => "accepting connections".into(),
            TIMERS => "looking at time-outs".into(),
            STORAGE => "telling the log what it needs".into(),
            STOPPING => "stopping".into(),
            SEALING => "sealing its segments".into(),
            session => format!("serving session {session}"),
        }
    }
}
