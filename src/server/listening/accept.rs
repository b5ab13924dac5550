//! A worker's listeners: which have more to accept, and what happens when descriptors run out.
use std::fs::File;
use std::io::{self, ErrorKind};

use mio::{Interest, Registry, Token};

use super::handover::{Arrival, WAKER};
use super::stream::{Acceptor, Stream};
use crate::config;
use crate::server::sys;
use crate::smtp::envelope::Client;

/// Connections accepted from one listener before the others have their turn.
pub(crate) const ACCEPTS_PER_ROUND: usize = 64;
/// Listener `n` has the token `WAKER - 1 - n`.
pub(crate) const LISTENERS_MAX: usize = 1024;
const _: () = assert!(config::LISTENERS_MAX <= LISTENERS_MAX, "each listener has its token");
/// Errors of `accept` in a row that may be those of clients that have gone. More are an error of
/// the listener, or of the machine, and asking on at once would hold up the worker.
const ERRORS_IN_A_ROW_MAX: usize = 64;
/// Accepting that pauses again and again is logged this often.
const PAUSE_LOGGED_MS: u64 = 10_000;

/// A source of connections: a listening socket, or a simulated one.
pub(crate) trait Accepts {
    /// The next connection in the queue, and its client.
    fn accept(&self) -> io::Result<(Stream, Client)>;
    /// Connections waiting to be accepted; 0 where that is not known.
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
    /// Until when accepting pauses, ms of the worker's clock: no descriptors are left, or a
    /// listener fails.
    paused_until_ms: Option<u64>,
    /// When a pause was last logged, ms of the worker's clock.
    pause_logged_ms: Option<u64>,
    /// Kept open so that at the stop, when descriptors may have run out, there is one with which to
    /// answer each client in the queue; `None` if no descriptor was free.
    spare: Option<File>,
    /// Connections that one queue may hold.
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
        Ok(Acceptors::of(listeners, backlog))
    }

    /// The listener that `token` stands for.
    pub fn of_token(token: Token) -> Option<usize> {
        let n = (WAKER.0 - 1).wrapping_sub(token.0);
        (n < LISTENERS_MAX).then_some(n)
    }
}

impl<A: Accepts> Acceptors<A> {
    /// These listeners; `backlog` as they were made with.
    pub fn of(listeners: Vec<A>, backlog: i32) -> Acceptors<A> {
        Acceptors {
            listeners,
            again: Vec::new(),
            paused_until_ms: None,
            pause_logged_ms: None,
            spare: File::open("/dev/null").ok(),
            backlog: usize::try_from(backlog).unwrap_or(0),
        }
    }

    /// The next connection from `listener`. `None`: its queue is empty, or accepting pauses and it
    /// stands in the list of those that have more.
    pub fn next(&mut self, listener: usize, now_ms: u64) -> Option<Arrival> {
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
                // The client has gone before it was accepted, or a signal came.
                Err(error) => {
                    errors += 1;
                    tracing::debug!(%error, "accept");
                }
            }
        }
    }

    /// `listener` has more to accept.
    pub fn has_more(&mut self, listener: usize) {
        if !self.again.contains(&listener) {
            self.again.push(listener);
        }
    }

    /// The listeners that have more, unless accepting pauses.
    pub fn take_more(&mut self, now_ms: u64) -> Vec<usize> {
        if self.again.is_empty() || self.is_paused(now_ms) {
            return Vec::new();
        }
        self.paused_until_ms = None;
        std::mem::take(&mut self.again)
    }

    /// How long the loop may sleep because of these listeners.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        match self.paused_until_ms {
            Some(until) => Some(until.saturating_sub(now_ms)),
            None => (!self.again.is_empty()).then_some(0),
        }
    }

    /// A descriptor is free again.
    pub fn resume(&mut self) {
        self.paused_until_ms = None;
    }

    /// Connections waiting to be accepted, as far as the kernel says.
    pub fn queue_length(&self) -> u64 {
        self.listeners.iter().map(A::queue_length).sum()
    }

    /// Every connection that waits in a queue, for `tell`, which must close it; then no listener
    /// is left. Closing a listener resets what is still queued.
    ///
    /// Bounded: clients that keep connecting don't delay the stop. A queue holds at most the
    /// backlog and one, so more than that came after the stop began.
    pub fn close(&mut self, now_ms: u64, mut tell: impl FnMut(Arrival)) {
        self.spare = None;
        for listener in 0..self.listeners.len() {
            for _ in 0..self.backlog + 1 {
                let Some(arrival) = self.next(listener, now_ms) else { break };
                tell(arrival);
            }
        }
        self.listeners.clear();
        self.again.clear();
        self.paused_until_ms = None;
    }

    fn is_paused(&self, now_ms: u64) -> bool {
        self.paused_until_ms.is_some_and(|until| now_ms < until)
    }

    #[cold]
    fn pause(&mut self, listener: usize, error: &io::Error, now_ms: u64) {
        if self.pause_logged_ms.is_none_or(|then| now_ms >= then + PAUSE_LOGGED_MS) {
            self.pause_logged_ms = Some(now_ms);
            let why = if sys::is_out_of_descriptors(error) {
                "no descriptors are left"
            } else {
                "a listener fails"
            };
            tracing::warn!(%error, "{why}: connections wait to be accepted");
        }
        self.paused_until_ms = Some(now_ms + sys::ACCEPT_PAUSE.as_millis() as u64);
        self.has_more(listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_stands_once_in_the_list_of_those_that_have_more() {
        let poll = mio::Poll::new().unwrap();
        let mut acceptors = Acceptors::new(Vec::new(), poll.registry(), 16).unwrap();
        let shortage = std::io::Error::from_raw_os_error(libc::EMFILE);
        for now_ms in 0..1000 {
            acceptors.pause(3, &shortage, now_ms);
            acceptors.has_more(3);
            assert!(acceptors.take_more(now_ms).is_empty(), "it pauses");
        }
        assert_eq!(acceptors.pause_logged_ms, Some(0), "one line in ten seconds");
        assert_eq!(acceptors.wait_ms(1000), Some(99));
        assert_eq!(acceptors.take_more(1099), [3]);
        assert_eq!(acceptors.wait_ms(1099), None);
    }

    /// A listener whose every `accept` fails.
    struct Failing(std::cell::Cell<usize>);

    impl Accepts for Failing {
        fn accept(&self) -> io::Result<(Stream, Client)> {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() < 1000, "the worker asks on and on");
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }

        fn queue_length(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_listener_that_fails_pauses_and_delays_no_other() {
        let mut acceptors = Acceptors::of(vec![Failing(0.into())], 16);
        assert!(acceptors.next(0, 0).is_none());
        assert_eq!(acceptors.wait_ms(0), Some(100));
        assert_eq!(acceptors.take_more(100), [0]);
        acceptors.close(100, |_| panic!("it accepts none"));
    }

    #[test]
    fn tokens_and_listeners_correspond() {
        assert_eq!(Acceptors::of_token(WAKER), None);
        assert_eq!(Acceptors::of_token(Token(WAKER.0 - 1)), Some(0));
        assert_eq!(Acceptors::of_token(Token(WAKER.0 - LISTENERS_MAX)), Some(LISTENERS_MAX - 1));
        assert_eq!(Acceptors::of_token(Token(5)), None);
    }
}
