//! What the connections of a worker share for TLS.
use crate::server::log_throttle::LogThrottle;
use crate::time::MonotonicMs;
use crate::tls::Acceptor;

/// Limit on handshakes in progress per worker.
pub const HANDSHAKES_MAX: usize = 4096;

/// What the connections of a worker share for TLS.
pub(crate) struct WorkerTls {
    /// The settings of each listener; `None`: it has no TLS.
    pub acceptors: Vec<Option<Acceptor>>,
    /// How many more handshakes may begin.
    pub handshakes_left: usize,
    /// Records to be sent.
    pub sealed: Vec<u8>,
    /// Limits log lines about failures.
    log: LogThrottle,
}

impl WorkerTls {
    pub fn new(acceptors: Vec<Option<Acceptor>>) -> WorkerTls {
        WorkerTls {
            acceptors,
            handshakes_left: HANDSHAKES_MAX,
            sealed: Vec::new(),
            log: LogThrottle::default(),
        }
    }

    /// Returns whether a failure at `now_ms` is logged, not only counted.
    pub fn may_log_failure(&mut self, now_ms: MonotonicMs) -> bool {
        self.log.take(now_ms)
    }
}
