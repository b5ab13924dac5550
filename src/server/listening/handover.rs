//! Handing connections from the worker that accepted them to the worker that serves them.
use std::net::IpAddr;
use std::sync::Arc;

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
    pub arrivals: Receiver<Arrival>,
}

/// The sending end to a worker.
#[derive(Clone)]
pub(crate) struct ArrivalSender {
    arrivals: Sender<Arrival>,
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
            handover.inboxes.push(Inbox { poll, arrivals: receiver });
            handover.senders.push(ArrivalSender { arrivals: sender, waker: waker.clone() });
            handover.wakers.push(waker);
        }
        Ok(handover)
    }
}

impl ArrivalSender {
    /// Hands `arrival` over. Returns it if the queue is full or the worker has ended.
    pub fn pass(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.arrivals.try_send(arrival).map_err(|error| error.into_inner())?;
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a worker could not be woken");
        }
        Ok(())
    }
}
