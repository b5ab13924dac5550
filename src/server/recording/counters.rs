//! A worker's counters, and its current activity.
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one worker, which is their only writer. Any thread can read them. Relaxed: no
/// other memory access depends on their values.
#[derive(Debug, Default)]
pub struct Counters {
    /// Accepted messages.
    pub messages: AtomicU64,
    /// Bytes of accepted messages.
    pub message_bytes: AtomicU64,
    /// Messages refused at the end of data.
    pub refused: AtomicU64,
    /// Sessions that began.
    pub sessions: AtomicU64,
    /// Sessions that ended.
    pub sessions_ended: AtomicU64,
    /// How often a connection waited for room in the log.
    pub parked: AtomicU64,
    /// Loop rounds.
    pub rounds: AtomicU64,
    /// Rounds that took longer than a second (`watchdog::LONG_ROUND`).
    pub long_rounds: AtomicU64,
    /// Flushes requested (durability `message`).
    pub flushes: AtomicU64,
    /// Unix time, ms, at which octets were last read from a client; health checks of a proxy don't
    /// count.
    pub last_read_unix_ms: AtomicU64,
    /// A value of [`Doing`], or the number of the session that is being served.
    doing: AtomicU64,
}

/// What a worker does when it isn't serving a session. The values are below any session's number,
/// as those start at 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Doing {
    /// It waits for events.
    Nothing = 0,
    Accepting = 1,
    Timers = 2,
    Storage = 3,
    Stopping = 4,
    /// Its connections have ended, and it seals its open segments.
    Sealing = 5,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        // With one writer, a load and a store suffice; a locked instruction isn't needed.
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn message(&self, bytes: u64) {
        Self::add(&self.messages, 1);
        Self::add(&self.message_bytes, bytes);
    }

    pub(crate) fn refused(&self) {
        Self::add(&self.refused, 1);
    }

    /// Sets what the worker is doing.
    pub(crate) fn doing(&self, what: Doing) {
        self.doing.store(what as u64, Ordering::Relaxed);
    }

    /// Notes that the worker serves `session`.
    pub(crate) fn serving(&self, session: u64) {
        self.doing.store(session, Ordering::Relaxed);
    }

    /// Returns whether the worker is in a round.
    pub(crate) fn is_busy(&self) -> bool {
        self.doing.load(Ordering::Relaxed) != Doing::Nothing as u64
    }

    /// Returns whether the worker is sealing its segments. It then has no clients, and may wait for
    /// storage.
    pub(crate) fn is_sealing(&self) -> bool {
        self.doing.load(Ordering::Relaxed) == Doing::Sealing as u64
    }

    /// Describes what the worker is doing, for a log line.
    pub(crate) fn activity(&self) -> String {
        const NOTHING: u64 = Doing::Nothing as u64;
        const ACCEPTING: u64 = Doing::Accepting as u64;
        const TIMERS: u64 = Doing::Timers as u64;
        const STORAGE: u64 = Doing::Storage as u64;
        const STOPPING: u64 = Doing::Stopping as u64;
        const SEALING: u64 = Doing::Sealing as u64;
        match self.doing.load(Ordering::Relaxed) {
            NOTHING => "waiting for events".into(),
            ACCEPTING => "accepting connections".into(),
            TIMERS => "checking timeouts".into(),
            STORAGE => "serving the log".into(),
            STOPPING => "stopping".into(),
            SEALING => "sealing its segments".into(),
            session => format!("serving session {session}"),
        }
    }
}
