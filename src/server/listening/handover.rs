//! Handing connections from the worker that accepted them to the worker that serves them.
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use mio::{Poll, Token, Waker};

use super::stream::Stream;
use crate::smtp::envelope::Client;

/// Length of a worker's queue of connections. If it is full, the accepting worker keeps the
/// connection.
const HANDOVER_MAX: usize = 1024;

/// The token of each worker's waker.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// An accepted connection that has no place in a table yet.
pub(crate) struct Arrival {
    pub socket: Stream,
    pub client: Client,
    /// The index of its listener.
    pub listener: usize,
    /// Whether it counts toward the limit of its client's address.
    pub is_counted: bool,
}

impl Arrival {
    /// Returns the address whose limit it counts toward, if any.
    pub fn counted_by(&self) -> Option<IpAddr> {
        self.client.ip().filter(|_| self.is_counted)
    }
}

/// The channels between workers.
pub(crate) struct Handover {
    pub inboxes: Vec<Inbox>,
    pub senders: Vec<ArrivalSender>,
    pub wakers: Vec<Arc<Waker>>,
}

/// The receiving end of a worker.
pub(crate) struct Inbox {
    pub poll: Poll,
    pub arrivals: ArrivalReceiver,
}

/// Whether a worker's queue takes connections. The lock is held while one is added, so that none
/// follows once the queue is closed. It is taken once per handed-over connection, not per message.
#[derive(Clone)]
struct QueueState(Arc<Mutex<QueueIs>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum QueueIs {
    Open,
    Closed,
}

impl QueueState {
    fn lock(&self) -> MutexGuard<'_, QueueIs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue of connections that a worker takes over from others.
pub(crate) struct ArrivalReceiver {
    arrivals: Receiver<Arrival>,
    state: QueueState,
}

impl ArrivalReceiver {
    /// Removes and returns the connection that has waited longest; `None` if none waits.
    pub fn next(&self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }

    /// Returns whether no connection waits.
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// Returns the number of connections that wait.
    #[cfg(feature = "testkit")]
    pub fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// Closes the queue: from now on, [`ArrivalSender::pass`] returns connections to the worker
    /// that accepted them. Those that wait already must still be taken.
    pub fn close(&self) {
        *self.state.lock() = QueueIs::Closed;
    }
}

/// The sending end of a worker's queue.
#[derive(Clone)]
pub(crate) struct ArrivalSender {
    arrivals: Sender<Arrival>,
    state: QueueState,
    waker: Arc<Waker>,
}

impl Handover {
    pub fn new(workers: usize) -> std::io::Result<Handover> {
        let mut handover =
            Handover { inboxes: Vec::new(), senders: Vec::new(), wakers: Vec::new() };
        for _ in 0..workers {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let (sender, receiver) = crossbeam_channel::bounded(HANDOVER_MAX);
            let state = QueueState(Arc::new(Mutex::new(QueueIs::Open)));
            let arrivals = ArrivalReceiver { arrivals: receiver, state: state.clone() };
            handover.inboxes.push(Inbox { poll, arrivals });
            let sender = ArrivalSender { arrivals: sender, state, waker: waker.clone() };
            handover.senders.push(sender);
            handover.wakers.push(waker);
        }
        Ok(handover)
    }
}

impl ArrivalSender {
    /// Hands `arrival` over. Returns it if the queue is full or closed.
    pub fn pass(&self, arrival: Arrival) -> Result<(), Arrival> {
        let state = self.state.lock();
        if *state == QueueIs::Closed {
            return Err(arrival);
        }
        self.arrivals.try_send(arrival).map_err(|error| error.into_inner())?;
        drop(state);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a worker could not be woken");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> (Arrival, std::os::unix::net::UnixStream) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = Stream::Unix(mio::net::UnixStream::from_std(ours));
        (Arrival { socket, client: Client::Unix, listener: 0, is_counted: false }, theirs)
    }

    #[test]
    fn a_closed_queue_loses_no_connection() {
        let handover = Handover::new(1).unwrap();
        let (sender, receiver) = (&handover.senders[0], &handover.inboxes[0].arrivals);
        let (first, _client) = arrival();
        assert!(sender.pass(first).is_ok());
        receiver.close();
        let (second, _client) = arrival();
        assert!(sender.pass(second).is_err(), "it stays with the worker that accepted it");
        assert!(receiver.next().is_some(), "what was handed over before is still there");
        assert!(receiver.is_empty() && receiver.next().is_none());
    }

    #[test]
    fn every_connection_passed_during_a_close_is_taken_or_returned() {
        const CONNECTIONS: usize = 200;
        let handover = Handover::new(1).unwrap();
        let (sender, receiver) = (handover.senders[0].clone(), &handover.inboxes[0].arrivals);
        let passing = std::thread::spawn(move || {
            (0..CONNECTIONS).filter(|_| sender.pass(arrival().0).is_err()).count()
        });
        let mut taken = usize::from(receiver.next().is_some());
        receiver.close();
        taken += std::iter::from_fn(|| receiver.next()).count();
        let returned = passing.join().unwrap();
        assert_eq!(taken + returned, CONNECTIONS);
        assert!(receiver.is_empty());
    }
}
