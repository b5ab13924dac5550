//! The listeners of one worker: which ones have connections left to accept, and what happens when
//! the process runs out of descriptors.
use std::fs::File;
use std::io::{self, ErrorKind};

use mio::{Interest, Registry, Token};

use super::handover::{Arrival, WAKER};
use super::stream::{Acceptor, Stream};
use crate::config;
use crate::server::log_throttle::LogThrottle;
use crate::server::sys;
use crate::smtp::envelope::Client;
use crate::time::MonotonicMs;

/// Connections accepted from one listener before the next listener gets its turn.
pub(crate) const ACCEPTS_PER_ROUND: usize = 64;
/// Listener `n` has the token `WAKER - 1 - n`.
pub(crate) const LISTENERS_MAX: usize = 1024;
const _: () = assert!(config::LISTENERS_MAX <= LISTENERS_MAX, "each listener has its token");
/// Consecutive errors of `accept` that are attributed to clients that disconnected. More than this
/// many are an error of the listener or the machine, and retrying at once would hold up the worker.
const ERRORS_IN_A_ROW_MAX: usize = 64;

/// A source of connections: a listening socket, or a simulated one.
pub(crate) trait Accepts {
    /// Accepts the next connection in the queue, and returns it with its client.
    fn accept(&self) -> io::Result<(Stream, Client)>;
    /// Returns the number of connections waiting to be accepted; 0 where that is unknown.
    fn queue_length(&self) -> u64;
}

impl Accepts for Acceptor {
    fn accept(&self) -> io::Result<(Stream, Client)> {
        Acceptor::accept(self)
    }

    fn queue_length(&self) -> u64 {
        Acceptor::queue_length(self)
    }
}

/// The listeners of one worker.
pub(crate) struct Acceptors<A = Acceptor> {
    listeners: Vec<A>,
    /// Listeners with more in their queue, or paused; no duplicates.
    again: Vec<usize>,
    /// The end of the current pause in accepting. Accepting pauses when no descriptors are left or
    /// a listener fails.
    paused_until_ms: Option<MonotonicMs>,
    /// Limits log lines about pauses.
    pause_log: LogThrottle,
    /// A descriptor held in reserve: if none are left when sinkd stops, it is used to answer the
    /// clients in the queue, one at a time. `None` if no descriptor was free.
    spare: Option<File>,
    /// Length of the queue that each listener was created with.
    backlog: usize,
}

impl Acceptors<Acceptor> {
    /// Registers `listeners` with `registry`. `backlog`: the value they were created with.
    pub fn new(
        mut listeners: Vec<Acceptor>,
        registry: &Registry,
        backlog: i32,
    ) -> io::Result<Acceptors> {
        assert!(listeners.len() <= LISTENERS_MAX, "the configuration bounds them");
        for (n, listener) in listeners.iter_mut().enumerate() {
            registry.register(listener, Token(WAKER.0 - 1 - n), Interest::READABLE)?;
        }
        Ok(Acceptors::from_listeners(listeners, backlog))
    }

    /// Returns the index of the listener that `token` stands for.
    pub fn index_of_token(token: Token) -> Option<usize> {
        let n = (WAKER.0 - 1).wrapping_sub(token.0);
        (n < LISTENERS_MAX).then_some(n)
    }
}

impl<A: Accepts> Acceptors<A> {
    /// Takes over `listeners`, which were created with `backlog`.
    pub fn from_listeners(listeners: Vec<A>, backlog: i32) -> Acceptors<A> {
        Acceptors {
            listeners,
            again: Vec::new(),
            paused_until_ms: None,
            pause_log: LogThrottle::default(),
            spare: File::open("/dev/null").ok(),
            backlog: usize::try_from(backlog).unwrap_or(0),
        }
    }

    /// Returns the next connection from `listener`. `None`: its queue is empty, or accepting pauses
    /// and the listener will be tried again afterwards.
    pub fn next(&mut self, listener: usize, now_ms: MonotonicMs) -> Option<Arrival> {
        let mut errors = 0;
        loop {
            match self.listeners.get(listener)?.accept() {
                Ok((socket, client)) => {
                    return Some(Arrival { socket, client, listener, is_counted: false });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error)
                    if sys::is_out_of_descriptors(&error) || errors == ERRORS_IN_A_ROW_MAX =>
                {
                    self.pause(listener, &error, now_ms);
                    return None;
                }
                // The client disconnected before it was accepted, or a signal arrived.
                Err(error) => {
                    errors += 1;
                    tracing::debug!(%error, "accept");
                }
            }
        }
    }

    /// Notes that `listener` has more connections to accept.
    pub fn has_more(&mut self, listener: usize) {
        if !self.again.contains(&listener) {
            self.again.push(listener);
        }
    }

    /// Takes the list of listeners that have more to accept; empty while accepting pauses.
    pub fn take_more(&mut self, now_ms: MonotonicMs) -> Vec<usize> {
        if self.again.is_empty() || self.is_paused(now_ms) {
            return Vec::new();
        }
        self.paused_until_ms = None;
        std::mem::take(&mut self.again)
    }

    /// Returns how long the loop may sleep before a listener needs it; `None` if none does.
    pub fn wait_ms(&self, now_ms: MonotonicMs) -> Option<u64> {
        match self.paused_until_ms {
            Some(until_ms) => Some(until_ms.ms_since(now_ms)),
            None => (!self.again.is_empty()).then_some(0),
        }
    }

    /// Ends the pause: a descriptor is free again.
    pub fn resume(&mut self) {
        self.paused_until_ms = None;
    }

    /// Returns the number of connections waiting to be accepted, as far as the kernel reports it.
    pub fn queue_length(&self) -> u64 {
        self.listeners.iter().map(A::queue_length).sum()
    }

    /// Passes every queued connection to `answer`, which must close it; then closes the listeners.
    /// Closing a listener resets the connections still in its queue.
    ///
    /// Clients that keep connecting can't delay the stop: a queue holds at most `backlog + 1`
    /// connections, so any beyond that arrived after the stop began.
    pub fn close(&mut self, now_ms: MonotonicMs, mut answer: impl FnMut(Arrival)) {
        self.spare = None;
        for listener in 0..self.listeners.len() {
            for _ in 0..self.backlog + 1 {
                let Some(arrival) = self.next(listener, now_ms) else { break };
                answer(arrival);
            }
        }
        self.listeners.clear();
        self.again.clear();
        self.paused_until_ms = None;
    }

    fn is_paused(&self, now_ms: MonotonicMs) -> bool {
        self.paused_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    #[cold]
    fn pause(&mut self, listener: usize, error: &io::Error, now_ms: MonotonicMs) {
        if self.pause_log.take(now_ms) {
            let why = if sys::is_out_of_descriptors(error) {
                "no descriptors are left"
            } else {
                "a listener fails"
            };
            tracing::warn!(%error, "{why}: connections wait to be accepted");
        }
        self.paused_until_ms = Some(now_ms.saturating_add(sys::ACCEPT_PAUSE));
        self.has_more(listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_has_more_is_listed_once() {
        let poll = mio::Poll::new().unwrap();
        let mut acceptors = Acceptors::new(Vec::new(), poll.registry(), 16).unwrap();
        let shortage = std::io::Error::from_raw_os_error(libc::EMFILE);
        for now_ms in (0..1000).map(MonotonicMs::new) {
            acceptors.pause(3, &shortage, now_ms);
            acceptors.has_more(3);
            assert!(acceptors.take_more(now_ms).is_empty(), "it pauses");
        }
        let [later_ms, end_ms] = [1000, 1099].map(MonotonicMs::new);
        assert!(!acceptors.pause_log.take(later_ms), "it was logged");
        assert_eq!(acceptors.wait_ms(later_ms), Some(99));
        assert_eq!(acceptors.take_more(end_ms), [3]);
        assert_eq!(acceptors.wait_ms(end_ms), None);
    }

    /// A listener whose every `accept` fails.
    struct Failing(std::cell::Cell<usize>);

    impl Accepts for Failing {
        fn accept(&self) -> io::Result<(Stream, Client)> {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() < 1000, "the worker retries without end");
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }

        fn queue_length(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_failing_listener_pauses_and_does_not_delay_others() {
        let mut acceptors = Acceptors::from_listeners(vec![Failing(0.into())], 16);
        assert!(acceptors.next(0, MonotonicMs::START).is_none());
        assert_eq!(acceptors.wait_ms(MonotonicMs::START), Some(100));
        let end_ms = MonotonicMs::new(100);
        assert_eq!(acceptors.take_more(end_ms), [0]);
        acceptors.close(end_ms, |_| panic!("it accepts none"));
    }

    #[test]
    fn tokens_and_listeners_correspond() {
        assert_eq!(Acceptors::index_of_token(WAKER), None);
        assert_eq!(Acceptors::index_of_token(Token(WAKER.0 - 1)), Some(0));
        assert_eq!(
            Acceptors::index_of_token(Token(WAKER.0 - LISTENERS_MAX)),
            Some(LISTENERS_MAX - 1)
        );
        assert_eq!(Acceptors::index_of_token(Token(5)), None);
    }
}
